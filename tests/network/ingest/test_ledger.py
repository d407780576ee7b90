"""The ledger: what it answers about a file, and when it sends us to work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.derive import compress as compress_fits_file
from panoptes.network.ingest.ledger import (
    Verdict,
    close_entry,
    close_failed,
    close_quarantined,
    count_attempt,
    open_entry,
    read_entry,
)
from panoptes.network.ingest.outcome import Derived
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests import audited, sites
from tests.files import IMAGE, UPLOADED, place, tiny_fits

NAME = f"{IMAGE}.fits"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path, previews_wanted=False, failure_limit=3)
    place(sites.incoming(site), NAME, tiny_fits())
    return site


@pytest.fixture
def source(site: Site) -> Source:
    return sites.source_named(site, NAME)


def _archive(site: Site, source: Source) -> Derived:
    open_entry(site, source)
    derived = compress_fits_file(site, source)
    close_entry(site, source, "archived", derived)
    return derived


def _rewrite(site: Site, data: bytes) -> Source:
    place(sites.incoming(site), NAME, data, moment=UPLOADED + timedelta(hours=1))
    return sites.source_named(site, NAME)


def test_a_new_file_is_taken_on_and_one_attempt_is_counted_before_it_is_read(
    site: Site, source: Source
) -> None:
    opened = open_entry(site, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    entry = sites.entry_of(site, NAME)
    assert (entry.attempts, entry.returns, entry.outcome) == (1, 0, None)
    assert entry.image_id == "PAN001_14d3bd_20180216T112430"
    assert entry.arrived == UPLOADED


def test_an_archived_file_is_done(site: Site, source: Source) -> None:
    derived = _archive(site, source)
    opened = open_entry(site, source)
    assert opened.verdict is Verdict.DONE
    assert opened.entry.path == derived.outputs[0].path
    assert (opened.entry.attempts, opened.entry.returns) == (1, 1)


def test_an_archived_file_whose_archive_is_gone_is_taken_on_again(
    site: Site, source: Source
) -> None:
    derived = _archive(site, source)
    site.store("images").delete(derived.outputs[0].path)
    opened = open_entry(site, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)


def test_an_archive_that_was_rewritten_by_somebody_else_does_not_stand(
    site: Site, source: Source
) -> None:
    derived = _archive(site, source)
    path = Path(site.settings.images, derived.outputs[0].path)
    path.write_bytes(path.read_bytes()[:-2880])
    assert open_entry(site, source).verdict is Verdict.WORK


def test_an_archive_that_was_copied_back_from_a_backup_stands(site: Site, source: Source) -> None:
    archive = _archive(site, source).outputs[0]
    store = site.store("images")
    data, _ = store.read(archive.path)
    store.delete(archive.path)
    assert store.put(archive.path, data).generation != archive.generation
    assert open_entry(site, source).verdict is Verdict.DONE


def test_a_run_that_died_with_a_file_makes_the_next_one_careful(site: Site, source: Source) -> None:
    open_entry(site, source)
    opened = open_entry(site, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, True)
    assert opened.entry.attempts == 2


def test_a_failure_that_was_written_down_is_no_death(site: Site, source: Source) -> None:
    open_entry(site, source)
    close_failed(site, source, RuntimeError("a bug"), passing=False)
    opened = open_entry(site, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    assert opened.entry.outcome is None


def test_a_failure_of_a_file_that_was_never_opened_is_no_death(site: Site, source: Source) -> None:
    close_failed(site, source, TransientError("the catalog was away"), passing=True)
    opened = open_entry(site, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)


def test_a_file_that_fails_too_often_waits_for_an_operator(site: Site, source: Source) -> None:
    for _ in range(3):
        assert open_entry(site, source).verdict is Verdict.WORK
        entry = close_failed(site, source, RuntimeError("a bug"), passing=False)
    assert (entry.failures, entry.code, entry.reason) == (
        3, "unexpected-error", "RuntimeError: a bug",
    )  # fmt: skip
    assert open_entry(site, source).verdict is Verdict.GIVEN_UP


def test_passing_trouble_never_makes_us_give_up(site: Site, source: Source) -> None:
    for _ in range(5):
        assert open_entry(site, source).verdict is Verdict.WORK
        entry = close_failed(site, source, TransientError("busy"), passing=True)
    assert (entry.failures, entry.code) == (0, "passing-trouble")


def test_success_forgets_earlier_failures(site: Site, source: Source) -> None:
    open_entry(site, source)
    close_failed(site, source, RuntimeError("a bug"), passing=False)
    _archive(site, source)
    entry = sites.entry_of(site, NAME)
    assert (entry.failures, entry.outcome, entry.code, entry.reason) == (0, "archived", None, None)


def test_a_quarantined_generation_stays_quarantined(site: Site, source: Source) -> None:
    site.store("quarantine").put("where", b"bad")
    open_entry(site, source)
    close_quarantined(site, source, BadInput("no-image", "empty"), "where", "sum")
    opened = open_entry(site, source)
    assert opened.verdict is Verdict.QUARANTINED
    assert opened.entry.reason == "The FITS file holds no image. (empty)"
    assert opened.entry.next_step


def test_a_file_whose_copy_in_quarantine_is_gone_is_not_given_up(
    site: Site, source: Source
) -> None:
    open_entry(site, source)
    close_quarantined(site, source, BadInput("no-image"), "where", "sum")
    assert open_entry(site, source).verdict is Verdict.WORK


def test_a_newer_generation_is_taken_on_afresh(site: Site, source: Source) -> None:
    open_entry(site, source)
    close_quarantined(site, source, BadInput("no-image"), "where", "sum")
    newer = _rewrite(site, tiny_fits(seed=1))
    opened = open_entry(site, newer)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    entry = sites.entry_of(site, NAME)
    assert (entry.generation, entry.attempts, entry.code) == (newer.generation, 1, None)


def test_the_same_bytes_sent_once_more_are_done(site: Site, source: Source) -> None:
    _archive(site, source)
    newer = _rewrite(site, tiny_fits())
    assert newer.generation != source.generation
    assert open_entry(site, newer).verdict is Verdict.DONE


def test_a_stalled_run_cannot_take_an_older_generation_up_again(site: Site, source: Source) -> None:
    newer = _rewrite(site, tiny_fits(seed=1))
    _archive(site, newer)
    assert open_entry(site, source).verdict is Verdict.GONE
    assert sites.entry_of(site, NAME).generation == newer.generation


def test_a_run_that_fails_leaves_what_another_brought_to_its_end(
    site: Site, source: Source
) -> None:
    open_entry(site, source)  # it stalls; another run takes the file to its end
    _archive(site, source)
    entry = close_failed(site, source, FileNotFoundError(NAME), passing=False)
    assert (entry.outcome, entry.failures) == ("archived", 0)
    assert sites.entry_of(site, NAME) == entry


def test_a_stalled_run_cannot_close_the_entry_of_a_newer_generation(
    site: Site, source: Source
) -> None:
    open_entry(site, source)
    newer = _rewrite(site, tiny_fits(seed=1))
    _archive(site, newer)
    close_quarantined(site, source, BadInput("no-image"), "where", "sum")
    close_failed(site, source, RuntimeError("late"), passing=False)
    assert count_attempt(site, source) == 0
    entry = sites.entry_of(site, NAME)
    assert (entry.generation, entry.outcome) == (newer.generation, "archived")


def test_attempts_that_did_not_return_are_counted(site: Site, source: Source) -> None:
    open_entry(site, source)
    open_entry(site, source)
    assert count_attempt(site, source) == 3
    assert sites.entry_of(site, NAME).attempts == 3


def test_fields_of_others_in_the_ledger_are_kept(site: Site, source: Source) -> None:
    key = document_key(NAME)
    open_entry(site, source)
    stored = site.catalog.get("files", key)
    assert stored is not None
    site.catalog.update("files", key, {"seen_by": "Ada"}, version=stored.version)
    _archive(site, source)
    newer = _rewrite(site, tiny_fits(seed=1))
    open_entry(site, newer)
    assert sites.document(site, "files", key)["seen_by"] == "Ada"


def test_a_file_that_nobody_sent_has_no_entry(site: Site) -> None:
    assert read_entry(site, "never/seen.fits") is None


@pytest.mark.parametrize(
    "bad", [{"failures": "x"}, {"generation": None, "outcome": "archived"}, {"history": ["?"]}]
)
@pytest.mark.parametrize("good", [True, False])
def test_an_upload_whose_entry_cannot_be_read_is_taken_and_the_entry_kept(
    site: Site, source: Source, bad: dict[str, object], good: bool
) -> None:
    if not good:
        source = _rewrite(site, b"junk")
    open_entry(site, source)
    key = document_key(NAME)
    gone = [name for name, value in bad.items() if value is None]
    audited.change(site, "files", key, *gone, **{k: v for k, v in bad.items() if v is not None})
    before = sites.document(site, "files", key)
    [outcome] = sites.outcomes(sites.run(site)).values()
    assert outcome == ("catalogued" if good else "quarantined: not-fits")
    assert sites.waiting(site) == []
    assert sites.entry_of(site, NAME).unreadable == before
    findings = [(each.kind, each.name) for each in audit(site)]
    assert findings == [("document-unreadable", f"files/{key}")]
    _rewrite(site, tiny_fits({"AIRMASS": 1.5}))
    sites.run(site)
    assert sites.entry_of(site, NAME).unreadable == before
