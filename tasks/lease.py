"""One run at a time works on an observation; a second one leaves word and goes.

The lease is a document with an expiry that its holder renews. A stalled holder does no
harm: every write of its stands under a precondition of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from blocks.catalog import Catalog, Conflict, Fields, modify
from models.errors import TryAgain
from tasks.holder import has_died, myself
from tasks.ledger import now


class Lease:
    """A held lease on one observation."""

    def __init__(self, catalog: Catalog, key: str, seconds: float) -> None:
        self.catalog, self.key, self.seconds = catalog, key, seconds
        self.holder = myself()

    def take(self, *, leave_word: bool = True) -> bool:
        """Whether the lease is ours now; if not, its holder is told to look again.

        Who will come back leaves no word: it would keep the holder from giving back.
        """
        mine = False

        def change(fields: Fields | None) -> Fields | None:
            nonlocal mine
            moment = now()
            mine = (
                fields is None
                # Taken by us already: the answer was lost.
                or fields.get("holder") == self.holder
                or fields.get("expires", moment) <= moment
                or has_died(str(fields.get("holder", "")))
            )
            if not mine:
                return {"again": True} if leave_word else None
            expires = moment + timedelta(seconds=self.seconds)
            return {"holder": self.holder, "taken": moment, "expires": expires, "again": False}

        modify(self.catalog, "leases", self.key, change)
        return mine

    def renew(self) -> bool:
        """Push the expiry on; False if the lease has passed to another run."""
        mine = False

        def change(fields: Fields | None) -> Fields | None:
            nonlocal mine
            mine = fields is not None and fields.get("holder") == self.holder
            return {"expires": now() + timedelta(seconds=self.seconds)} if mine else None

        modify(self.catalog, "leases", self.key, change)
        return mine

    def give_back(self) -> bool:
        """Whether the lease is given back; if not, somebody asked us to look again."""
        while True:
            stored = self.catalog.get("leases", self.key)
            if stored is None or stored.fields.get("holder") != self.holder:
                return True
            try:
                if not stored.fields.get("again"):
                    self.catalog.delete("leases", self.key, version=stored.version)
                    return True
                self.catalog.update("leases", self.key, {"again": False}, version=stored.version)
            except Conflict:
                continue
            return False

    def drop(self) -> None:
        """Give the lease back whatever was asked; for a run that cannot go on."""
        stored = self.catalog.get("leases", self.key)
        if stored is not None and stored.fields.get("holder") == self.holder:
            with suppress(Conflict):
                self.catalog.delete("leases", self.key, version=stored.version)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew in the background, three times in the life of a lease; drop it on an error."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.seconds / 3):
                try:
                    if not self.renew():
                        return
                except TryAgain:
                    continue  # the expiry stands; the next beat tries again

        beating = threading.Thread(target=beat, name=f"lease {self.key}", daemon=True)
        beating.start()
        try:
            yield
        except BaseException:
            with suppress(TryAgain):
                self.drop()
            raise
        finally:
            done.set()
            beating.join()


def take_when_free(lease: Lease, *, patience: float) -> bool:
    """Wait up to `patience` seconds for another run to give the lease back or fall silent."""
    give_up = time.monotonic() + patience
    while not lease.take(leave_word=False):
        if time.monotonic() >= give_up:
            return lease.take()
        time.sleep(0.25)
    return True
