"""Archives without a ledger, of every type of file and every path that there was."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.adopting import AnotherAdoption
from panoptes.network.adoption.taken import Done
from panoptes.network.audit import audit
from panoptes.network.audit.finding import Kind
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import Location
from panoptes.network.site import Site
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

FIELD = f"{SEQUENCE}/20180216T112830".replace("PAN001/", "PAN001/Wasp35/")
NEXT = "PAN001/14d3bd/20180216T130000/20180216T130130"
KEPT: tuple[Location, ...] = ("images", "originals", "previews", "timelapse")
ARCHIVE: list[tuple[Location, str, bytes]] = [
    ("images", f"{IMAGE}.fits.fz", tiny_fits_fz()),
    ("images", f"{FIELD}.fits.fz", tiny_fits_fz(tiny_fits(seed=2))),
    ("originals", f"{IMAGE}.cr2", tiny_cr2()),
    ("originals", f"{FIELD}.cr2", tiny_cr2(seed=2)),
    ("originals", f"{NEXT}.cr2", tiny_cr2(seed=3)),
    ("previews", f"{IMAGE}.jpg", jpeg()),
    ("timelapse", f"{SEQUENCE}/20180216T110623.mp4", mp4()),
]


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "bucket":
        google: Site = request.getfixturevalue("on_google")
        return google
    return sites.drained(tmp_path)


def fill(site: Site) -> dict[str, bytes]:
    for location, path, data in ARCHIVE:
        site.store(location).put(path, data)
    return sites.objects(site)


def taken(site: Site) -> tuple[list[str], dict[str, str | None]]:
    """What was entered, and what was left and why."""
    found = list(adopt(site, dry_run=False))
    entered = [each.name for each in found if each.became is Done.ENTERED]
    return entered, {e.name: e.reason for e in found if e.became is Done.LEFT}


@pytest.mark.xdist_group("emulators")
def test_an_archive_is_as_if_it_had_been_ingested_and_stays_where_it_is(site: Site) -> None:
    before = fill(site)
    entered, left = taken(site)
    assert sorted(entered) == sorted(before)
    assert left == {}
    after = sites.objects(site)
    assert {name: after[name] for name in before} == before
    made = after.keys() - before.keys()
    assert {name.partition("/")[0] for name in made} == {"rgb", "previews"}
    assert len(made) == 3 * 3 + 3

    older = sites.document(site, "images", "PAN001_14d3bd_20180216T112830")
    assert older["bucket_path"] == f"{FIELD}.fits.fz"
    assert older["original_path"] == f"{FIELD}.cr2"
    assert older["status"] == "uploaded"
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["num_images"], observation["field_name"]) == (2, "Wasp 35")
    assert sites.document(site, "units", "PAN001")["num_images"] == 3
    assert list(audit(site, deep=True)) == []
    assert taken(site) == ([], {})


def test_it_is_known_when_the_unit_sends_it_once_more(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    fill(site)
    taken(site)
    before = sites.objects(site)
    again = {
        f"{IMAGE}.fits.fz": tiny_fits_fz(), f"{IMAGE}.fits": tiny_fits(),
        f"{FIELD}.fits.fz": tiny_fits_fz(tiny_fits(seed=2)),
    }  # fmt: skip
    for name, data in again.items():
        place(sites.incoming(site), name, data)
    results = {result.name: result.became for result in sites.ingest_all(site)}
    assert results == dict.fromkeys(again, "already")
    assert sites.objects(site) == before


def test_a_second_file_of_an_image_is_entered_if_it_is_the_same_and_else_left(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path)
    store = site.store("images")
    store.put(f"{IMAGE}.fits.fz", tiny_fits_fz())
    store.put(f"{LATER}.fits.fz", tiny_fits_fz(tiny_fits(seed=1)))
    same = f"{IMAGE}.fits.fz".replace("PAN001/", "PAN001/Wasp35/")
    other = f"{LATER}.fits.fz".replace("PAN001/", "PAN001/Wasp35/")
    store.put(same, tiny_fits_fz())
    store.put(other, tiny_fits_fz(tiny_fits(seed=5)))
    entered, left = taken(site)
    assert f"images/{same}" in entered
    assert sites.entry_of(site, same).duplicate_of == f"{IMAGE}.fits.fz"
    assert list(left) == [f"images/{other}"]
    assert "differs" in str(left[f"images/{other}"])
    image = sites.document(site, "images", "PAN001_14d3bd_20180216T112630")
    assert image["bucket_path"] == f"{LATER}.fits.fz"
    (finding,) = audit(site)
    assert (finding.kind, finding.name) == (Kind.OBJECT_ORPHANED, other)


def test_what_lies_beside_its_place_is_copied_there(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    store = site.store("images")
    for name, data in {
        f"{IMAGE}.fits": tiny_fits(), f"{IMAGE}.cr2": tiny_cr2(), f"{IMAGE}.jpg": jpeg(),
    }.items():  # fmt: skip
        store.put(name, data)
    before = sites.objects(site)
    entered, left = taken(site)
    assert (sorted(entered), left) == (sorted(before), {})
    after = sites.objects(site)
    assert {name: after[name] for name in before} == before
    assert after[f"originals/{IMAGE}.cr2"] == tiny_cr2()
    assert after[f"previews/{IMAGE}.jpg"] == jpeg()
    assert f"images/{IMAGE}.fits.fz" in after
    assert list(audit(site, deep=True)) == []
    assert taken(site) == ([], {})


def test_calibrations_and_cameras_of_today_are_told_apart(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    camera = "310d1f0f00070900"
    night = f"{camera}/20260612T083011"
    for number, name in enumerate(
        (
            f"PAN002/{night}/20260612T083214",
            f"PAN002/{night}/pointing00",
            f"PAN002/dark/{night}/20260612T093011",
        )
    ):
        site.store("images").put(f"{name}.fits.fz", tiny_fits_fz(tiny_fits(seed=number)))
    entered, left = taken(site)
    assert (len(entered), left) == (3, {})
    kinds = {s.key: s.fields["image_type"] for s in site.catalog.query(Query("images"))}
    assert sorted(kinds.values()) == ["dark", "light", "pointing"]
    assert sites.document(site, "units", "PAN002")["num_images"] == 1
    assert list(audit(site, deep=True)) == []


def test_damaged_and_unnamed_files_and_others_planes_are_left_with_a_reason(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path)
    site.store("images").put(f"{IMAGE}.fits.fz", tiny_fits_fz()[:3000])
    site.store("images").put("PAN001/readme.txt", b"mine")
    site.store("originals").put(f"{LATER}.cr2", tiny_cr2())
    site.store("rgb").put(f"{LATER}_r.fits.fz", tiny_fits_fz())
    before = sites.objects(site)
    entered, left = taken(site)
    assert entered == []
    assert set(left) == {
        f"images/{IMAGE}.fits.fz", "images/PAN001/readme.txt", f"originals/{LATER}.cr2",
    }  # fmt: skip
    assert "ends too early" in str(left[f"images/{IMAGE}.fits.fz"])
    assert "was not made by this network" in str(left[f"originals/{LATER}.cr2"])
    assert sites.objects(site) == before


def test_killed_at_any_call_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    def prepared(name: str) -> Site:
        made = sites.drained(tmp_path / name, lease_seconds=2)
        for location, path, data in ARCHIVE[:4]:
            place(Path(getattr(made.settings, location)), path, data)
        return made

    whole = prepared("whole")
    calls: list[str] = []
    taken(sites.watched(whole, calls.append))
    wanted = sites.documents(Site(whole.settings))
    for at in sites.spread(len(calls), 12):
        site = prepared(f"at-{at}")
        sites.run_and_die(lambda site=site: Site(site.settings), at, work=taken)  # type: ignore[misc]
        _, left = taken(Site(site.settings))
        assert left == {}, at
        assert comparable(sites.documents(site)) == comparable(wanted), at
        assert sites.objects(site, *KEPT) == sites.objects(whole, *KEPT), at
        assert sites.objects(site).keys() == sites.objects(whole).keys(), at
        assert list(audit(site)) == [], at


def comparable(documents: dict[str, Any]) -> dict[str, Any]:
    """Without the generations that folders give to files, which colour planes hold as well."""
    return {
        path: _without(fields)
        for path, fields in documents.items()
        if not path.startswith("leases/")  # a run that died leaves word, for the next sweep
    }


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        is_plane = str(value.get("role")).startswith("rgb-")
        dropped = ("generation", "crc32c", "size") if is_plane else ("generation",)
        return {k: _without(v) for k, v in value.items() if k not in dropped}
    return [_without(item) for item in value] if isinstance(value, list) else value


def test_two_at_once_do_it_once(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    fill(site)
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_take_over, args=(site.settings,)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    taken(site)
    assert sites.document(site, "units", "PAN001")["num_images"] == 3
    assert list(audit(site, deep=True)) == []


def _take_over(settings: Any) -> None:
    try:
        list(adopt(Site(settings), dry_run=False))
    except AnotherAdoption:
        return
