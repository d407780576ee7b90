"""What a shell offers behind Tab: names from the catalogue in a folder, and words of ours.

Each is given what has been typed of the word, and the command's other words by the context.
Nothing is said of a catalogue on a server: it could take longer than a person waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from panoptes.network.catalog.catalog import Order
    from panoptes.network.site import Site

MOST = 200
"""As many names are offered at once."""


def units(ctx: typer.Context, incomplete: str) -> list[str]:
    """The units of the catalogue."""
    return _beginning(incomplete, _keys(ctx, "units"))


def cameras(ctx: typer.Context, incomplete: str) -> list[str]:
    """The cameras of the catalogue."""
    found = (key.rpartition("_")[2] for key in _keys(ctx, "cameras"))
    return _beginning(incomplete, dict.fromkeys(found))


def observations(ctx: typer.Context, incomplete: str) -> list[str]:
    """The newest observations of the catalogue."""
    return _beginning(incomplete, _keys(ctx, "observations", [("time", "desc")]))


def cases(ctx: typer.Context, incomplete: str) -> list[str]:
    """The ids of what waits in quarantine."""
    from panoptes.network.errors import ConfigurationError, TransientError
    from panoptes.network.ingest.cases import cases

    site = _site(ctx)
    if site is None:
        return []
    with site, suppress(ConfigurationError, TransientError):
        return _beginning(incomplete, [each.report.id for each in islice(cases(site), MOST)])
    return []


def codes(incomplete: str) -> list[str]:
    """The codes of the cases in quarantine."""
    from panoptes.network.ingest.cases import CODES

    return _beginning(incomplete, CODES)


def statuses(incomplete: str) -> list[str]:
    """What an observation can be at."""
    from panoptes.network.documents import OBSERVATION_STATUS

    return _beginning(incomplete, OBSERVATION_STATUS)


def locations(incomplete: str) -> list[str]:
    """The locations whose files can be served; the last of a list that is being typed."""
    from panoptes.network.settings import LOCATIONS

    before, comma, last = incomplete.rpartition(",")
    words = LOCATIONS if comma else ("archive", *LOCATIONS)
    return [before + comma + word for word in _beginning(last, words)]


def services(incomplete: str) -> list[str]:
    """What can be deployed: services, and their deployments."""
    from deployments.work_pools.deploy import PROJECT, read_deployments

    known = read_deployments(PROJECT)
    names = [word for name in known for word in (name.partition("/")[0], name)]
    return _beginning(incomplete, dict.fromkeys(names))


def _keys(ctx: typer.Context, collection: str, order_by: Sequence[Order] = ()) -> list[str]:
    from panoptes.network.catalog.catalog import Query
    from panoptes.network.errors import ConfigurationError, TransientError

    site = _site(ctx)
    if site is None:
        return []
    with site, suppress(ConfigurationError, TransientError):
        found = site.catalog.query(Query(collection, order_by=order_by, limit=MOST))
        return [each.key for each in found]
    return []


def _site(ctx: typer.Context) -> Site | None:
    """The network of the folder that the words before name, or of the usual one."""
    from panoptes.network.site import Site

    data = ctx.params.get("data")
    if ctx.params.get("network") or (data is None and os.environ.get("PANOPTES_INCOMING")):
        return None
    folder = Path(data or "panoptes-data").expanduser()
    return Site.in_folder(folder) if (folder / "catalog.sqlite").exists() else None


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
