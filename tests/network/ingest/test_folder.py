"""A folder, again and again, in whatever way it is interrupted: the same archive."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.documents import Location
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest import isolation, retries
from panoptes.network.ingest.folder import files_in, foresee, ingest_folder
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.outcome import Derived, FileResult
from panoptes.network.ingest.take import Watch
from panoptes.network.names import document_key, parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests import sites
from tests.files import (
    IMAGE,
    LATER,
    SEQUENCE,
    SEQUENCE_ID,
    jpeg,
    mp4,
    place,
    tiny_cr2,
    tiny_fits,
    tiny_fits_fz,
)

NIGHT = {
    f"{IMAGE}.fits": tiny_fits(),
    f"{IMAGE}.fits.fz": tiny_fits_fz(),
    f"{IMAGE}.jpg": jpeg(),
    f"{LATER}.fits.fz": tiny_fits_fz(tiny_fits(seed=1)),
    f"{SEQUENCE}.mp4": mp4(),
    f"{SEQUENCE}/20180216T112830.fits": b"",
    "PAN001/stray.fits": tiny_fits(),
}
BECAME = {
    f"{IMAGE}.fits": "catalogued",
    f"{IMAGE}.fits.fz": "already",
    f"{IMAGE}.jpg": "filed",
    f"{LATER}.fits.fz": "catalogued",
    f"{SEQUENCE}.mp4": "filed",
    f"{SEQUENCE}/20180216T112830.fits": "quarantined: empty-file",
    "PAN001/stray.fits": "quarantined: unroutable-name",
}
AGAIN = {
    name: "already" if became in ("catalogued", "filed") else became
    for name, became in BECAME.items()
}


def _upload(folder: Path) -> None:
    for name, data in NIGHT.items():
        place(folder, name, data)


def _archive(site: Site) -> tuple[dict[str, bytes], dict[str, Any]]:
    return sites.objects(site), sites.documents(site)


def _whatever_the_generation(site: Site) -> str:
    """The same, without the generations that a folder gave to the uploads."""
    found = repr(_archive(site))
    for name in NIGHT:
        found = found.replace(str(sites.entry_of(site, name).generation), "GENERATION")
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.kept(tmp_path)
    _upload(sites.incoming(site))
    return site


def test_a_folder_is_ingested_and_left_as_it_was(site: Site) -> None:
    before = sites.picture_of(sites.incoming(site))
    assert sites.outcomes(sites.run(site)) == BECAME
    assert sites.picture_of(sites.incoming(site)) == before


def test_a_second_run_answers_already_and_changes_nothing(site: Site) -> None:
    sites.run(site)
    before = _archive(site)
    assert sites.outcomes(sites.run(site)) == AGAIN
    assert _archive(site) == before
    assert sites.document(site, "observations", SEQUENCE_ID)["num_images"] == 2


@pytest.mark.parametrize(
    "gone",
    [f"images/{IMAGE}.fits.fz", f"previews/{IMAGE}.preview-1024.jpg", f"previews/{IMAGE}.jpg",
     f"timelapse/{SEQUENCE}/20180216T110623.mp4"],
)  # fmt: skip
def test_an_output_that_was_deleted_comes_back_and_nothing_else_changes(
    site: Site, gone: str
) -> None:
    sites.run(site)
    before = _archive(site)
    location, _, path = gone.partition("/")
    Path(getattr(site.settings, location), path).unlink()
    assert not {"failed", "quarantined"} & {
        r.became for n, r in sites.run(site).items() if BECAME[n] == AGAIN[n] == "already"
    }
    assert _archive(site) == before
    assert sites.outcomes(sites.run(site)) == AGAIN


def test_a_camera_raws_planes_and_original_come_back(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    data = tiny_cr2()
    place(sites.incoming(site), f"{IMAGE}.cr2", data)
    sites.run(site)
    before = _archive(site)
    assert len(before[0]) == 5
    for key in before[0]:
        location, _, path = key.partition("/")
        Path(getattr(site.settings, location), path).unlink()
        assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.cr2": "catalogued"}
        assert _archive(site) == before


def test_two_runs_at_once_make_what_one_makes(tmp_path: Path) -> None:
    alone = sites.kept(tmp_path)
    _upload(sites.incoming(alone))
    sites.run(alone)
    data = tmp_path / "twice"
    results: list[dict[str, FileResult]] = []

    def go() -> None:
        site = Site.in_folder(data, incoming=tmp_path / "night", **sites.AT_ONCE)
        site.check()
        results.append(sites.run(site))
        site.catalog.close()

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = Site.in_folder(data, incoming=tmp_path / "night", **sites.AT_ONCE)
    assert _archive(both) == _archive(alone)
    assert len(results) == 3
    for result in results:
        for name, became in sites.outcomes(result).items():
            assert became in (BECAME[name], AGAIN[name])


@pytest.fixture
def _decoders_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill, files are decoded in a child that takes a second to start; the many
    kills of these tests decode in place. Children have tests of their own."""

    def here(
        derive: Callable[[Site, Source], Derived],
        site: Site,
        source: Source,
    ) -> Derived:
        return derive(site, source)

    monkeypatch.setattr(isolation, "call_in_child", here)


KILLS = 12


