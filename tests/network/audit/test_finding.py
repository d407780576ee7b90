"""Findings as people and programs read them."""

from __future__ import annotations

import pytest

from panoptes.network.audit.finding import DOES, Finding, Kind, Repair, Uploaded, Waiting, counted


def test_every_repair_says_what_it_does() -> None:
    assert set(DOES) == set(Repair)


def test_a_finding_is_told_in_plain_types_and_clean_text() -> None:
    name = "caf\udce9.fits"
    row = Finding(Kind.OVERDUE, "incoming", name, "It waits.", None, Repair.INGEST, name).row()
    assert row == {
        "severity": "warning", "kind": "overdue", "location": "incoming", "name": r"caf\xe9.fits",
        "sentence": "It waits.", "sequence_id": None, "repair": "ingest",
        "subject": r"caf\xe9.fits", "repair_does": DOES[Repair.INGEST],
    }  # fmt: skip


def test_what_is_lost_is_an_error_and_what_is_untidy_a_warning() -> None:
    lost = Finding(Kind.UPLOAD_LOST, "catalog", "files/x", "Gone.")
    assert (lost.severity, lost.can_be_repaired, lost.does) == ("error", False, "")
    assert Finding(Kind.COUNT_WRONG, "catalog", "units/x", "Off.").severity == "warning"


def test_the_summary_counts_by_severity() -> None:
    assert counted({}) == "nothing is wrong"
    kinds = {("error", "b"): 1, ("error", "a"): 2, ("warning", "c"): 1}
    assert counted(kinds) == "3 errors (a, b), 1 warning (c)"  # type: ignore[arg-type]


def test_what_waits_is_said_with_its_age() -> None:
    assert Waiting().sentence == "nothing waits in incoming"
    assert Waiting(2, 5400).sentence == "2 files wait in incoming, the oldest for 1.5 h"


def test_a_line_of_the_truth_is_read_or_refused() -> None:
    line = {"name": "x", "size": 1, "sha256": "0", "fate": "filed", "file_type": "jpg"}
    assert Uploaded.from_line(line) == Uploaded("x", 1, "0", "filed")
    for wrong in ({"name": "x"}, {**line, "size": None}):
        with pytest.raises(ValueError, match="not a line"):
            Uploaded.from_line(wrong)
