"""The ledger: what it answers about a file, and when it sends us to work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from panoptes.network.audit import audit
from panoptes.network.errors import BadInput, TryAgain
from panoptes.network.ingest.compress import compress_fits_file
from panoptes.network.ingest.ledger import (
    Verdict,
    close_entry,
    close_failed,
    close_quarantined,
    count_attempt,
    open_entry,
    read_entry,
)
from panoptes.network.ingest.outcome import Derived, Source
from panoptes.network.names import document_key
from tests import audited, sites
from tests.files import IMAGE, UPLOADED, place, tiny_fits

NAME = f"{IMAGE}.fits"


@pytest.fixture
def network(tmp_path: Path) -> PanoptesNetwork:
    network = sites.drained(tmp_path, previews_wanted=False, failure_limit=3)
    place(sites.incoming(network), NAME, tiny_fits())
    return network


@pytest.fixture
def source(network: PanoptesNetwork) -> Source:
    return sites.source_named(network, NAME)


def _archive(network: PanoptesNetwork, source: Source) -> Derived:
    open_entry(network, source)
    derived = compress_fits_file(network, source)
    close_entry(network, source, "archived", derived)
    return derived


def _rewrite(network: PanoptesNetwork, data: bytes) -> Source:
    place(sites.incoming(network), NAME, data, moment=UPLOADED + timedelta(hours=1))
    return sites.source_named(network, NAME)


def test_a_new_file_is_taken_on_and_one_attempt_is_counted_before_it_is_read(
    network: PanoptesNetwork, source: Source
) -> None:
    opened = open_entry(network, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    entry = sites.entry_of(network, NAME)
    assert (entry.attempts, entry.returns, entry.outcome) == (1, 0, None)
    assert entry.image_id == "PAN001_14d3bd_20180216T112430"
    assert entry.arrived == UPLOADED


def test_an_archived_file_is_done(network: PanoptesNetwork, source: Source) -> None:
    derived = _archive(network, source)
    opened = open_entry(network, source)
    assert opened.verdict is Verdict.DONE
    assert opened.entry.path == derived.outputs[0].path
    assert (opened.entry.attempts, opened.entry.returns) == (1, 1)


def test_an_archived_file_whose_archive_is_gone_is_taken_on_again(
    network: PanoptesNetwork, source: Source
) -> None:
    derived = _archive(network, source)
    network.store("images").delete(derived.outputs[0].path)
    opened = open_entry(network, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)


def test_an_archive_that_was_rewritten_by_somebody_else_does_not_stand(
    network: PanoptesNetwork, source: Source
) -> None:
    derived = _archive(network, source)
    path = Path(network.images, derived.outputs[0].path)
    path.write_bytes(path.read_bytes()[:-2880])
    assert open_entry(network, source).verdict is Verdict.WORK


def test_an_archive_that_was_copied_back_from_a_backup_stands(
    network: PanoptesNetwork, source: Source
) -> None:
    archive = _archive(network, source).outputs[0]
    store = network.store("images")
    data, _ = store.read(archive.path)
    store.delete(archive.path)
    assert store.put(archive.path, data).generation != archive.generation
    assert open_entry(network, source).verdict is Verdict.DONE


def test_a_run_that_died_with_a_file_makes_the_next_one_careful(
    network: PanoptesNetwork, source: Source
) -> None:
    open_entry(network, source)
    opened = open_entry(network, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, True)
    assert opened.entry.attempts == 2


def test_a_failure_that_was_written_down_is_no_death(
    network: PanoptesNetwork, source: Source
) -> None:
    open_entry(network, source)
    close_failed(network, source, RuntimeError("a bug"), passing=False)
    opened = open_entry(network, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    assert opened.entry.outcome is None


def test_a_failure_of_a_file_that_was_never_opened_is_no_death(
    network: PanoptesNetwork, source: Source
) -> None:
    close_failed(network, source, TryAgain("the catalog was away"), passing=True)
    opened = open_entry(network, source)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)


def test_a_file_that_fails_too_often_waits_for_an_operator(
    network: PanoptesNetwork, source: Source
) -> None:
    for _ in range(3):
        assert open_entry(network, source).verdict is Verdict.WORK
        entry = close_failed(network, source, RuntimeError("a bug"), passing=False)
    assert (entry.failures, entry.code, entry.reason) == (
        3, "unexpected-error", "RuntimeError: a bug",
    )  # fmt: skip
    assert open_entry(network, source).verdict is Verdict.GIVEN_UP


def test_passing_trouble_never_makes_us_give_up(network: PanoptesNetwork, source: Source) -> None:
    for _ in range(5):
        assert open_entry(network, source).verdict is Verdict.WORK
        entry = close_failed(network, source, TryAgain("busy"), passing=True)
    assert (entry.failures, entry.code) == (0, "passing-trouble")


def test_success_forgets_earlier_failures(network: PanoptesNetwork, source: Source) -> None:
    open_entry(network, source)
    close_failed(network, source, RuntimeError("a bug"), passing=False)
    _archive(network, source)
    entry = sites.entry_of(network, NAME)
    assert (entry.failures, entry.outcome, entry.code, entry.reason) == (0, "archived", None, None)


def test_a_quarantined_generation_stays_quarantined(
    network: PanoptesNetwork, source: Source
) -> None:
    network.store("quarantine").put("where", b"bad")
    open_entry(network, source)
    close_quarantined(network, source, BadInput("no-image", "empty"), "where", "sum")
    opened = open_entry(network, source)
    assert opened.verdict is Verdict.QUARANTINED
    assert opened.entry.reason == "The FITS file holds no image. (empty)"
    assert opened.entry.next_step


def test_a_file_whose_copy_in_quarantine_is_gone_is_not_given_up(
    network: PanoptesNetwork, source: Source
) -> None:
    open_entry(network, source)
    close_quarantined(network, source, BadInput("no-image"), "where", "sum")
    assert open_entry(network, source).verdict is Verdict.WORK


def test_a_newer_generation_is_taken_on_afresh(network: PanoptesNetwork, source: Source) -> None:
    open_entry(network, source)
    close_quarantined(network, source, BadInput("no-image"), "where", "sum")
    newer = _rewrite(network, tiny_fits(seed=1))
    opened = open_entry(network, newer)
    assert (opened.verdict, opened.guarded) == (Verdict.WORK, False)
    entry = sites.entry_of(network, NAME)
    assert (entry.generation, entry.attempts, entry.code) == (newer.generation, 1, None)


def test_the_same_bytes_sent_once_more_are_done(network: PanoptesNetwork, source: Source) -> None:
    _archive(network, source)
    newer = _rewrite(network, tiny_fits())
    assert newer.generation != source.generation
    assert open_entry(network, newer).verdict is Verdict.DONE


def test_a_stalled_run_cannot_take_an_older_generation_up_again(
    network: PanoptesNetwork, source: Source
) -> None:
    newer = _rewrite(network, tiny_fits(seed=1))
    _archive(network, newer)
    assert open_entry(network, source).verdict is Verdict.GONE
    assert sites.entry_of(network, NAME).generation == newer.generation


def test_a_run_that_fails_leaves_what_another_brought_to_its_end(
    network: PanoptesNetwork, source: Source
) -> None:
    open_entry(network, source)  # it stalls; another run takes the file to its end
    _archive(network, source)
    entry = close_failed(network, source, FileNotFoundError(NAME), passing=False)
    assert (entry.outcome, entry.failures) == ("archived", 0)
    assert sites.entry_of(network, NAME) == entry


def test_a_stalled_run_cannot_close_the_entry_of_a_newer_generation(
    network: PanoptesNetwork, source: Source
) -> None:
    open_entry(network, source)
    newer = _rewrite(network, tiny_fits(seed=1))
    _archive(network, newer)
    close_quarantined(network, source, BadInput("no-image"), "where", "sum")
    close_failed(network, source, RuntimeError("late"), passing=False)
    assert count_attempt(network, source) == 0
    entry = sites.entry_of(network, NAME)
    assert (entry.generation, entry.outcome) == (newer.generation, "archived")


def test_attempts_that_did_not_return_are_counted(network: PanoptesNetwork, source: Source) -> None:
    open_entry(network, source)
    open_entry(network, source)
    assert count_attempt(network, source) == 3
    assert sites.entry_of(network, NAME).attempts == 3


def test_fields_of_others_in_the_ledger_are_kept(network: PanoptesNetwork, source: Source) -> None:
    key = document_key(NAME)
    open_entry(network, source)
    stored = network.documents.get("files", key)
    assert stored is not None
    network.documents.update("files", key, {"seen_by": "Ada"}, version=stored.version)
    _archive(network, source)
    newer = _rewrite(network, tiny_fits(seed=1))
    open_entry(network, newer)
    assert sites.document(network, "files", key)["seen_by"] == "Ada"


def test_a_file_that_nobody_sent_has_no_entry(network: PanoptesNetwork) -> None:
    assert read_entry(network, "never/seen.fits") is None


@pytest.mark.parametrize(
    "bad", [{"failures": "x"}, {"generation": None, "outcome": "archived"}, {"history": ["?"]}]
)
@pytest.mark.parametrize("good", [True, False])
def test_an_upload_whose_entry_cannot_be_read_is_taken_and_the_entry_kept(
    network: PanoptesNetwork, source: Source, bad: dict[str, object], good: bool
) -> None:
    if not good:
        source = _rewrite(network, b"junk")
    open_entry(network, source)
    key = document_key(NAME)
    gone = [name for name, value in bad.items() if value is None]
    audited.change(network, "files", key, *gone, **{k: v for k, v in bad.items() if v is not None})
    before = sites.document(network, "files", key)
    [outcome] = sites.outcomes(sites.run(network)).values()
    assert outcome == ("catalogued" if good else "quarantined: not-fits")
    assert sites.waiting(network) == []
    assert sites.entry_of(network, NAME).unreadable == before
    findings = [(each.kind, each.name) for each in audit(network)]
    assert findings == [("document-unreadable", f"files/{key}")]
    _rewrite(network, tiny_fits({"AIRMASS": 1.5}))
    sites.run(network)
    assert sites.entry_of(network, NAME).unreadable == before
