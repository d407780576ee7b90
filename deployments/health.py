"""What is wrong with a network, in one sentence and in a list.

What is asked of is what files need on their way, the worst first: catalogue, stores, disks,
Prefect's server, a worker, the sweep and what it saw waiting. Prefect is asked where
PREFECT_API_URL names it; without one, what waits is counted in `incoming`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deployments.receiver.announcements import ARRIVED
from deployments.work_pools.deploy import WORK_POOL
from flows.runs import SWEEP
from panoptes.network.addresses import place_of
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.backlog import SWEPT, Backlog
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site
from panoptes.network.units.health import health_of

if TYPE_CHECKING:
    import httpx

ASK_SECONDS = 3.0
MOST_COUNTED = 1_000
"""Files in `incoming` that are looked at where there is no sweep to ask."""
SILENT = timedelta(minutes=2)
"""A worker says every 30 seconds that it is there."""
UNSWEPT = timedelta(minutes=20)
"""Sweeps are five minutes apart, and Prefect's word for an hour would be too long."""
LONG_WAIT = timedelta(hours=1)

log = safe_log(__name__)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    is_well: bool
    sentence: str
    detail: str | None = None
    """For operators: names places and programs."""


@dataclass(frozen=True)
class Verdict:
    """What is wrong, the worst first."""

    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        return all(check.is_well for check in self.checks)

    @property
    def sentence(self) -> str:
        """The worst in one sentence."""
        wrong = [check for check in self.checks if not check.is_well]
        if not wrong:
            return "All is well."
        more = len(wrong) - 1
        others = f" (and {more} more)" if more else ""
        return f"{wrong[0].sentence[:1].upper()}{wrong[0].sentence[1:]}{others}."

    def as_json(self, *, detailed: bool) -> dict[str, Any]:
        checks = [asdict(check) for check in self.checks]
        for each in checks:
            if not detailed or each["detail"] is None:
                del each["detail"]
        return {"is_well": self.is_well, "sentence": self.sentence, "checks": checks}


def look(site: Site) -> Verdict:
    """Look at everything, in some seconds at most; raises nothing that a check is about."""
    now = datetime.now(UTC)
    checks = [_catalogue(site), *_stores(site), *_removing(site), _disks(site, now)]
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    checks += list(_prefect(url, now) if url else _waiting(site, now))
    return Verdict(tuple(checks))


def _tried(what: str, well: str, wrong: str, call: Callable[[], object]) -> Check:
    try:
        call()
    except (ConfigurationError, TransientError, OSError) as error:
        log.warning("%s: %s", wrong, error)
        return Check(what, False, wrong, one_line(error, most=300))
    return Check(what, True, well)


def _catalogue(site: Site) -> Check:
    return _tried(
        "catalogue",
        "the catalogue answers",
        "the catalogue cannot be read, so nothing can be ingested or shown",
        lambda: site.catalog.get("units", "PAN000"),
    )


def _stores(site: Site) -> Iterator[Check]:
    for location in LOCATIONS:
        address = getattr(site.settings, location)

        def call(location: Any = location, address: str = address) -> None:
            if address.startswith("gs://"):
                site.store(location).check()
            else:  # a check would make what is missing, and here is only looked
                next(iter(os.scandir(place_of(address))), None)

        wrong = f"{location} cannot be read, so files wait until it is back"
        yield _tried(location, f"{location} can be read", wrong, call)


def _removing(site: Site) -> Iterator[Check]:
    """Whether uploads can leave, seen by one of each folder in `incoming`."""
    if site.settings.keep_incoming or site.settings.incoming.startswith("gs://"):
        return
    store = site.store("incoming")
    try:
        folders = islice(store.folders(""), MOST_COUNTED)
        firsts = (info for each in folders for info in islice(store.list(each), 1))
        why = next(filter(None, (store.hindrance(info.name) for info in firsts)), None)
    except (TransientError, ConfigurationError, OSError):
        return  # said above
    if why is not None:
        wrong = "uploads cannot be removed from incoming, so they stay there once they are done"
        yield Check("removing", False, wrong, one_line(why, most=300))


def _disks(site: Site, now: datetime) -> Check:
    try:
        full = health_of(site, now=now).nearly_full
    except (TransientError, ConfigurationError, OSError):
        full = []  # said above
    if full:
        return Check("disk", False, "; ".join(full))
    return Check("disk", True, "the disks have room")


