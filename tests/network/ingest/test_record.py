"""An archived file becomes documents; what was there before is completed, never lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.audit import audit
from panoptes.network.documents import SCHEMA_VERSION, GeoPoint
from panoptes.network.errors import BadInput
from panoptes.network.ingest.deposit import roll_back_unclaimed
from panoptes.network.ingest.derive import compress as compress_fits_file
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.ingest.listing import everything_waiting
from panoptes.network.ingest.quarantine import quarantine_file
from panoptes.network.ingest.record import record_image_file
from panoptes.network.names import document_key, parse_upload
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests import sites
from tests.files import (
    IMAGE,
    LATER,
    SEQUENCE,
    SEQUENCE_ID,
    UPLOADED,
    jpeg,
    mp4,
    place,
    tiny_cr2,
    tiny_fits,
    tiny_fits_fz,
)

IMAGE_ID = "PAN001_14d3bd_20180216T112430"
LATER_ID = "PAN001_14d3bd_20180216T112630"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path, previews_wanted=False)


def _take(site: Site, name: str, data: bytes, *, hours: float = 0) -> str:
    place(sites.incoming(site), name, data, moment=UPLOADED + timedelta(hours=hours))
    return sites.run(site)[name].became.value


def _image(site: Site, image_id: str = IMAGE_ID) -> dict[str, Any]:
    return sites.document(site, "images", image_id)


def test_one_file_makes_its_unit_camera_observation_and_image(site: Site) -> None:
    assert _take(site, f"{IMAGE}.fits", tiny_fits()) == "catalogued"
    unit = sites.document(site, "units", "PAN001")
    assert (unit["name"], unit["elevation"]) == ("Mauna Loa", 3400.0)
    assert unit["location"] == GeoPoint(19.54, -155.58)
    camera = sites.document(site, "cameras", "PAN001_14d3bd")
    assert (camera["unit_id"], camera["camera_id"]) == ("PAN001", "14d3bd")
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert observation["field_name"] == "Wasp 35"
    assert observation["time"] == datetime(2018, 2, 16, 11, 6, 23, tzinfo=UTC)
    assert observation["night"] == "2018-02-15"
    assert (observation["ra"], observation["dec"]) == (76.33, -6.23)
    image = _image(site)
    assert image["bucket_path"] == f"{IMAGE}.fits.fz"
    assert image["status"] == "uploaded"
    assert image["sequence_id"] == SEQUENCE_ID
    assert [image[k] for k in ("measr", "measg", "measg2", "measb")] == [471, 1024, 1025, 733]
    assert image["exposure_end"] - image["time"] == timedelta(seconds=120.125)
    assert image["healpix"] == observation["healpix"]
    for document in (unit, camera, observation, image):
        assert document["schema_version"] == SCHEMA_VERSION


def test_a_card_that_is_missing_is_an_absent_field(site: Site) -> None:
    _take(site, f"{IMAGE}.fits", tiny_fits({"AIRMASS": None, "EXPTIME": "", "ISO": "none"}))
    assert not {"airmass", "exptime", "exposure_end", "moonfrac"} & _image(site).keys()
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert not {"iso", "exptime"} & observation.keys()
    assert observation["total_exptime"] == 0.0


def test_provenance_says_which_upload_an_image_came_from(site: Site) -> None:
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    source = sites.source_named(site, f"{IMAGE}.fits")
    sites.run(site)
    provenance = _image(site)["sources"]["fits"]
    assert (provenance["name"], provenance["generation"]) == (source.name, source.generation)
    assert (provenance["size"], provenance["arrived"]) == (source.size, UPLOADED)
    assert provenance["code_version"].startswith("panoptes-network ")


def test_documents_that_existed_before_are_completed_and_lose_nothing(
    site: Site,
) -> None:
    before: dict[tuple[str, str], dict[str, Any]] = {
        ("units", "PAN001"): {"name": "PAN001", "status": "maintenance", "weather": {"safe": True},
                              "elevation": 3397.0},
        ("observations", SEQUENCE_ID): {"status": "metadata_received", "field_name": "WASP-35b",
                                        "urls": ["a", "b"], "exptime": 60.0},
        ("images", IMAGE_ID): {"status": "metadata_received", "airmass": None, "guider": "x",
                               "sources": None},
    }  # fmt: skip
    for (collection, key), fields in before.items():
        site.catalog.create(collection, key, dict(fields))
    assert _take(site, f"{IMAGE}.fits", tiny_fits()) == "catalogued"
    unit = sites.document(site, "units", "PAN001")
    assert (unit["status"], unit["elevation"], unit["weather"]) == (
        "maintenance", 3397.0, {"safe": True},
    )  # fmt: skip
    assert unit["location"] == GeoPoint(19.54, -155.58)
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["status"], observation["urls"]) == ("received", ["a", "b"])
    assert (observation["field_name"], observation["exptime"]) == ("WASP-35b", 60.0)
    assert (observation["iso"], observation["num_images"]) == (100, 1)
    image = _image(site)
    assert (image["status"], image["guider"], image["airmass"]) == ("uploaded", "x", 1.25)


@pytest.mark.parametrize(
    "foreign",
    [
        {"ra": -999.0, "dec": -999.0},
        {"ra": "5h 5m", "dec": "-6d"},
        {"ra": True, "dec": None},
    ],
)
def test_nonsense_in_others_documents_stops_no_file(site: Site, foreign: dict[str, object]) -> None:
    site.catalog.create("observations", SEQUENCE_ID, dict(foreign))
    mount = {"ra_mnt": foreign["ra"], "dec_mnt": foreign["dec"], "exptime": "long"}
    site.catalog.create("images", IMAGE_ID, mount)
    sky = {"RA-MNT": None, "DEC-MNT": None, "EXPTIME": None}
    assert _take(site, f"{IMAGE}.fits", tiny_fits(sky)) == "catalogued"
    assert "healpix" not in _image(site)


def test_a_header_that_says_otherwise_is_noted_and_the_path_wins(
    site: Site,
) -> None:
    _take(site, f"{IMAGE}.fits", tiny_fits({"SEQID": "PAN009_ffffff_20010101T000000"}))
    image = _image(site)
    assert image["sequence_id"] == SEQUENCE_ID
    assert any("PAN009_ffffff_20010101T000000" in note for note in image["notes"])


def test_the_earliest_image_describes_its_observation_in_whatever_order_they_come(
    tmp_path: Path,
) -> None:
    first, second = tiny_fits({"FIELD": "Alpha", "ISO": None}), tiny_fits({"FIELD": "Beta"}, seed=1)
    told: list[dict[str, Any]] = []
    for order in ([(IMAGE, first), (LATER, second)], [(LATER, second), (IMAGE, first)]):
        site = sites.drained(tmp_path / str(len(told)), previews_wanted=False)
        for stem, data in order:
            _take(site, f"{stem}.fits", data)
        told.append(sites.document(site, "observations", SEQUENCE_ID))
    assert told[0] == told[1]
    assert (told[0]["field_name"], told[0]["iso"], told[0]["num_images"]) == ("Alpha", 100, 2)


def test_a_stalled_run_of_an_older_generation_does_not_cover_a_newer_one(
    site: Site,
) -> None:
    name = f"{IMAGE}.fits"
    older: dict[str, str | int | float | None]
    older = {"AIRMASS": 9.0, "EXPTIME": 300.0, "OBSERVER": "Elsewhere", "ISO": 800}
    place(sites.incoming(site), name, tiny_fits(older))
    stalled = sites.source_named(site, name)
    open_entry(site, stalled)
    derived = compress_fits_file(site, stalled)
    _take(site, name, tiny_fits({"AIRMASS": 1.5}, seed=1), hours=1)
    before = sites.documents(site)
    record_image_file(site, stalled, derived)
    assert sites.documents(site) == before
    assert sites.entry_of(site, name).generation != stalled.generation


def test_a_file_leaves_incoming_only_in_the_generation_that_was_read(
    site: Site,
) -> None:
    name = f"{IMAGE}.fits"
    place(sites.incoming(site), name, tiny_fits())
    source: Source = sites.source_named(site, name)
    open_entry(site, source)
    derived = compress_fits_file(site, source)
    place(sites.incoming(site), name, b"newer", moment=UPLOADED + timedelta(hours=1))
    record_image_file(site, source, derived)
    assert (sites.incoming(site) / name).read_bytes() == b"newer"


def test_pointing_frames_are_archived_and_catalogued_as_what_they_are(site: Site) -> None:
    assert _take(site, f"{SEQUENCE}/pointing00.fits", tiny_fits()) == "catalogued"
    assert list(sites.objects(site)) == [f"images/{SEQUENCE}/pointing00.fits.fz"]
    image = sites.document(site, "images", f"{SEQUENCE_ID}-pointing00")
    assert (image["image_type"], image["uid"]) == ("pointing", f"{SEQUENCE_ID}_pointing00")
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["image_type"], observation["num_images"]) == ("pointing", 0)


def test_pictures_and_timelapses_are_filed_and_make_no_documents(site: Site) -> None:
    assert _take(site, f"{IMAGE}.jpg", jpeg()) == "filed"
    assert _take(site, f"{SEQUENCE}.mp4", mp4()) == "filed"
    assert sites.objects(site) == {
        f"previews/{IMAGE}.jpg": jpeg(),
        f"timelapse/{SEQUENCE}/20180216T110623.mp4": mp4(),
    }
    assert {key.split("/")[0] for key in sites.documents(site)} == {"files"}


@pytest.mark.parametrize("raw_first", [True, False])
def test_a_camera_raw_and_a_fits_file_of_one_image_are_one_document(
    site: Site, raw_first: bool
) -> None:
    raw = tiny_cr2()
    files = [(f"{IMAGE}.cr2", raw), (f"{IMAGE}.fits.fz", tiny_fits_fz())]
    for name, data in files if raw_first else files[::-1]:
        assert _take(site, name, data) == "catalogued"
    image = _image(site)
    assert set(image["rgb_paths"]) == {"r", "g", "b"}
    assert image["original_path"] == f"{IMAGE}.cr2"
    assert image["bucket_path"] == f"{IMAGE}.fits.fz"
    assert (image["status"], image["exptime"], image["airmass"]) == ("uploaded", 120.125, 1.25)
    assert set(image["sources"]) == {"cr2", "fits"}
    assert sites.document(site, "observations", SEQUENCE_ID)["num_images"] == 1
    assert len(sites.objects(site, "rgb")) == 3


def test_a_camera_raw_alone_is_received(site: Site) -> None:
    raw = tiny_cr2()
    assert _take(site, f"{LATER}.CR2", raw) == "catalogued"
    assert _image(site, LATER_ID)["status"] == "received"
    assert sites.objects(site, "originals") == {f"originals/{LATER}.cr2": raw}


@pytest.mark.parametrize(
    ("collection", "key", "foreign"),
    [
        ("images", IMAGE_ID, {"sources": {"fits": {"name": "x"}}}),
        ("images", IMAGE_ID, {"sources": "gone", "status": 5, "notes": "hello", "healpix": "x"}),
        ("observations", SEQUENCE_ID, {"described_by": "me", "time": "yesterday"}),
        ("observations", SEQUENCE_ID, {"described_by": {"exptime": 5, "iso": None}}),
        ("units", "PAN001", {"described_by": ["x"], "location": {"lat": 1}, "name": 5}),
    ],
    ids=str,
)
def test_others_fields_of_our_names_stop_no_file(
    site: Site, collection: str, key: str, foreign: dict[str, object]
) -> None:
    site.catalog.create(collection, key, dict(foreign))
    assert _take(site, f"{IMAGE}.fits", tiny_fits()) == "catalogued"
    assert _image(site)["bucket_path"] == f"{IMAGE}.fits.fz"


def test_a_night_without_a_longitude_is_put_right_once_the_units_is_known(
    site: Site,
) -> None:
    """In Hawaii, 12:24 UTC is the small hours of a night that began on the day before."""
    nowhere = {"LAT-OBS": None, "LONG-OBS": None}
    _take(site, f"{IMAGE}.fits", tiny_fits(nowhere))
    late = f"{SEQUENCE}/20180216T123030"
    _take(site, f"{late}.fits", tiny_fits(nowhere, seed=2))
    assert _image(site, "PAN001_14d3bd_20180216T123030")["night"] == "2018-02-16"
    _take(site, f"{LATER}.fits", tiny_fits({"LAT-OBS": 19.54, "LONG-OBS": -155.58}, seed=3))
    for image_id in (IMAGE_ID, LATER_ID, "PAN001_14d3bd_20180216T123030"):
        assert _image(site, image_id)["night"] == "2018-02-15"
        assert "night_is_rough" not in _image(site, image_id)
    assert sites.document(site, "observations", SEQUENCE_ID)["night"] == "2018-02-15"


def test_an_image_belongs_to_one_observation(site: Site) -> None:
    _take(site, f"{IMAGE}.fits", tiny_fits())
    other = IMAGE.replace("20180216T110623", "20180216T100000")
    assert other != IMAGE
    assert _take(site, f"{other}.fits", tiny_fits(seed=5)) == "quarantined"
    entry = sites.entry_of(site, f"{other}.fits")
    assert entry.code == "conflicts-with-archive"
    assert SEQUENCE_ID in (entry.reason or "")
    assert _image(site)["sequence_id"] == SEQUENCE_ID
    assert list(sites.objects(site, "images")) == [f"images/{IMAGE}.fits.fz"]


def test_a_newer_generation_takes_back_what_only_the_older_said(site: Site) -> None:
    site.catalog.create("images", IMAGE_ID, {"guider": "theirs"})
    _take(site, f"{IMAGE}.fits", tiny_fits({"AIRMASS": 1.25, "MOONSEP": "far"}))
    assert "airmass" in _image(site)
    assert "notes" in _image(site)
    _take(site, f"{IMAGE}.fits", tiny_fits({"AIRMASS": None, "MOONSEP": None}), hours=1)
    image = _image(site)
    assert "airmass" not in image
    assert "notes" not in image
    assert image["guider"] == "theirs"


def test_what_lost_the_race_for_an_image_is_quarantined_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path)
    other = IMAGE.replace("20180216T110623", "20180216T110624")
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    place(sites.incoming(site), f"{other}.fits", tiny_fits(seed=2))
    sources = {source.name: source for source in everything_waiting(site)}
    mine, late = sources[f"{IMAGE}.fits"], sources[f"{other}.fits"]
    open_entry(site, mine)
    open_entry(site, late)
    refused = compress_fits_file(site, late)  # nobody has recorded the image yet
    record_image_file(site, mine, compress_fits_file(site, mine))
    with pytest.raises(BadInput, match="conflicts-with-archive") as bad:
        record_image_file(site, late, refused)
    quarantine_file(site, late, bad.value)
    assert [name for name in sites.objects(site) if "20180216T110624" in name] == [
        f"quarantine/{other}.fits@{late.generation}"
    ]
    assert [f for f in audit(site, deep=True) if f.kind == "object-orphaned"] == []


def test_what_is_refused_is_not_taken_back_while_somebody_else_has_it(
    site: Site,
) -> None:
    _take(site, f"{IMAGE}.fits", tiny_fits())
    source = Source(
        name=f"{IMAGE}.fits.fz",
        generation=1,
        size=1,
        arrived=UPLOADED,
        crc32c=None,
        upload=parse_upload(f"{IMAGE}.fits.fz"),
    )
    made = sites.entry_of(site, f"{IMAGE}.fits").outputs or ()
    before = sites.objects(site, "images")
    roll_back_unclaimed(site, source, made)  # the upload itself is gone
    info = site.store("incoming").put(source.name, b"x")
    roll_back_unclaimed(site, replace(source, generation=info.generation), made)
    assert sites.objects(site, "images") == before
    key = document_key(f"{IMAGE}.fits")
    stored = site.catalog.get("files", key)
    assert stored is not None
    site.catalog.delete("files", key, version=stored.version)
    roll_back_unclaimed(site, replace(source, generation=info.generation), made)
    assert sites.objects(site, "images") == before  # the image's document still names it
