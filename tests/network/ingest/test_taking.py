"""One bad file, or one fault of ours, holds up no other."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.file_types import FileType
from panoptes.network.ingest import retries
from panoptes.network.ingest.deposit import output_of
from panoptes.network.ingest.derive import DERIVATIONS
from panoptes.network.ingest.derive import compress as compress_fits_file
from panoptes.network.ingest.folder import ingest_folder
from panoptes.network.ingest.ledger import close_entry, close_quarantined, open_entry
from panoptes.network.ingest.listing import everything_waiting
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.take import Calls, Watch, take_all
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from tests import sites
from tests.files import IMAGE, LATER, UPLOADED, jpeg, place, tiny_cr2, tiny_fits, tiny_fits_fz

FITS = f"{IMAGE}.fits"
OTHER = f"{LATER}.fits"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "BACKOFF_SECONDS", 0.0001)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path, previews_wanted=False, workers=1)
    place(sites.incoming(site), FITS, tiny_fits())
    place(sites.incoming(site), OTHER, tiny_fits(seed=1))
    return site


def _failing(
    call: str, error: Exception, *, times: int, when: Callable[[], bool] = lambda: True
) -> Callable[[str], None]:
    left = times

    def tell(told: str) -> None:
        nonlocal left
        if told == call and left and when():
            left -= 1
            raise error

    return tell


@pytest.mark.parametrize(
    "call",
    [
        "before incoming.read", "before images.stat", "before images.put", "after images.put",
        "before images.read", "after incoming.delete", "before catalog.create",
        "after catalog.update", "before catalog.query", "before catalog.aggregate",
    ],
)  # fmt: skip
def test_trouble_that_passes_leaves_no_trace(site: Site, call: str) -> None:
    sites.watched(site, _failing(call, TransientError("for a moment"), times=2))
    source = list(everything_waiting(site))
    results = take_all(source, steps=Calls(site), watch=Watch())
    assert {r.became for r in results.values()} == {"catalogued"}
    assert sites.waiting(site) == []
    assert len(sites.objects(site)) == 2


def test_trouble_that_stays_fails_one_file_and_the_next_run_takes_it(
    site: Site,
) -> None:
    tries = retries.RETRIES + 1
    sites.watched(site, _failing("before images.put", TransientError("disk full"), times=tries))
    results = sites.run(site)
    assert sorted(sites.outcomes(results).values()) == ["catalogued", "failed: passing-trouble"]
    (failed,) = [r for r in results.values() if r.became == "failed"]
    assert "disk full" in str(failed.reason)
    assert sites.waiting(site) == [failed.name]
    assert sites.outcomes(sites.run(site)) == {failed.name: "catalogued"}
    assert sites.entry_of(site, failed.name).code is None


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), OSError(errno.EIO, "disk"), ConfigurationError("read-only")]
)
def test_a_fault_of_ours_is_never_taken_for_bad_input(site: Site, error: Exception) -> None:
    sites.watched(site, _failing("before images.put", error, times=1))
    results = sites.run(site)
    assert sorted(sites.outcomes(results).values()) == ["catalogued", "failed: unexpected-error"]
    assert sites.objects(site, "quarantine") == {}
    (failed,) = [r for r in results.values() if r.became == "failed"]
    assert type(error).__name__ in str(failed.reason)
    assert sites.waiting(site) == [failed.name]


def test_a_file_that_keeps_failing_is_left_for_an_operator(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False, failure_limit=2)
    place(sites.incoming(site), FITS, tiny_fits())
    sites.watched(site, _failing("before images.put", RuntimeError("a bug"), times=2))
    for _ in range(3):
        assert sites.outcomes(sites.run(site)) == {FITS: "failed: unexpected-error"}
    assert sites.waiting(site) == [FITS]
    assert sites.entry_of(site, FITS).attempts == 2


def test_a_ledger_out_of_reach_is_said_and_raises_nothing(site: Site) -> None:
    away = ConnectionError("the catalog is away")
    sites.watched(site, _failing("before catalog.get", away, times=1000))
    sources = list(everything_waiting(site))
    results = take_all(sources, steps=Calls(site), watch=Watch())
    assert {r.became for r in results.values()} == {"failed"}
    assert all("the catalog is away" in str(r.reason) for r in results.values())
    assert len(sites.waiting(site)) == 2


def test_an_upload_that_is_rewritten_during_the_run_is_taken_in_its_newest_form(
    site: Site,
) -> None:
    newer = tiny_fits({"AIRMASS": 2.5}, seed=7)
    rewritten = False

    def tell(call: str) -> None:
        nonlocal rewritten
        if call == "before incoming.read" and not rewritten:
            rewritten = True
            later = UPLOADED + timedelta(hours=1)
            place(sites.incoming(site), FITS, newer, moment=later)

    sites.watched(site, tell)
    sources = list(everything_waiting(site))
    rows = ingest_folder(site, sources, watch=Watch())
    assert [(row.name, row.became) for row in rows] == [
        (FITS, "catalogued"), (OTHER, "catalogued"),
    ]  # fmt: skip
    assert sites.document(site, "images", "PAN001_14d3bd_20180216T112430")["airmass"] == 2.5
    assert sites.waiting(site) == []
    assert len(sites.objects(site)) == 2


@pytest.mark.parametrize("call", ["after images.put", "before incoming.delete"])
def test_an_upload_that_is_rewritten_at_the_last_moment_is_not_lost(site: Site, call: str) -> None:
    newer = tiny_fits({"AIRMASS": 2.5}, seed=7)
    rewritten = False

    def tell(told: str) -> None:
        nonlocal rewritten
        if told == call and not rewritten:
            rewritten = True
            later = UPLOADED + timedelta(hours=1)
            place(sites.incoming(site), FITS, newer, moment=later)

    sites.watched(site, tell)
    assert set(sites.outcomes(sites.run(site)).values()) == {"catalogued"}
    assert sites.document(site, "images", "PAN001_14d3bd_20180216T112430")["airmass"] == 2.5
    assert sites.waiting(site) == []


def test_what_arrives_during_the_run_is_taken_in_the_same_run(site: Site) -> None:
    arrived = False

    def tell(call: str) -> None:
        nonlocal arrived
        if call == "after images.put" and not arrived:
            arrived = True
            place(sites.incoming(site), f"{IMAGE}.jpg", jpeg())

    sites.watched(site, tell)
    assert sites.outcomes(sites.run(site))[f"{IMAGE}.jpg"] == "filed"


def test_a_file_that_vanishes_during_the_run_fails_alone(site: Site) -> None:
    def tell(call: str) -> None:
        if call == "before incoming.read":
            (sites.incoming(site) / FITS).unlink(missing_ok=True)

    sites.watched(site, tell)
    results = sites.outcomes(sites.run(site))
    assert results[OTHER] == "catalogued"
    assert results[FITS] == "failed: unexpected-error"


@pytest.mark.parametrize("suffix", ["fits", "fits.fz", "jpg", "cr2"])
@pytest.mark.parametrize("duplicate_of", [None, "another"])
def test_an_output_that_proves_wrong_is_withdrawn_unless_it_is_anothers(
    tmp_path: Path, suffix: str, duplicate_of: str | None
) -> None:
    data = {
        "fits": tiny_fits(), "fits.fz": tiny_fits_fz(), "jpg": jpeg(), "cr2": tiny_cr2(),
    }[suffix]  # fmt: skip
    site = sites.drained(tmp_path, previews_wanted=False)
    name = f"{IMAGE}.{suffix}"
    place(sites.incoming(site), name, data)
    source = sites.source_named(site, name)
    derivation = DERIVATIONS[FileType(suffix)]
    derived = derivation.make(site, source)
    first = derived.outputs[0]
    wrong = {"fits": tiny_fits_fz(tiny_fits(seed=9)), "fits.fz": tiny_fits_fz(tiny_fits(seed=9))}
    stored = site.store(first.location).put(first.path, wrong.get(suffix, b"wrong"))
    output = output_of(first.role, first.location, stored, crc32c(wrong.get(suffix, b"wrong")))
    changed = derived.model_copy(
        update={"outputs": (output, *derived.outputs[1:]), "duplicate_of": duplicate_of}
    )
    with pytest.raises(Exception, match=r"differ|pixel|card|no longer equals"):
        derivation.compare(site, source, changed)
    assert (f"{first.location}/{first.path}" in sites.objects(site)) is bool(duplicate_of)
    assert sites.waiting(site) == [name]


def test_watchers_hear_of_every_file(site: Site) -> None:
    heard: list[str] = []

    class Listening(Watch):
        def planned(self, files: int) -> None:
            heard.append(f"{files} planned")

        def taken(self, result: FileResult) -> None:
            heard.append(result.name)

    take_all(list(everything_waiting(site)), steps=Calls(site), watch=Listening())
    assert heard[0] == "2 planned"
    assert sorted(heard[1:]) == [FITS, OTHER]


def test_a_file_that_is_done_but_lingers_is_taken_away(site: Site) -> None:
    source = sites.source_named(site, FITS)
    open_entry(site, source)
    close_entry(site, source, "archived", compress_fits_file(site, source))
    assert sites.outcomes(sites.run(site))[FITS] == "already"
    assert sites.waiting(site) == []


def _send_again(site: Site, data: bytes) -> None:
    """Into the same inode with the same size and modification time, as ``cp -p`` does."""
    path = sites.incoming(site) / FITS
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        place(sites.incoming(site), FITS, data)
    after = path.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_mtime_ns == before.st_mtime_ns


def test_a_kept_source_takes_what_was_sent_again_with_the_same_size_and_times(
    tmp_path: Path,
) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    good = tiny_fits()
    place(sites.incoming(site), FITS, b"X" * len(good))
    assert sites.outcomes(sites.run(site)) == {FITS: "quarantined: not-fits"}
    _send_again(site, good)
    assert sites.outcomes(sites.run(site)) == {FITS: "catalogued"}
    _send_again(site, tiny_fits(seed=1))
    assert sites.outcomes(sites.run(site)) == {FITS: "catalogued"}
    _send_again(site, b"Y" * len(good))
    assert sites.outcomes(sites.run(site)) == {FITS: "quarantined: not-fits"}
    kept = sites.objects(site, "quarantine").values()
    assert sorted(kept) == [b"X" * len(good), b"Y" * len(good)]


def test_a_drained_folder_takes_what_was_sent_again_before_the_first_was_taken_away(
    site: Site,
) -> None:
    place(sites.incoming(site), FITS, b"X" * len(tiny_fits()))
    source = sites.source_named(site, FITS)
    open_entry(site, source)
    close_quarantined(site, source, BadInput("not-fits"), None, None)
    _send_again(site, tiny_fits())
    assert sites.outcomes(sites.run(site))[FITS] == "catalogued"


def test_a_kept_source_whose_permissions_changed_is_compared_once(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    path = place(sites.incoming(site), FITS, tiny_fits())
    sites.run(site)
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.chmod(0o600)
        path.chmod(0o644)
    for reads in (1, 0):
        calls: list[str] = []
        assert sites.outcomes(sites.run(sites.watched(site, calls.append))) == {FITS: "already"}
        assert calls.count("before incoming.read") == reads


@pytest.mark.parametrize(
    "first", [tiny_fits(), b"X" * len(tiny_fits())], ids=["archived", "quarantined"]
)
def test_nothing_is_taken_away_unread_where_the_folder_shows_no_change(
    site: Site, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "panoptes.network.storage.files.generation_of",
        lambda found, **_: found.st_size if found else 0,
    )  # a file system that keeps no times
    place(sites.incoming(site), FITS, first)
    sites.run(site)
    place(sites.incoming(site), FITS, tiny_fits(seed=7))
    result = sites.run(site)[FITS]
    assert (result.became, result.code) == ("failed", "changed-unseen")
    assert (sites.incoming(site) / FITS).read_bytes() == tiny_fits(seed=7)
    place(sites.incoming(site), FITS, first)
    assert sites.run(site)[FITS].became in ("already", "quarantined")
    assert sites.waiting(site) == []
