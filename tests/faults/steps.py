"""What children do with a world. Everything here runs in a process of its own."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from panoptes.network.audit import audit
from panoptes.network.catalog.catalog import Query
from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.ingest import isolation, ledger, retries
from panoptes.network.ingest.backlog import survey
from panoptes.network.ingest.observation import AnotherRun, ingest_observation
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.take import Calls, Watch, take_all
from panoptes.network.names import parse_sequence_id, parse_upload
from panoptes.network.site import Site
from tests import sites
from tests.faults import poison
from tests.faults.poison import Way
from tests.faults.worlds import World
from tests.patience import be_patient

TROUBLE = (AnotherRun, TransientError, ConfigurationError, OSError)
"""What a run may end with when the world is against it; anything else is a defect."""


@dataclass(frozen=True)
class Run:
    """How a run is made, and what happens to it."""

    workers: int = 1
    at: int | None = None
    """The telling of `sites.watched` at which it happens, from 1."""
    signal: int = signal.SIGKILL
    sends: tuple[str, bytes] | None = None
    """Instead of the signal: this file is uploaded."""
    answers: float | None = None
    """How long one answer of Google's services is awaited, seconds; None: as ever."""
    clock: float = 0.0
    """Seconds by which this process's clock is ahead."""
    largest_file: int | None = None
    """RLIMIT_FSIZE, bytes."""
    decoders_here: bool = True
    """Whether suspicious files are decoded in place: a new interpreter costs two seconds."""
    decoder: Way | None = None
    """What a file with `tests.faults.poison.MARK` in it does to the decoder."""
    scratch: str | None = None
    """The folder for temporary files."""
    policies: tuple[tuple[str, Any], ...] = ()


def hurry(*, answers: float | None = None) -> None:
    """Waits of seconds become waits of moments; everything else stays as it is.

    `answers` limits the wait for one answer of Google's services, seconds.
    """
    from panoptes.network.catalog import firestore_link
    from panoptes.network.storage import gcs
    from panoptes.network.storage.gcs_calls import CallLimits

    class HastyCalls(CallLimits):
        def __init__(self, timeout: float, patience: float) -> None:
            super().__init__(answers or timeout, 4 * answers if answers else patience)
            retry: Any = self.arguments["retry"]
            self.arguments["retry"] = retry.with_delay(initial=0.01, maximum=0.1)

    usual = firestore_link._retry
    retries.BACKOFF_SECONDS = 0.01
    setattr(gcs, "CallLimits", HastyCalls)  # noqa: B010 - not the type's to know
    firestore_link._retry = lambda: usual().with_delay(initial=0.01, maximum=0.1)
    if answers is None:
        be_patient()
    else:
        firestore_link._CALL_SECONDS = answers
        firestore_link._RETRY_SECONDS = 2 * answers


def set_clock(ahead: float) -> None:
    """Let our clock be wrong; monotonic clocks and those of the stores are right."""
    right = ledger.now

    def wrong() -> datetime:
        return right() + timedelta(seconds=ahead)

    for module in list(sys.modules.values()):
        if module is not None and getattr(module, "now", None) is right:
            module.now = wrong  # type: ignore[attr-defined]


def prepare(world: World, how: Run) -> Site:
    hurry(answers=how.answers)
    if how.clock:
        set_clock(how.clock)
    if how.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (how.largest_file, how.largest_file))
    if how.scratch is not None:
        tempfile.tempdir = how.scratch
    if how.decoder is not None:
        poison.install(how.decoder)
    if how.decoders_here:
        decode_here()
    site = world.open(workers=how.workers, **dict(how.policies))
    if how.at is not None:
        sites.watched(site, _at(world, how))
    return site


def decode_here() -> None:
    def here(function: Callable[..., Any], *arguments: Any, **limits: float) -> Any:
        return function(*arguments)

    isolation.call_in_child = here


def _at(world: World, how: Run) -> Callable[[str], None]:
    told = 0

    def tell(call: str) -> None:
        nonlocal told
        told += 1
        if told != how.at:
            return
        if how.sends is not None:
            world.send(*how.sends)
        else:
            # To this thread, which stops here: of a whole process another may take the signal
            # first, while this one goes on into the next call and holds the catalog's lock.
            signal.pthread_kill(threading.get_ident(), how.signal)

    return tell


def everything(site: Site, *, also: bool = False) -> dict[str, str]:
    """What a sweep and the runs that it starts do; gives what became of each file.

    `also` takes up the observations whose lease was left behind, as a sweep does once it
    has expired.
    """
    site.check()
    found = survey(site)
    results: list[FileResult] = []
    taken = take_all(found.unroutable, steps=Calls(site), watch=Watch())
    results += taken.values()
    left = {stored.key for stored in site.catalog.query(Query("leases"))} if also else set()
    for sequence_id in sorted({*found.observations, *left}):
        results += ingest_observation(site, parse_sequence_id(sequence_id))[0]
    return sites.outcomes({result.name: result for result in results})


def run(world: World, how: Run = Run()) -> dict[str, str]:
    """One pass over everything that waits; what stops it is given under the name ``""``."""
    try:
        return everything(prepare(world, how))
    except TROUBLE as error:
        return {"": f"{type(error).__name__}: {error}"}


def take_observation(world: World, name: str, how: Run = Run()) -> dict[str, str]:
    """What the event of one file starts: a run of its observation; none if it has none."""
    try:
        sequence = parse_upload(name).sequence
        site = prepare(world, how)
        site.check()
        results = ingest_observation(site, sequence)[0]
    except (*TROUBLE, BadInput) as error:
        return {"": f"{type(error).__name__}: {error}"}
    return sites.outcomes({result.name: result for result in results})


def count_calls(world: World) -> list[str]:
    """Every call to stores and catalog that a whole run makes, before and after."""
    calls: list[str] = []
    site = prepare(world, Run())
    sites.watched(site, calls.append)
    everything(site)
    return calls


def recover(world: World, times: int = 6) -> list[dict[str, str]]:
    """Run again, as the next sweeps do, until nothing waits that a run could take."""
    hurry()
    decode_here()
    site = world.open(workers=1)
    passes: list[dict[str, str]] = []
    for _ in range(times):
        passes.append(everything(site, also=True))
        found = survey(site)
        leases = list(site.catalog.query(Query("leases")))
        if not found.observations and not found.unroutable and not leases:
            break
    return passes


def recover_and_repair(world: World) -> list[str]:
    """What ``panoptes-network audit --repair`` does after the next sweeps; what it found."""
    from panoptes.network.audit.repair import audit_and_repair

    recover(world)
    site = world.open(workers=1)
    results = audit_and_repair(site, audit(site, deep=True), deep=True, steps=Calls(site))
    return [result.finding.sentence for result in results]


def count_waiting(world: World) -> int:
    """Files that a run could take, and observations whose lease somebody left behind."""
    site = world.open()
    found = survey(site)
    leases = sum(1 for _ in site.catalog.query(Query("leases")))
    return sum(len(w.sources) for w in found.observations.values()) + len(found.unroutable) + leases
