"""The documents of the catalog: status, night, sky index, and what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from panoptes.network.catalog.values import clean_fields
from panoptes.network.documents import (
    IMAGE_STATUS,
    OBSERVATION_STATUS,
    SCHEMA_VERSION,
    File,
    GeoPoint,
    Image,
    Observation,
    Output,
    Unit,
    forward,
    healpix_of,
)
from panoptes.network.nighttime import east_of, night_of

MOMENT = datetime(2018, 2, 16, 11, 24, 30, tzinfo=UTC)


@pytest.mark.parametrize("order", [OBSERVATION_STATUS, IMAGE_STATUS])
def test_a_status_only_moves_forward(order: tuple[str, ...]) -> None:
    for i, stored in enumerate(order):
        for j, wanted in enumerate(order):
            assert forward(order, stored, wanted) == order[max(i, j)]
    assert forward(order, None, order[0]) == order[0]


def test_another_programs_status_is_kept() -> None:
    assert forward(IMAGE_STATUS, "rejected-by-hand", "uploaded") == "rejected-by-hand"


@pytest.mark.parametrize(
    ("utc", "longitude", "night"),
    [
        # Mauna Loa: 00:00 at night is 10:22 UTC.
        ("2018-02-16T11:24:30", -155.58, "2018-02-15"),
        ("2018-02-16T22:22:00", -155.58, "2018-02-15"),
        ("2018-02-16T22:23:00", -155.58, "2018-02-16"),
        ("2018-02-16T11:24:30", 204.42, "2018-02-15"),
        # Siding Spring: the night begins in the UTC morning.
        ("2018-02-16T11:24:30", 149.06, "2018-02-16"),
        ("2018-02-16T17:24:30", 149.06, "2018-02-16"),
        # Greenwich, and where nobody said.
        ("2018-02-16T11:59:59", 0.0, "2018-02-15"),
        ("2018-02-16T12:00:00", 0.0, "2018-02-16"),
        ("2018-02-16T12:00:00", None, "2018-02-16"),
        ("2018-01-01T03:00:00", 0.0, "2017-12-31"),
    ],
)
def test_a_night_is_the_date_of_the_local_noon_that_began_it(
    utc: str, longitude: float | None, night: str
) -> None:
    assert night_of(datetime.fromisoformat(utc).replace(tzinfo=UTC), longitude) == night


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.floats(-180, 180),
)
def test_dusk_and_dawn_of_one_night_share_its_date(moment: datetime, longitude: float) -> None:
    local = moment + timedelta(hours=longitude / 15)
    evening = moment + timedelta(hours=18 - local.hour - local.minute / 60)
    assert night_of(evening, longitude) == night_of(evening + timedelta(hours=11), longitude)


@given(st.floats(0, 360), st.floats(-90, 90))
def test_every_place_of_the_sky_has_a_cell(ra: float, dec: float) -> None:
    assert 0 <= healpix_of(ra, dec) < 12 * 64 * 64


def test_the_sky_index_agrees_with_healpix() -> None:
    # The first base pixel of the nested scheme is centred on (45, 41.81) degrees.
    assert healpix_of(45.0, 0.5) // 4096 in (0, 4, 5)
    assert healpix_of(45.0, 41.8103) // 4096 == 0
    assert healpix_of(360.0, 10.0) == healpix_of(0.0, 10.0)


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    fields = Unit(name="PAN001").fields()
    assert fields == {"schema_version": SCHEMA_VERSION, "name": "PAN001", "status": "active"}


def test_fields_of_others_are_carried_along() -> None:
    unit = Unit.model_validate({"name": "PAN001", "weather": {"safe": True}})
    assert unit.fields()["weather"] == {"safe": True}


def test_every_field_can_be_kept_by_a_catalog() -> None:
    output = Output(role="archive", location="images", path="a", generation=1, crc32c="x", size=2)
    file = File(name="a", generation=1, size=2, arrived=MOMENT, outcome="archived")
    unit = Unit(name="PAN001", location=GeoPoint(19.54, -155.58), elevation=3400.0)
    fields = file.model_copy(update={"outputs": [output]}).fields()
    assert clean_fields(fields)["outputs"][0]["path"] == "a"
    assert clean_fields(unit.fields())["location"] == GeoPoint(19.54, -155.58)


def test_a_ledger_entry_reads_back_as_it_was_written() -> None:
    output = Output(role="archive", location="images", path="a", generation=1, crc32c="x", size=2)
    file = File(name="a", generation=2**53 - 1, size=2, arrived=MOMENT, outputs=[output])
    assert File.model_validate(clean_fields(file.fields())) == file


def _image(**fields: object) -> Image:
    return Image.model_validate(
        {
            "image_id": "PAN001_14d3bd_20180216T112430",
            "sequence_id": "PAN001_14d3bd_20180216T110623",
            "unit_id": "PAN001",
            "camera_id": "14d3bd",
            "uid": "PAN001_14d3bd_20180216T110623_20180216T112430",
            "time": MOMENT,
            "night": "2018-02-15",
        }
        | fields
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"ra_image": 400.0},
        {"dec_mnt": -91.0},
        {"time": datetime(2018, 2, 16)},
        {"exptime": "long"},
        {"measr": 1.5},
    ],
)
def test_an_image_with_an_impossible_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _image(**wrong)


def test_the_original_data_model_is_all_there() -> None:
    image = (
        "ha_mnt ra_mnt dec_mnt ra_image dec_image exptime moonfrac moonsep airmass bucket_path "
        "sequence_id time status measev measev2 measr measg measg2 measb camtemp circconf "
        "colortmp bluebal redbal whtlvln whtlvls"
    )
    observation = (
        "unit_id camera_id status software_version ra dec exptime time field_name camera_filter "
        "iso project num_images total_exptime"
    )
    unit = "name elevation location status num_observations num_images"
    assert set(image.split()) <= Image.model_fields.keys()
    assert set(observation.split()) <= Observation.model_fields.keys()
    assert set(unit.split()) <= Unit.model_fields.keys()


@pytest.mark.parametrize(
    ("said", "kept"), [(180, 180), (-180, 180), (200, -160), (360, 0), (-155.58, -155.58)]
)
def test_a_longitude_is_kept_in_one_way(said: float, kept: float) -> None:
    assert east_of(said) == kept
