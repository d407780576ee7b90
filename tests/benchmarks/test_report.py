"""What `make bench` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.measure import Medians, Wrong, require
from benchmarks.report import TARGETS, Report, reached


@pytest.mark.parametrize(
    ("key", "value", "is_reached"),
    [
        ("rice_cpu", 1.0, True),
        ("rice_cpu", 1.01, False),
        ("header_requests", 1, True),
        ("header_requests", 2, False),
        ("header_speedup", 9.0, True),
        ("two_core_speedup", 1.59, False),
        ("two_core_speedup", None, False),
    ],
)
def test_a_number_is_held_against_what_it_must_reach(
    key: str, value: float | None, is_reached: bool
) -> None:
    assert reached(key, value) is is_reached


def test_the_results_hold_one_number_for_each_key_and_nothing_else(tmp_path: Path) -> None:
    report = Report("for a test", tmp_path)
    with report.part("codec"):
        for key in TARGETS:
            report.number(key, 1.23456)
        report.table("A detail", ("what", "how much"), [("one", "1")])
    numbers = json.loads((tmp_path / "results.json").read_text())
    assert list(numbers) == list(TARGETS)
    page = (tmp_path / "RESULTS.md").read_text()
    assert all(f"`{key}`" in page for key in TARGETS)
    assert "1.23 (missed)" in page
    assert "A detail" in page


def test_a_part_that_is_measured_alone_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    for parts in ({"codec": 1.5, "live": 20.0}, {"live": 25.0}):
        report = Report("for a test", tmp_path)
        for name, value in parts.items():
            with report.part(name):
                report.number("rice_cpu" if name == "codec" else "live_lag_p95", value)
                report.table(f"How {name} went", ("it",), [(str(value),)])
        numbers = json.loads((tmp_path / "results.json").read_text())
    assert numbers == {"rice_cpu": 1.5, "live_lag_p95": 25.0}
    page = (tmp_path / "RESULTS.md").read_text()
    assert page.count("How codec went") == page.count("How live went") == 1
    assert "| 1.5 |" in page
    assert "| 25.0 |" in page
    assert "| 20.0 |" not in page


def test_what_was_measured_outlives_a_part_that_fails(tmp_path: Path) -> None:
    report = Report("for a test", tmp_path)
    with report.part("codec"):
        report.number("rice_cpu", 1.5)
    with pytest.raises(Wrong), report.part("live"):
        require(False, "not every frame was archived")
    assert json.loads((tmp_path / "results.json").read_text()) == {"rice_cpu": 1.5}


def test_contenders_are_taken_in_turns() -> None:
    calls: list[str] = []
    Medians({name: lambda name=name: calls.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert calls == ["a", "b", "a", "b", "b", "a"]


def test_what_is_wrong_is_not_measured() -> None:
    with pytest.raises(Wrong, match="differs"):
        require(False, "the result differs")
