"""Answers that are worked out at most every so often."""

from __future__ import annotations

import threading

from deployments.services.kept import Kept
from tests.patience import PATIENT_SECONDS


def test_an_answer_is_kept_for_its_time() -> None:
    counts = iter(range(100))
    kept = Kept(lambda: next(counts), 3600)
    assert [kept.get() for _ in range(5)] == [0] * 5


def test_who_asks_later_gets_the_old_answer_while_the_new_one_is_worked_out() -> None:
    go_on, counts = threading.Event(), iter(range(100))
    renewed = threading.Event()

    def work_out() -> int:
        count = next(counts)
        if count == 1:
            go_on.wait(PATIENT_SECONDS)
        if count == 2:
            renewed.set()
        if count == 3:
            raise ValueError("trouble passes")
        return count

    kept = Kept(work_out, 0)
    assert [kept.get() for _ in range(3)] == [0] * 3
    go_on.set()
    while kept.get() < 2:  # each who asks has it renewed
        renewed.wait(0.01)
    assert kept.get() >= 2
