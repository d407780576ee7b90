"""A sample of damaged files, new ones for nobody: `make fuzz N=100000` tries more."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.mutations import mutant

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


def test_a_number_always_gives_the_same_bytes() -> None:
    for number in range(50):
        assert mutant(number) == mutant(number)
