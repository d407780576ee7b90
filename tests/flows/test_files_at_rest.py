"""Files that arrive slowly are taken whole, once, and files that arrived whole at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panoptes.network.fits.archive import verify_archive
from panoptes.network.ingest.at_rest import patience
from panoptes.network.ingest.backlog import survey
from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.take import Calls, Watch, take
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_fits
from tests.patience import PATIENT_SECONDS

FITS = f"{IMAGE}.fits"
DATA = tiny_fits(rows=600)  # 25,920 bytes
REST = 0.4

Writer = Callable[[Path], Iterator[None]]
"""Writes `DATA` at a path, bit by bit."""


def _slowly(path: Path) -> Iterator[None]:
    """11 KB a second, to its last name."""
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(DATA), 1100):
            file.write(DATA[start : start + 1100])
            time.sleep(0.1)
            yield


def _pausing(path: Path) -> Iterator[None]:
    """Longer than a file must rest."""
    with path.open("wb", buffering=0) as file:
        for start in (0, 3000, 12000):
            file.write(DATA[start : {0: 3000, 3000: 12000}.get(start)])
            time.sleep(3 * REST)
            yield


def _closing(path: Path) -> Iterator[None]:
    """Opens it anew for each part, and pauses in between longer than a file must rest."""
    for start in range(0, len(DATA), 9000):
        with path.open("ab") as file:
            file.write(DATA[start : start + 9000])
        time.sleep(3 * REST)
        yield


def _hard_linked(path: Path) -> Iterator[None]:
    """Under another name, outside of `incoming`."""
    own = path.parents[5] / "being-written"
    with own.open("wb", buffering=0) as file:
        file.write(DATA[:3000])
        path.hardlink_to(own)
        time.sleep(3 * REST)
        yield
        file.write(DATA[3000:])
    yield


def _preallocating(path: Path) -> Iterator[None]:
    with path.open("wb", buffering=0) as file:
        os.truncate(file.fileno(), len(DATA))
        yield
        for start in range(0, len(DATA), 9000):
            file.write(DATA[start : start + 9000])
            time.sleep(2 * REST)
            yield


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(
        tmp_path, rest_seconds=REST, incomplete_seconds=10 * REST, previews_wanted=False
    )


@pytest.mark.parametrize("writer", [_slowly, _pausing, _closing, _hard_linked, _preallocating])
def test_an_upload_that_is_written_slowly_is_taken_whole(site: Site, writer: Writer) -> None:
    path = sites.incoming(site) / FITS
    path.parent.mkdir(parents=True)
    writing = threading.Thread(target=lambda: list(writer(path)))
    writing.start()
    results: list[FileResult] = []
    deadline = time.monotonic() + PATIENT_SECONDS
    while writing.is_alive() or sites.waiting(site):
        assert time.monotonic() < deadline
        results += sites.ingest_all(site)
    assert {result.became for result in results} <= {"waiting", "catalogued"}
    assert [result.became.value for result in results].count("catalogued") == 1
    assert sites.objects(site, "quarantine") == {}
    verify_archive(DATA, site.store("images").read(f"{FITS}.fz")[0])


def test_what_stays_incomplete_is_judged_once_it_has_long_been_unchanged(
    site: Site,
) -> None:
    for name, data in ((FITS, DATA[:9000]), ("notes.txt", b"clouds"), (f"{LATER}.fits", b"")):
        place(sites.incoming(site), name, data)
    began = time.monotonic()
    results = {result.name: result for result in _one_by_one(site.changed(incomplete_seconds=3600))}
    first = results[FITS]
    assert first.became == "waiting"
    assert "ends too early" in first.told
    entry = sites.entry_of(site, FITS)
    assert (entry.outcome, entry.code, entry.attempts) == (None, "truncated-file", entry.returns)
    assert survey(site).observations[SEQUENCE_ID].is_ready is False
    while sites.waiting(site):
        assert time.monotonic() < began + PATIENT_SECONDS
        results |= {result.name: result for result in _one_by_one(site)}
    assert time.monotonic() - began >= 10 * REST
    assert {name: result.code for name, result in results.items()} == {
        FITS: "truncated-file", "notes.txt": "unknown-suffix", f"{LATER}.fits": "empty-file",
    }  # fmt: skip
    assert {result.became for result in results.values()} == {"quarantined"}
    assert sites.entry_of(site, FITS).attempts == 2


def _one_by_one(site: Site) -> list[FileResult]:
    return ingest_folder(site, files_in(site, Path(site.settings.images).parent), watch=Watch())


def test_people_are_told_how_long_what_looks_incomplete_is_waited_for(tmp_path: Path) -> None:
    site = Site.in_folder(tmp_path)
    assert "cut short or empty is judged once it has not changed for 10 minutes:" in patience(site)
    assert " for 90 seconds:" in patience(site.changed(incomplete_seconds=90))
    for at_once in ({"incomplete_seconds": 0}, {"keep_incoming": True}, {"incoming": "gs://here"}):
        assert patience(site.changed(**at_once)) == ""


def test_a_run_waits_once_for_what_has_just_come(site: Site) -> None:
    heard: list[int] = []

    class Listening(Watch):
        def resting(self, files: int, seconds: float) -> None:
            heard.append(files)

    for name in (FITS, f"{LATER}.fits"):
        place(sites.incoming(site), name, tiny_fits(seed=len(heard)))
    began = time.monotonic()
    sequence = parse_sequence_id(SEQUENCE_ID)
    results, _ = ingest_observation(site, sequence, watch=Listening())
    assert {result.became for result in results} == {"catalogued"}
    assert heard[0] == 2
    assert time.monotonic() - began >= REST


def test_the_sweep_starts_no_run_for_what_is_being_written(site: Site) -> None:
    path = place(sites.incoming(site), FITS, DATA)
    with path.open("ab"):
        found = survey(site)
        assert [len(w.sources) for w in found.observations.values()] == [1]
        assert found.backlog(overdue_after=0, held=set()).files == 1
        assert not found.observations[SEQUENCE_ID].is_ready
        (result,) = _one_by_one(site)
        assert (result.became, result.reason) == ("waiting", "Somebody is still writing it.")
    deadline = time.monotonic() + PATIENT_SECONDS
    while not survey(site).observations[SEQUENCE_ID].is_ready:
        assert time.monotonic() < deadline


def test_a_users_own_folder_is_judged_at_once_when_it_rests(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, rest_seconds=REST, incomplete_seconds=3600)
    place(sites.incoming(site), FITS, DATA[:9000])
    place(sites.incoming(site), "notes.txt", b"clouds")
    assert sites.outcomes(sites.run(site)) == {
        FITS: "quarantined: truncated-file", "notes.txt": "quarantined: unknown-suffix",
    }  # fmt: skip


def test_uploads_given_up_under_passing_names_are_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(sites.incoming(site), f"{FITS}.part", DATA)
    place(sites.incoming(site), f"{SEQUENCE_ID}/.a.fits.XyZ123", DATA)
    found = survey(site)
    assert (found.observations, found.unroutable, found.passing) == ({}, [], 0)
    monkeypatch.setattr("panoptes.network.ingest.backlog.FORGOTTEN_SECONDS", 0.0)
    assert survey(site).backlog(overdue_after=0, held=set()).passing == 2


def test_a_folder_that_is_swapped_for_a_link_holds_up_no_other(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    other = "PAN002/14d3bd/20180216T110623/20180216T112430.fits"
    for name in (FITS, other):
        place(sites.incoming(site), name, tiny_fits())
    sources = files_in(site, tmp_path / "data")
    swapped = sites.incoming(site) / Path(FITS).parent
    swapped.rename(tmp_path / "away")
    swapped.symlink_to(tmp_path / "away")
    became = {result.name: result for result in ingest_folder(site, sources, watch=Watch())}
    assert became[other].became == "catalogued"
    assert became[FITS].became == "failed"


def test_what_may_not_be_read_is_said_with_what_to_do(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), FITS, tiny_fits())
    source = sites.source_named(site, FITS)
    folder = sites.incoming(site) / Path(FITS).parent
    folder.rename(tmp_path / "away")
    folder.symlink_to(tmp_path / "away")
    result = take(site, source, Calls(site))
    assert result.code == "unreadable"
    assert result.next_step
    assert "user" in result.next_step
