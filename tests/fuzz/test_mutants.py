"""A sample of damaged files, new ones for nobody: `make fuzz N=100000` tries more."""

from __future__ import annotations

import sys
import time

import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.mutations.mutant import mutant
from tests.fuzz.seeds import own_seeds

SAMPLE = 2000
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_every_damaged_file_is_taken_or_refused_with_a_reason(part: int) -> None:
    count = SAMPLE // PARTS
    report = campaign(part * count, count, processes=1)
    assert report.count == count
    assert not report.findings, report.told(report.seconds)
    assert report.verdicts["taken"] > count // 20
    assert len(report.verdicts) > 5


def test_a_number_gives_the_same_bytes_whenever_it_is_asked() -> None:
    made = [mutant(number) for number in range(200)]
    began = int(time.time())
    while int(time.time()) == began:
        time.sleep(0.05)
    own_seeds.cache_clear()
    assert [mutant(number) for number in range(200)] == made


def test_a_mutant_that_its_process_dies_of_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "import os; print(5, flush=True); os.abort()"
    monkeypatch.setattr("tests.fuzz.campaign.WORKER", [sys.executable, "-c", dies])
    report = campaign(5, 1, processes=1)
    (finding,) = report.findings
    assert finding.number == 5
    assert "the process ended with -6" in finding.finding
    assert "python -m tests.fuzz --only 5" in report.told(1.0)