@pytest.mark.usefixtures("_decoders_here")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("keep", [True, False])
def test_a_run_that_is_killed_anywhere_loses_nothing_and_the_next_one_ends_it(
    tmp_path: Path, keep: bool
) -> None:
    master = tmp_path / "master"
    _upload(master)
    sequence = parse_sequence_id(SEQUENCE_ID)

    def make(root: Path) -> Site:
        policies: dict[str, Any] = {"workers": 1}
        if keep:
            site = Site.in_folder(root, incoming=master, **(sites.AT_ONCE | policies))
        else:
            site = Site.in_folder(root, **(sites.AT_ONCE | policies))
        site.check()
        return site

    def uploaded(root: Path) -> Site:
        if not keep:
            for name, data in NIGHT.items():
                place(root / "incoming", name, data)
        return make(root)

    calls = sites.count_calls(lambda: uploaded(tmp_path / "counted"))
    assert len(sites.objects(make(tmp_path / "counted"))) == 8
    ended = _whatever_the_generation(make(tmp_path / "counted"))
    for at in sites.spread(len(calls), KILLS):
        root = tmp_path / str(at)
        uploaded(root).catalog.close()
        assert sites.run_and_die(lambda root=root: make(root), at), calls[at - 1]  # type: ignore[misc]
        site = make(root)
        _nothing_is_lost(site)
        sites.run(site)
        if not keep:  # the sweep's part: nothing may wait, but its lease was left behind
            ingest_observation(site, sequence)[0]
        assert _whatever_the_generation(site) == ended, calls[at - 1]
        assert sites.waiting(site) == (sorted(NIGHT) if keep else [])
        site.catalog.close()


def _nothing_is_lost(site: Site) -> None:
    """Whatever has left `incoming` is written down, and what was made of it is there."""
    for name in NIGHT.keys() - set(sites.waiting(site)):
        entry = sites.entry_of(site, name)
        assert entry.outcome in ("archived", "filed", "quarantined")
        assert entry.location is not None
        assert entry.path is not None
        location: Location = entry.location
        assert site.store(location).stat(entry.path).size > 0 or NIGHT[name] == b""


@pytest.mark.parametrize("call", ["incoming.list", "catalog.get", "catalog.delete"])
def test_trouble_that_passes_between_files_ends_no_run(
    site: Site, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "BACKOFF_SECONDS", 0.0001)
    sources = files_in(site, Path(site.settings.images).parent)
    once = [TransientError("for a moment")]

    def tell(told: str) -> None:
        if told == f"before {call}" and once:
            raise once.pop()

    sites.watched(site, tell)
    results = ingest_folder(site, sources, watch=Watch())
    assert sites.outcomes({r.name: r for r in results}) == BECAME
    assert not once


@pytest.mark.parametrize("nested", ["images", "quarantine", "catalog"])
def test_an_archive_in_a_folder_that_is_drained_is_refused(tmp_path: Path, nested: str) -> None:
    site = Site.in_folder(tmp_path, **sites.AT_ONCE)
    place = f"{site.settings.incoming}/archive"
    address = f"sqlite:///{place}.sqlite" if nested == "catalog" else place
    with pytest.raises(ConfigurationError, match=f"{nested} lies in incoming"):
        site.changed(**{nested: address}).check()


def test_what_would_become_of_a_folder_is_foreseen_without_reading_a_file(
    site: Site,
) -> None:
    asked: list[str] = []
    sites.watched(site, asked.append)
    sources = files_in(site, Path(site.settings.images).parent)
    foreseen = {r.name: r.became for r in foresee(site, sources)}
    assert foreseen == {
        **{name: BECAME[name].split(":")[0] for name in NIGHT},
        f"{IMAGE}.fits.fz": "catalogued",
    }
    assert not [call for call in asked if ".read" in call or ".put" in call]
    assert sites.objects(site) == {}
    assert sites.documents(site) == {}
    sites.run(site)
    again = {r.name: r.became for r in foresee(site, sources)}
    assert again == {name: AGAIN[name].split(":")[0] for name in NIGHT}


def test_the_data_folder_within_the_folder_is_not_ingested(tmp_path: Path) -> None:
    _upload(tmp_path)
    data = tmp_path / "archive"
    site = Site.in_folder(data, incoming=tmp_path, **sites.AT_ONCE)
    site.check()
    for expected in (BECAME, AGAIN):
        results = ingest_folder(site, files_in(site, data), watch=Watch())
        assert sites.outcomes({r.name: r for r in results}) == expected


def test_every_file_has_one_row_in_the_order_of_their_names(site: Site) -> None:
    sources = files_in(site, Path(site.settings.images).parent)
    rows = [r.name for r in ingest_folder(site, sources, watch=Watch())]
    assert rows == sorted(NIGHT)


def test_a_file_that_is_gone_when_its_turn_comes_still_has_a_row(site: Site) -> None:
    sources = files_in(site, Path(site.settings.images).parent)
    (sites.incoming(site) / f"{IMAGE}.jpg").unlink()
    rows = ingest_folder(site, sources, watch=Watch())
    assert [r.name for r in rows] == sorted(NIGHT)
    (gone,) = [r for r in rows if r.name == f"{IMAGE}.jpg"]
    assert (gone.became, gone.code) == ("failed", "passing-trouble")
    assert "not when it was to be taken" in (gone.reason or "")


def test_what_another_run_took_meanwhile_is_already_done(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    sources = files_in(site, Path(site.settings.images).parent)
    sites.run(site)
    (row,) = ingest_folder(site, sources, watch=Watch())
    assert row.became == "already"


def test_the_ledger_has_an_entry_for_every_file(site: Site) -> None:
    sites.run(site)
    for name in NIGHT:
        entry = sites.document(site, "files", document_key(name))
        assert (entry["attempts"], entry["returns"]) == (1, 1)
        assert entry["closed"] >= entry["opened"]
