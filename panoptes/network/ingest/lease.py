"""One run at a time works on an observation; a second one leaves word and goes.

The lease is a document with an expiry that its holder renews. A stalled holder does no
harm: every write of its stands under a precondition of its own.

It is also the word that the observation has to be settled: it is written before the first
file is taken, and goes once all that was taken is counted. What lies there expired is owed,
see `panoptes.network.ingest.backlog.abandoned`."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from panoptes.network.catalog.catalog import Catalog, Conflict, Fields, Query, Stored, modify
from panoptes.network.errors import TransientError
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.retries import keep_trying

MOST_AHEAD = timedelta(days=2)
"""An expiry that is further ahead was written under a clock that was wrong, and holds nobody off:
a machine that comes up without the time may be years ahead. `lease_seconds` is a day at most."""
_PROC = Path("/proc")


def process_identity() -> str:
    """A name for this process and run: ``MACHINE:PID:START:RANDOM``.

    On Linux the machine is its boot and pid namespace and START the process's start time
    (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22), so that neither
    a reused pid nor another container can be mistaken for it. Elsewhere they are empty.
    """
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex}"


def has_died(holder: str) -> bool:
    """Whether `holder` was a process of this very machine that is no more.

    False wherever that cannot be known; the lease's expiry decides then.
    """
    machine, _, rest = holder.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, _ = rest.partition(":")
    if not machine or machine != _machine() or not pid.isdecimal() or not started:
        return False
    return _started(int(pid)) != started


def is_held(catalog: Catalog, key: str) -> bool:
    """Whether a live run holds a lease."""
    stored = catalog.get("leases", key)
    if stored is None or has_died(str(stored.fields.get("holder", ""))):
        return False
    return not is_over(stored.fields, now())


def is_over(lease: Fields, moment: datetime) -> bool:
    """Whether a lease holds nobody off any more."""
    expires = lease.get("expires")
    return not (isinstance(expires, datetime) and moment < expires <= moment + MOST_AHEAD)


def leases_over(catalog: Catalog, most: int) -> list[Stored]:
    """What is owed: leases that are over and were not given back, the oldest first."""
    moment = now()
    past = Query("leases", [("expires", "<=", moment)], [("expires", "asc")], limit=most)
    ahead = Query("leases", [("expires", ">", moment + MOST_AHEAD)], limit=most)
    return [*catalog.query(past), *catalog.query(ahead)]


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks
    return "" if fields[0] in ("Z", "X") else fields[19]


class Lease:
    """A held lease on one observation."""

    def __init__(self, catalog: Catalog, key: str, seconds: float) -> None:
        self.catalog, self.key, self.seconds = catalog, key, seconds
        self.holder = process_identity()
        self._lock = threading.RLock()
        self._is_over = False
        """Not to be renewed any more."""

    def take(self, *, leave_word: bool = True) -> bool:
        """Whether the lease is ours now; if not, its holder is told to look again.

        Who will come back leaves no word: it would keep the holder from giving back.
        """
        with self._lock:
            mine = self._hold(self.seconds, leave_word=leave_word)
            self._is_over = not mine
            return mine

    def renew(self) -> bool:
        """Push the expiry on; False if the lease has passed to another run.

        That run is then told to look again: we were stalled, and may still take files. Once
        it has given the lease back, it is ours anew.
        """
        with self._lock:
            return self._is_over or self._hold(self.seconds)

    def leave_owed(self) -> None:
        """Let others in at once, and leave word that the observation is not settled."""
        with self._lock:
            self._is_over = True
            self._hold(0.0)

    def _hold(self, seconds: float, *, leave_word: bool = True) -> bool:
        mine = False

        def change(fields: Fields | None) -> Fields | None:
            nonlocal mine
            moment, before = now(), fields or {}
            # It may be ours already: the answer was lost.
            is_ours = before.get("holder") == self.holder
            mine = is_ours or is_over(before, moment) or has_died(str(before.get("holder", "")))
            if not mine:
                return {"again": True} if leave_word else None
            taken = {} if is_ours else {"holder": self.holder, "taken": moment, "again": False}
            return taken | {"expires": moment + timedelta(seconds=seconds)}

        modify(self.catalog, "leases", self.key, change)
        return mine

    def give_back(self) -> bool:
        """Whether the lease is given back; if not, somebody asked us to look again."""
        with self._lock:
            while True:
                stored = self.catalog.get("leases", self.key)
                with suppress(Conflict):
                    if stored is not None and stored.fields.get("holder") == self.holder:
                        if stored.fields.get("again"):
                            self.catalog.update(
                                "leases", self.key, {"again": False}, version=stored.version
                            )
                            return False
                        self.catalog.delete("leases", self.key, version=stored.version)
                    self._is_over = True
                    return True

    def drop(self) -> None:
        """Give the lease back whatever was asked: nothing is owed, or a run is to come anyway."""
        with self._lock:
            while not self.give_back():
                pass

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew in the background, three times in the life of a lease.

        On an error others are let in, and find that the observation is not settled.
        """
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.seconds / 3):
                with suppress(TransientError):  # the expiry stands; the next beat tries again
                    self.renew()

        beating = threading.Thread(target=beat, name=f"lease {self.key}", daemon=True)
        beating.start()
        try:
            yield
        except BaseException:
            with suppress(TransientError):  # then it expires
                self.leave_owed()
            raise
        finally:
            done.set()
            beating.join()


@contextmanager
def alone(catalog: Catalog, key: str, seconds: float) -> Iterator[bool]:
    """Whether this run is the only one of its kind, for as long as it is in here.

    One that died keeps others out for `seconds`, and on this machine not at all.
    """
    lease = Lease(catalog, key, seconds)
    if not keep_trying(lease.take, leave_word=False):
        yield False
        return
    with lease.kept_alive():
        yield True
        keep_trying(lease.drop)


def take_when_free(lease: Lease, *, patience: float) -> bool:
    """Wait up to `patience` seconds for another run to give the lease back or fall silent."""
    give_up = time.monotonic() + patience
    while not lease.take(leave_word=False):
        if time.monotonic() >= give_up:
            return lease.take()
        time.sleep(0.25)
    return True