def _prefect(url: str, now: datetime) -> Iterator[Check]:
    import httpx

    auth = os.environ.get("PREFECT_API_AUTH_STRING")
    user, _, password = (auth or "").partition(":")
    login = httpx.BasicAuth(user, password) if auth else None
    with httpx.Client(base_url=url, timeout=ASK_SECONDS, auth=login) as client:
        for what, ask in (
            ("Prefect", _server),
            ("worker", _worker),
            ("sweep", _sweep),
            ("last event", _last_event),
        ):
            try:
                yield from ask(client, now)
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                log.warning("Prefect's server could not be asked: %s", error)
                yield Check(
                    what,
                    False,
                    "Prefect's server does not answer, so no run starts and uploads wait"
                    if what == "Prefect"
                    else f"nobody can tell of the {what}, since Prefect's server does not say",
                    one_line(error, most=300),
                )
                if what == "Prefect":
                    return


def _ask(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json=body).raise_for_status().json()


def _server(client: httpx.Client, now: datetime) -> Iterator[Check]:
    client.get("/health").raise_for_status()
    yield Check("Prefect", True, "Prefect's server answers")


def _worker(client: httpx.Client, now: datetime) -> Iterator[Check]:
    path = f"/work_pools/{quote(WORK_POOL, safe='')}/workers/filter"
    heard = [
        datetime.fromisoformat(each["last_heartbeat_time"])
        for each in _ask(client, path, {})
        if each["last_heartbeat_time"]
    ]
    if not heard:
        yield Check("worker", False, "no worker was ever there, so no run starts")
    elif now - max(heard) > SILENT:
        ago = _ago(now - max(heard))
        yield Check("worker", False, f"no worker was heard of for {ago}, so no run starts")
    else:
        yield Check("worker", True, f"a worker was heard of {_ago(now - max(heard))} ago")


def _sweep(client: httpx.Client, now: datetime) -> Iterator[Check]:
    found = _last(client, SWEPT, now)
    if found is None and now - _deployed(client) < UNSWEPT:
        yield Check("sweep", True, f"{SWEEP} is new here and runs first within some minutes")
        return
    if found is None or now - _occurred(found) > UNSWEPT:
        when = "in the last day" if found is None else f"for {_ago(now - _occurred(found))}"
        yield Check(
            "sweep", False, f"{SWEEP} has not run {when}, so files whose event was lost wait"
        )
        return
    yield Check("sweep", True, f"the last sweep was {_ago(now - _occurred(found))} ago")
    backlog = Backlog.model_validate(found["payload"])
    yield Check("backlog", not backlog.overdue, backlog.sentence)


def _deployed(client: httpx.Client) -> datetime:
    """When the sweep came to this server; long ago where it did not."""
    answer = client.get(f"/deployments/name/{SWEEP}")
    if answer.status_code == 404:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(answer.raise_for_status().json()["created"])


def _last_event(client: httpx.Client, now: datetime) -> Iterator[Check]:
    found = _last(client, ARRIVED, now)
    said = "no upload was told of in the last day"
    if found is not None:
        said = f"the last upload was told of {_ago(now - _occurred(found))} ago"
    yield Check("last event", True, said)  # there are cloudy nights


def _last(client: httpx.Client, name: str, now: datetime) -> dict[str, Any] | None:
    since = (now - timedelta(days=1)).isoformat()
    wanted = {"event": {"name": [name]}, "occurred": {"since": since}, "order": "DESC"}
    events = _ask(client, "/events/filter", {"filter": wanted, "limit": 1})["events"]
    return events[0] if events else None


def _occurred(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred"])


def _waiting(site: Site, now: datetime) -> Iterator[Check]:
    yield Check("Prefect", True, "no Prefect server is named in PREFECT_API_URL, so none was asked")
    if site.settings.keep_incoming:
        return
    try:
        first = list(islice(site.store("incoming").list(), MOST_COUNTED))
    except (TransientError, ConfigurationError, OSError):
        return  # said above
    oldest = min((each.updated for each in first), default=now)
    more = len(first) == MOST_COUNTED
    count = f"{len(first)} or more files wait" if more else counted(len(first), "file", "wait")
    sentence = f"{count} in incoming"
    if first:
        sentence += f", one of them for {_ago(now - oldest)}"
    yield Check("backlog", now - oldest <= LONG_WAIT, sentence)


def _ago(time: timedelta) -> str:
    seconds = max(0.0, time.total_seconds())
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
