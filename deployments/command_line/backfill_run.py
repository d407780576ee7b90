"""What `panoptes-network backfill` does; gives the exit code."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import httpx

from blocks.network import load_network
from deployments.command_line.choosing import as_night
from deployments.command_line.exit_codes import FAILED, NOT_ALL, OK
from flows.starting import INGEST, Runs
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.backlog import Waiting, held, waiting_of_nights
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site


def run(
    start: str,
    end: str,
    *,
    unit: str | None,
    network: str,
    deployment: str,
    most: int,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Create the runs, or say which they would be."""
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import get_current_settings

    try:
        first, last = as_night(start, "--from"), as_night(end, "--to")
        if last < first:
            raise ConfigurationError(f"--to {last} is before --from {first}")
        if not get_current_settings().api.url:
            raise ConfigurationError(
                "PREFECT_API_URL is not set: say where Prefect is, "
                "for example http://127.0.0.1:4200/api"
            )
        site = load_network(network).site
        with closing(site.catalog):
            found = waiting_of_nights(site, first, last, unit=unit)
            busy = held(site)
        wanted = sorted(found, key=lambda name: (name.rpartition("_")[2], name))
        wanted, started = _start(site, wanted, busy, network, deployment, most, dry_run=dry_run)
    except ObjectNotFound:
        return _complain(
            f"{deployment} is not deployed: run `python -m deployments.work_pools.deploy`",
            as_json=as_json,
        )
    except httpx.HTTPError as error:
        return _complain(f"Prefect cannot be reached: {error}", as_json=as_json)
    except (ConfigurationError, TransientError) as error:
        return _complain(str(error), as_json=as_json)
    left = len(wanted) - started
    if as_json:
        rows = [{"sequence_id": name, "files": len(found[name].sources)} for name in wanted]
        answer = {"observations": rows, "waiting": len(found), "started": started, "left": left}
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        _tell(found, wanted, started, dry_run=dry_run)
    return OK if dry_run or not left else NOT_ALL


def _start(
    site: Site,
    names: Sequence[str],
    busy: set[str],
    network: str,
    deployment: str,
    most: int,
    *,
    dry_run: bool,
) -> tuple[list[str], int]:
    """Those that nobody is at work on or will be, and for how many a run was created."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        runs = Runs(client, deployment, network)
        taken = busy | runs.due(start_seconds=site.settings.lease_seconds)
        with suppress(ObjectNotFound):  # a network may have no live deployment of that name
            taken |= Runs(client, INGEST, network).due(start_seconds=site.settings.lease_seconds)
        wanted = [name for name in names if name not in taken]
        return wanted, 0 if dry_run else runs.start(wanted[:most], key=uuid.uuid4().hex)


def _tell(found: dict[str, Waiting], wanted: Sequence[str], started: int, *, dry_run: bool) -> None:
    for name in wanted:
        sys.stdout.write(f"{one_line(name)}: {len(found[name].sources)} files wait\n")
    taken = len(found) - len(wanted)
    parts = [f"{len(wanted)} observations wait"]
    if taken:
        parts.append(f"{taken} more have a run already")
    if not dry_run:
        parts.append(f"{started} runs created")
        if started < len(wanted):
            parts.append("run it again for the rest")
    sys.stdout.write("; ".join(parts) + "\n")


def _complain(sentence: str, *, as_json: bool) -> int:
    if as_json:
        answer: dict[str, Any] = {"success": False, "message": sentence}
        sys.stdout.write(json.dumps(answer) + "\n")
    sys.stderr.write(f"panoptes-network backfill: {one_line(sentence)}\n")
    return FAILED
