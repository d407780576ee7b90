"""Files come out of quarantine: judged again, with their history, and never lost on the way."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.catalog.catalog import Query, modify
from panoptes.network.errors import BadInput
from panoptes.network.ingest.cases import CaseReport, NoSuchCase, cases, find_case
from panoptes.network.ingest.lag import lag_of
from panoptes.network.ingest.ledger import close_failed, open_entry
from panoptes.network.ingest.rescue import CannotRescue, rescue_case
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.units.report import last_heard
from panoptes.network.whereabouts import what_became_of
from tests import sites
from tests.files import IMAGE, LATER, UPLOADED, place, tiny_fits

NAME = f"{IMAGE}.fits"
TOO_LARGE = {"max_file_bytes": 100, "previews_wanted": False}
FINE = {"previews_wanted": False}


def refused(folder: Path, *, keep: bool = False) -> Site:
    """A network that took a good file for too large, with the limit now put right."""
    make = sites.kept if keep else sites.drained
    small = make(folder, **TOO_LARGE)
    place(sites.incoming(small), NAME, tiny_fits())
    assert sites.outcomes(sites.run(small)) == {NAME: "quarantined: too-large"}
    return make(folder, **FINE)


def rescue(site: Site, wanted: str = NAME) -> str:
    return rescue_case(site, find_case(site, wanted), by="me@here").sentence


def listed(site: Site, **chosen: str) -> list[CaseReport]:
    return [found.report for found in cases(site, **chosen)]


def test_one_bad_entry_of_the_ledger_hides_no_other_case(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = refused(tmp_path)
    fields = sites.document(site, "files", document_key(NAME))
    site.catalog.create("files", "A-bad-entry", fields | {"failures": "x"})
    old = fields | {"sequence_id": "PAN001_14d3bd_00010101T000000", "case_id": None, "name": "old"}
    site.catalog.create("files", "Of-year-1", old)
    assert {case.file for case in listed(site)} == {NAME, "old"}
    assert "A-bad-entry cannot be read" in caplog.text


def test_an_id_of_two_files_names_both_and_an_id_of_one_finds_it(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    names = ["note173230.txt", "note57620.txt"]
    for name in names:
        place(sites.incoming(site), name, b"x")
    sites.run(site)
    ids = {case.file: case.id for case in listed(site)}
    assert len(set(ids.values())) == 2
    short = {case_id[:9] for case_id in ids.values()}
    assert short == {"Qc47aa64a"}, "as ids were once"
    with pytest.raises(NoSuchCase, match=r"more than one file.*: note173230.txt, note57620.txt"):
        find_case(site, "Qc47aa64a")
    for name in names:
        assert find_case(site, ids[name]).entry.name == name
        assert find_case(site, name).entry.name == name


def test_a_rescue_is_no_word_of_the_unit_and_its_next_upload_is(tmp_path: Path) -> None:
    site = refused(tmp_path)
    rescue(site)
    sites.run(site)
    entry = sites.entry_of(site, NAME)
    assert (entry.outcome, entry.arrived, lag_of(entry)) == ("archived", UPLOADED, {})

    def heard() -> datetime | None:
        (unit,) = site.catalog.query(Query("units"))
        return last_heard(site.catalog, unit, now=datetime.now(UTC))

    assert heard() == UPLOADED
    (report,) = what_became_of(site, NAME).files
    assert report.arrived == UPLOADED
    assert not list(audit(site))
    later = UPLOADED + timedelta(hours=1)
    place(sites.incoming(site), NAME, tiny_fits(seed=3), moment=later)
    sites.run(site)
    assert heard() == later
    assert lag_of(sites.entry_of(site, NAME)) != {}


def test_another_upload_in_the_place_of_a_rescued_one_is_word_of_the_unit(tmp_path: Path) -> None:
    site = refused(tmp_path)
    rescue(site)
    later = UPLOADED + timedelta(hours=1)
    place(sites.incoming(site), NAME, tiny_fits(seed=3), moment=later)
    sites.run(site)
    assert sites.entry_of(site, NAME).arrived == later


@pytest.mark.parametrize("stored", ["short", None])
def test_a_case_is_found_by_the_shorter_id_under_which_it_was_once_told_of(
    tmp_path: Path, stored: str | None
) -> None:
    site = refused(tmp_path)
    short = listed(site)[0].id[:9]
    assert find_case(site, short).entry.name == NAME
    told = short if stored else None
    modify(site.catalog, "files", document_key(NAME), lambda before: {"case_id": told})
    assert find_case(site, short).entry.name == NAME
    assert find_case(site, listed(site)[0].id).entry.name == NAME


@pytest.mark.parametrize("keep", [True, False])
def test_a_rescued_file_is_ingested_and_keeps_its_history(tmp_path: Path, keep: bool) -> None:
    site = refused(tmp_path, keep=keep)
    (case,) = listed(site)
    rescue(site, case.id)
    assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}
    entry = sites.entry_of(site, NAME)
    assert (entry.outcome, entry.code, entry.rescue) == ("archived", None, None)
    assert (entry.attempts, entry.failures) == (1, 0)
    assert entry.history is not None
    (past,) = entry.history
    assert (past.outcome, past.code, past.size) == ("quarantined", "too-large", len(tiny_fits()))
    assert past.rescued is not None
    assert past.rescued.by == "me@here"
    assert listed(site) == []
    assert find_case(site, case.id).report.sentence == "It is archived."
    assert list(sites.objects(site, "quarantine").values()) == [tiny_fits()]


@pytest.mark.parametrize("keep", [True, False])
def test_a_file_that_is_still_bad_is_one_case_with_a_history_of_two(
    tmp_path: Path, keep: bool
) -> None:
    site = (sites.kept if keep else sites.drained)(tmp_path)
    place(sites.incoming(site), NAME, b"junk")
    sites.run(site)
    for before in range(2):
        (case,) = listed(site)
        assert len(case.history) == before
        rescue(site)
        assert sites.outcomes(sites.run(site)) == {NAME: "quarantined: not-fits"}
    (case,) = listed(site)
    assert [(past.code, past.rescued is not None) for past in case.history] == [
        ("not-fits", True),
        ("not-fits", True),
    ]
    assert list(sites.objects(site, "quarantine").values()) == [b"junk"], "one copy is enough"
    assert sites.entry_of(site, NAME).path is not None


def test_a_second_rescue_changes_nothing(tmp_path: Path) -> None:
    site = refused(tmp_path)
    first = find_case(site, NAME)
    assert rescue(site) == rescue(site)
    assert sites.waiting(site) == [NAME]
    assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}
    with pytest.raises(CannotRescue, match="taken up"):
        rescue_case(site, first, by="late")
    with pytest.raises(CannotRescue, match="archived"):
        rescue(site)
    history = sites.entry_of(site, NAME).history
    assert history is not None
    assert len(history) == 1
    assert sites.waiting(site) == []


def _dies(folder: Path, at: int, keep: bool) -> bool:
    """Rescue in a process of its own that is killed at the `at`-th call to a store or catalog."""

    def work(site: Site) -> None:
        rescue_case(site, find_case(site, NAME), by="killed")

    make = sites.kept if keep else sites.drained
    return sites.run_and_die(lambda: make(folder, **FINE), at, work=work)


@pytest.mark.parametrize("keep", [True, False])
def test_a_rescue_killed_at_any_moment_loses_nothing(tmp_path: Path, keep: bool) -> None:
    at = 0
    died = True
    while died:
        at += 1
        folder = tmp_path / str(at)
        site = refused(folder, keep=keep)
        died = _dies(folder, at, keep)
        entry = sites.entry_of(site, NAME)
        assert entry.outcome in ("quarantined", None)
        assert list(sites.objects(site, "quarantine").values()) == [tiny_fits()]
        if entry.outcome == "quarantined":
            rescue(site)
        assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}, f"killed at {at}"
        history = sites.entry_of(site, NAME).history
        assert history is not None
        assert [(past.code, past.rescued is not None) for past in history] == [("too-large", True)]
    assert at > 5


def test_a_run_that_takes_the_file_up_after_a_killed_rescue_says_who_asked(tmp_path: Path) -> None:
    site = refused(tmp_path)
    rescue(site)
    sites.run(site)
    history = sites.entry_of(site, NAME).history
    assert history is not None
    assert history[0].rescued is not None


def test_an_upload_that_its_quarantining_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    site = refused(tmp_path)
    rescue(site)  # and here is the file, as if it had been left behind:
    entry = sites.entry_of(site, NAME)
    left = site.store("incoming").stat(NAME)
    stored = site.catalog.get("files", find_case(site, NAME).key)
    assert stored is not None
    site.catalog.update(
        "files", stored.key, {"generation": left.generation}, version=stored.version
    )
    assert entry.outcome == "quarantined"
    rescue(site)
    assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}


def test_a_newer_upload_is_not_touched(tmp_path: Path) -> None:
    site = refused(tmp_path)
    place(sites.incoming(site), NAME, b"newer", moment=UPLOADED + timedelta(hours=1))
    with pytest.raises(CannotRescue, match="newer upload"):
        rescue(site)
    assert site.store("incoming").read(NAME)[0] == b"newer"
    sites.run(site)
    history = sites.entry_of(site, NAME).history
    assert history is not None
    assert len(history) == 1


def test_a_file_that_was_given_up_is_tried_again_from_the_beginning(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, failure_limit=2, previews_wanted=False)
    place(sites.incoming(site), NAME, tiny_fits())
    source = sites.source_named(site, NAME)
    for _ in range(2):
        assert listed(site) == []
        open_entry(site, source)
        close_failed(site, source, RuntimeError("the disk is on fire"), passing=False)
    (case,) = listed(site)
    assert case.kind == "given-up"
    assert "the disk is on fire" in case.sentence
    assert case.id in case.next_step
    assert sites.outcomes(sites.run(site)) == {NAME: "failed: unexpected-error"}
    rescue(site, case.id)
    assert sites.outcomes(sites.run(site)) == {NAME: "catalogued"}
    entry = sites.entry_of(site, NAME)
    assert entry.attempts == 1
    assert entry.history is not None
    assert entry.history[0].code == "unexpected-error"


def test_a_poisonous_file_gets_its_attempts_back(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    place(sites.incoming(site), NAME, tiny_fits())
    source = sites.source_named(site, NAME)
    for _ in range(5):
        open_entry(site, source)
    from panoptes.network.ingest.quarantine import quarantine_file

    quarantine_file(site, source, BadInput("decoder-crash", "it ate the memory"))
    rescue(site)
    opened = open_entry(site, sites.source_named(site, NAME))
    assert (opened.entry.attempts, opened.guarded) == (1, False)


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_no_file_is_judged_again_where_it_is(tmp_path: Path, keep: bool) -> None:
    site = (sites.kept if keep else sites.drained)(tmp_path, previews_wanted=False)
    path = sites.incoming(site) / NAME
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    sites.run(site)
    rescue(site)
    assert sites.outcomes(sites.run(site)) == {NAME: "quarantined: not-a-file"}


def test_a_copy_that_is_gone_or_damaged_is_said(tmp_path: Path) -> None:
    site = refused(tmp_path)
    (copy,) = site.store("quarantine").list()
    path = Path(site.settings.quarantine, copy.name)
    whole = path.stat()
    path.write_bytes(bytes(copy.size))
    os.utime(path, ns=(whole.st_atime_ns, whole.st_mtime_ns))
    with pytest.raises(CannotRescue, match="damaged"):
        rescue(site)
    path.unlink()
    with pytest.raises(CannotRescue, match=r"upload .* again"):
        rescue(site)
    assert sites.waiting(site) == []


def test_a_kept_file_that_is_gone_is_said(tmp_path: Path) -> None:
    site = refused(tmp_path, keep=True)
    (sites.incoming(site) / NAME).unlink()
    with pytest.raises(CannotRescue, match="only read"):
        rescue(site)


def test_names_that_no_folder_can_be_given_are_refused_with_advice(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    names = ["new\nline.fits", os.fsdecode(b"latin-\xe9.fits"), "with spaces.fits"]
    for name in names:
        place(sites.incoming(site), name, b"x")
    sites.run(site)
    put_back = 0
    for found in list(cases(site)):
        try:
            rescue_case(site, found, by="me")
            put_back += 1
        except CannotRescue as error:
            assert "proper name" in str(error)  # noqa: PT017
    assert put_back + len(sites.waiting(site)) >= 2
    sites.run(site)
    assert len(listed(site)) == 3


def test_cases_are_chosen_by_unit_night_and_code(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    other = NAME.replace("PAN001", "PAN002").replace("20180216", "20180301")
    place(sites.incoming(site), NAME, b"junk")
    place(sites.incoming(site), f"{LATER}.fits", b"")
    place(sites.incoming(site), other, b"junk")
    place(sites.incoming(site), "notes.txt", b"clouds")
    sites.run(site)
    assert len(listed(site)) == 4
    assert {case.file for case in listed(site, unit="PAN002")} == {other}
    assert {case.file for case in listed(site, code="empty-file")} == {f"{LATER}.fits"}
    assert {case.file for case in listed(site, night="2018-02-15")} == {NAME, f"{LATER}.fits"}
    assert {case.file for case in listed(site, night="2018-02-16")} == {"notes.txt"}
    assert listed(site, unit="PAN002", code="empty-file") == []
    for case in listed(site):
        assert case.sentence
        assert case.next_step


def test_an_unknown_case_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoSuchCase, match="quarantine list"):
        find_case(sites.drained(tmp_path), "Q00000000")
