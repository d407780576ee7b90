"""What comes after an archive was taken over: nothing of theirs is replaced or forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Done
from panoptes.network.audit import audit
from panoptes.network.audit.repair import audit_and_repair
from panoptes.network.documents import Location
from panoptes.network.ingest.take import Calls
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE, jpeg, mp4, place, tiny_cr2, tiny_fits, tiny_fits_fz

FIELD = IMAGE.replace("PAN001/", "PAN001/Wasp35/")
THEIRS: list[tuple[Location, str, bytes, bytes]] = [
    (
        "images",
        f"{IMAGE}.fits.fz",
        tiny_fits_fz(tiny_fits(seed=1)),
        tiny_fits_fz(tiny_fits(seed=9)),
    ),
    ("originals", f"{IMAGE}.cr2", tiny_cr2(seed=1), tiny_cr2(seed=9)),
    ("previews", f"{IMAGE}.jpg", jpeg(shade=10), jpeg(shade=90)),
    ("timelapse", f"{SEQUENCE}/20180216T110623.mp4", mp4(picture=b"a"), mp4(picture=b"bb")),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


def take_over(site: Site) -> list[str]:
    """What was left."""
    found = list(adopt(site, dry_run=False))
    return [f"{each.name}: {each.reason}" for each in found if each.became is Done.LEFT]


@pytest.mark.parametrize(
    ("location", "name", "theirs", "other"), THEIRS, ids=["archive", "raw", "picture", "film"]
)
@pytest.mark.parametrize("waits_before", [False, True])
def test_an_upload_of_its_name_never_replaces_what_was_adopted(
    site: Site, location: Location, name: str, theirs: bytes, other: bytes, waits_before: bool
) -> None:
    site.store(location).put(name, theirs)
    if not waits_before:
        assert take_over(site) == []
    place(sites.incoming(site), name, other)
    if waits_before:
        assert take_over(site) == []
    (result,) = sites.ingest_all(site)
    assert (result.became, result.code) == ("quarantined", "conflicts-with-archive")
    assert sites.objects(site, location)[f"{location}/{name}"] == theirs
    assert other in sites.objects(site, "quarantine").values()
    assert [finding.kind for finding in audit(site, deep=True)] == []
    place(sites.incoming(site), name, theirs)
    assert [r.code for r in sites.ingest_all(site)] == [None]
    assert sites.objects(site, location)[f"{location}/{name}"] == theirs
    assert list(audit(site, deep=True)) == []


@pytest.mark.parametrize("name", [f"{IMAGE}.fits.fz", f"{FIELD}.fits.fz", f"{IMAGE}.fits"])
def test_an_image_that_lies_elsewhere_has_one_archive(site: Site, name: str) -> None:
    theirs = tiny_fits_fz(tiny_fits(seed=1))
    site.store("images").put(f"{FIELD}.fits.fz", theirs)
    assert take_over(site) == []
    other = tiny_fits(seed=9)
    place(sites.incoming(site), name, tiny_fits_fz(other) if name.endswith("fz") else other)
    (result,) = sites.ingest_all(site)
    assert (result.became, result.code) == ("quarantined", "conflicts-with-archive")
    image = sites.document(site, "images", "PAN001_14d3bd_20180216T112430")
    assert image["bucket_path"] == f"{FIELD}.fits.fz"
    assert sites.objects(site, "images") == {f"images/{FIELD}.fits.fz": theirs}
    assert list(audit(site, deep=True)) == []


def test_the_same_image_under_its_proper_name_is_a_duplicate(site: Site) -> None:
    site.store("images").put(f"{FIELD}.fits.fz", tiny_fits_fz(tiny_fits(seed=1)))
    assert take_over(site) == []
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits(seed=1))
    (result,) = sites.ingest_all(site)
    assert result.became == "already"
    assert set(sites.objects(site, "images")) == {f"images/{FIELD}.fits.fz"}
    assert list(audit(site, deep=True)) == []


def test_an_archive_that_is_in_two_locations_is_entered_with_both(site: Site) -> None:
    data = tiny_fits_fz()
    for location in ("originals", "images"):
        site.store(location).put(f"{IMAGE}.fits.fz", data)
    assert take_over(site) == []
    assert take_over(site) == []
    assert list(audit(site, deep=True)) == []


def test_other_bytes_of_one_name_are_left_and_told_of(site: Site) -> None:
    site.store("originals").put(f"{IMAGE}.fits.fz", tiny_fits_fz(tiny_fits(seed=1)))
    site.store("images").put(f"{IMAGE}.fits.fz", tiny_fits_fz(tiny_fits(seed=2)))
    before = sites.objects(site, "originals", "images")
    (left,) = take_over(site)
    assert "The ledger knows another file of this name" in left
    assert sites.objects(site, "originals", "images") == before


def test_what_a_killed_run_made_of_a_fits_is_no_upload(site: Site) -> None:
    from panoptes.network.fits.archive import compress_fits

    made = compress_fits(tiny_fits()).data
    site.store("images").put(f"{IMAGE}.fits", tiny_fits())
    site.store("images").put(f"{IMAGE}.fits.fz", made)
    assert take_over(site) == []
    sources = sites.document(site, "images", "PAN001_14d3bd_20180216T112430")["sources"]
    assert [source["name"] for source in sources.values()] == [f"{IMAGE}.fits"]
    assert take_over(site) == []
    assert list(audit(site, deep=True)) == []


@pytest.mark.parametrize(
    ("location", "name", "data"),
    [
        ("originals", f"{FIELD}.cr2", tiny_cr2()),
        ("images", f"{FIELD}.fits.fz", tiny_fits_fz()),
        ("images", f"{IMAGE}.fits", tiny_fits()),
        ("originals", f"{IMAGE}.fits.fz", tiny_fits_fz()),
    ],
    ids=["raw", "archive", "fits", "misplaced"],
)
def test_a_repair_leaves_an_adopted_file_where_it_is(
    site: Site, location: Location, name: str, data: bytes
) -> None:
    site.store(location).put(name, data)
    assert take_over(site) == []
    objects = sites.objects(site)
    image = "PAN001_14d3bd_20180216T112430"
    stored = site.catalog.get("images", image)
    assert stored is not None
    site.catalog.delete("images", image, version=stored.version)
    assert list(audit(site)) != []
    list(audit_and_repair(site, audit(site), deep=True, steps=Calls(site)))
    assert list(audit(site, deep=True)) == []
    assert sites.objects(site) == objects


def test_taking_over_uses_up_no_units_day(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, daily_bytes=4_000)
    for name in (IMAGE, LATER):
        site.store("images").put(f"{name}.fits.fz", tiny_fits_fz())
    assert take_over(site) == []
    place(sites.incoming(site), f"{SEQUENCE}/20180216T113030.fits", tiny_fits(seed=3))
    assert [result.became for result in sites.ingest_all(site)] == ["catalogued"]
