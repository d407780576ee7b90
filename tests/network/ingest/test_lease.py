"""One run at a time works on an observation."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.catalog.catalog import Catalog, Fields
from panoptes.network.catalog.sqlite import SqliteCatalog
from panoptes.network.errors import TransientError
from panoptes.network.ingest.lease import (
    Lease,
    alone,
    has_died,
    is_held,
    leases_over,
    process_identity,
    take_when_free,
)
from panoptes.network.ingest.ledger import now
from tests.patience import PATIENT_SECONDS

KEY = "PAN001_14d3bd_20180216T110623"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    yield catalog
    catalog.close()


def _lease(catalog: Catalog, seconds: float = 60.0) -> Lease:
    return Lease(catalog, KEY, seconds)


def _change(catalog: Catalog, **fields: object) -> None:
    stored = catalog.get("leases", KEY)
    assert stored is not None
    catalog.update("leases", KEY, dict(fields), version=stored.version)


def _expiry(catalog: Catalog) -> datetime:
    stored = catalog.get("leases", KEY)
    assert stored is not None
    expires: datetime = stored.fields["expires"]
    return expires


def test_a_free_observation_is_taken_and_given_back(catalog: Catalog) -> None:
    lease = _lease(catalog)
    assert lease.take()
    assert lease.give_back()
    assert catalog.get("leases", KEY) is None
    assert _lease(catalog).take()


def test_a_second_run_leaves_word_and_the_holder_looks_once_more(catalog: Catalog) -> None:
    holder = _lease(catalog)
    assert holder.take()
    assert not _lease(catalog).take()
    assert not holder.give_back()
    assert holder.give_back()


class _Forgetful(SqliteCatalog):
    """Creates what it is asked to, and loses its first answer."""

    is_lost = True

    def create(self, collection: str, key: str, fields: Fields) -> None:
        super().create(collection, key, fields)
        if self.is_lost:
            self.is_lost = False
            raise TransientError("the connection broke")


def test_a_run_knows_the_lease_that_it_took_without_hearing_of_it(tmp_path: Path) -> None:
    catalog = _Forgetful(tmp_path / "catalog.sqlite")
    lease = _lease(catalog)
    with pytest.raises(TransientError):
        lease.take()
    assert lease.take()
    assert lease.give_back()
    catalog.close()


def test_a_run_that_waits_does_not_keep_the_holder_from_giving_back(catalog: Catalog) -> None:
    holder, waiter = _lease(catalog), _lease(catalog)
    assert holder.take()
    assert not waiter.take(leave_word=False)
    assert holder.give_back()
    assert take_when_free(waiter, patience=0)


def test_a_run_that_has_no_patience_leaves_word(catalog: Catalog) -> None:
    holder = _lease(catalog)
    assert holder.take()
    assert not take_when_free(_lease(catalog), patience=0)
    assert not holder.give_back()


def test_a_patient_run_comes_after_the_holder(catalog: Catalog) -> None:
    holder, waiter = _lease(catalog), _lease(catalog)
    assert holder.take()
    giving = threading.Timer(0.05, holder.give_back)
    giving.start()
    assert take_when_free(waiter, patience=30)
    giving.join()


def test_a_lease_that_ran_out_is_anybodys(catalog: Catalog) -> None:
    assert _lease(catalog).take()
    _change(catalog, expires=now() - timedelta(seconds=1), holder="elsewhere")
    assert _lease(catalog).take()


def test_a_lease_of_another_machine_is_believed_until_it_runs_out(catalog: Catalog) -> None:
    assert _lease(catalog).take()
    _change(catalog, holder="another-boot/4026531836:1:1:abc")
    assert not _lease(catalog).take()


def test_renewing_pushes_the_expiry_on(catalog: Catalog) -> None:
    lease = _lease(catalog)
    assert lease.take()
    _change(catalog, expires=now() + timedelta(seconds=1))
    assert lease.renew()
    stored = catalog.get("leases", KEY)
    assert stored is not None
    assert stored.fields["expires"] > now() + timedelta(seconds=50)


def test_a_stalled_holder_cannot_take_its_lease_back(catalog: Catalog) -> None:
    stalled, second = _lease(catalog), _lease(catalog)
    assert stalled.take()
    _change(catalog, expires=now() - timedelta(seconds=1))
    assert second.take()
    assert not stalled.renew()
    assert stalled.give_back()
    stalled.drop()
    assert second.renew()


def test_a_holder_that_works_long_keeps_its_lease(catalog: Catalog) -> None:
    lease = _lease(catalog, seconds=3.0)
    assert lease.take()
    first = _expiry(catalog)
    deadline = time.monotonic() + PATIENT_SECONDS
    with lease.kept_alive():
        while _expiry(catalog) == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert _expiry(catalog) > first
    assert lease.give_back()


def test_a_run_that_cannot_go_on_lets_others_in_at_once(catalog: Catalog) -> None:
    lease = _lease(catalog)
    assert lease.take()
    with pytest.raises(KeyboardInterrupt), lease.kept_alive():
        raise KeyboardInterrupt
    assert _lease(catalog).take()


def test_of_many_runs_at_once_one_gets_the_lease(catalog: Catalog) -> None:
    barrier = threading.Barrier(8)
    taken: list[bool] = []

    def contend() -> None:
        lease = _lease(catalog)
        barrier.wait()
        taken.append(lease.take())

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")
def test_a_holder_that_was_killed_keeps_nobody_waiting(tmp_path: Path, catalog: Catalog) -> None:
    child = os.fork()
    if child == 0:
        try:
            own = SqliteCatalog(tmp_path / "catalog.sqlite")
            if _lease(own, seconds=3600).take():
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert catalog.get("leases", KEY) is not None
    assert _lease(catalog).take()


@pytest.mark.parametrize("holder", ["", ":", "::", "elsewhere", "machine:1:1:x", ":1:1:x", "1"])
def test_a_holder_that_we_know_nothing_of_is_not_declared_dead(holder: str) -> None:
    assert not has_died(holder)


def test_a_living_holder_is_alive() -> None:
    assert not has_died(process_identity())
    assert process_identity() != process_identity()


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")
def test_a_process_that_got_the_number_of_a_dead_one_is_not_its_holder() -> None:
    machine, pid, started, run = process_identity().split(":")
    assert has_died(f"{machine}:{pid}:{int(started) - 1}:{run}")
    dead = multiprocessing.get_context("fork").Process(target=int)
    dead.start()
    number = dead.pid
    dead.join()
    assert has_died(f"{machine}:{number}:{started}:{run}")


def test_a_run_that_breaks_off_leaves_word_that_something_is_owed(catalog: Catalog) -> None:
    lease = _lease(catalog)
    assert lease.take()
    with pytest.raises(TransientError), lease.kept_alive():
        raise TransientError("the catalog is away")
    owed = catalog.get("leases", KEY)
    assert owed is not None
    assert owed.fields["expires"] <= now()


def test_a_run_that_woke_up_late_and_breaks_off_has_the_next_one_look_again(
    catalog: Catalog,
) -> None:
    stalled, second = _lease(catalog), _lease(catalog)
    assert stalled.take()
    _change(catalog, expires=now() - timedelta(seconds=1))
    assert second.take()
    with pytest.raises(TransientError), stalled.kept_alive():
        raise TransientError("the catalog is away")
    assert not second.give_back()
    assert second.give_back()
    assert catalog.get("leases", KEY) is None


def test_a_run_that_woke_up_late_holds_the_lease_again_once_it_is_free(catalog: Catalog) -> None:
    stalled, second = _lease(catalog), _lease(catalog)
    assert stalled.take()
    _change(catalog, expires=now() - timedelta(seconds=1))
    assert second.take()
    assert second.give_back()
    assert stalled.renew()
    assert not _lease(catalog).take(leave_word=False)
    assert stalled.give_back()
    assert stalled.renew()
    assert catalog.get("leases", KEY) is None


def test_word_that_was_left_outlives_a_renewal(catalog: Catalog) -> None:
    holder = _lease(catalog)
    assert holder.take()
    assert not _lease(catalog).take()
    assert holder.renew()
    assert not holder.give_back()


def test_of_two_sweeps_one_is_alone_and_one_that_failed_keeps_nobody_out(
    catalog: Catalog,
) -> None:
    with alone(catalog, "sweep", 60) as first, alone(catalog, "sweep", 60) as second:
        assert (first, second) == (True, False)
    assert catalog.get("leases", "sweep") is None
    with pytest.raises(ValueError, match="a defect"), alone(catalog, "sweep", 60):
        raise ValueError("a defect")
    with alone(catalog, "sweep", 60) as third:
        assert third


def test_a_lease_may_be_taken_once_more_after_it_was_given_back(catalog: Catalog) -> None:
    lease = _lease(catalog)
    for _ in range(2):
        assert lease.take()
        assert lease.renew()
        assert catalog.get("leases", KEY) is not None
        assert lease.give_back()
        assert catalog.get("leases", KEY) is None
    assert lease.take()
    assert not _lease(catalog).take()
    lease.drop()
    assert catalog.get("leases", KEY) is None


def test_a_lease_of_a_clock_that_was_years_ahead_holds_nobody_off_and_is_owed(
    catalog: Catalog,
) -> None:
    dead = _lease(catalog)
    assert dead.take()
    _change(catalog, holder="another machine:1:1:x", expires=now() + timedelta(days=3650))
    assert not is_held(catalog, KEY)
    assert [each.key for each in leases_over(catalog, 10)] == [KEY]
    assert _lease(catalog).take()
    assert abs(_expiry(catalog) - now()) < timedelta(minutes=2)
    assert leases_over(catalog, 10) == []
