"""What is reported of a night is what happened in it."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import GeoPoint
from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.take import Watch
from panoptes.network.nights import (
    UnitNight,
    last_whole_night,
    night_json,
    nights_of,
    unit_ids,
    unit_night,
)
from panoptes.network.nights.plots import timeline
from panoptes.network.nights.unit_night import Measured
from panoptes.network.nights.words import facts
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from tests.measured import FRAMES, SKY
from tests.network.nights.simulated import (
    CADENCE,
    CAMERA,
    EXPOSURE,
    LOST,
    NIGHT,
    OBSERVING,
    SILENT,
    USUAL,
    time_of,
)
from tests.recording import Recording


@pytest.fixture(scope="module")
def night(archive: Site) -> UnitNight:
    return unit_night(archive, OBSERVING, NIGHT)


def test_every_exposure_is_accounted_for(night: UnitNight) -> None:
    assert (night.lights, night.catalogued, night.arrived) == (7, 7, 8)
    assert (night.quarantined, night.waiting, night.failed) == (1, 0, 0)
    (case,) = night.cases
    assert (case.code, case.camera_id, case.time) == ("truncated-file", CAMERA, time_of(9))
    (observation,) = night.observations
    assert (observation.images, observation.quarantined) == (7, 1)
    assert observation.field_name == "WASP-12"
    assert night.reasons == ()


def test_gaps_are_between_the_end_of_one_exposure_and_the_next(night: UnitNight) -> None:
    (gap,) = night.gaps
    assert gap.start == time_of(LOST[0] - 1) + timedelta(seconds=EXPOSURE)
    assert gap.end == time_of(LOST[-1] + 1)
    assert night.median_gap == CADENCE - EXPOSURE
    assert night.mean_gap == pytest.approx((5 * 8 + gap.seconds) / 6)


def test_what_is_expected_comes_of_cadence_darkness_and_the_nights_before(
    night: UnitNight,
) -> None:
    assert (night.cadence, night.cadence_from) == (CADENCE, "this night")
    assert night.dark is not None
    assert night.possible == int(night.dark.seconds / CADENCE)
    assert night.expected is not None
    assert abs(night.expected - USUAL) <= 1
    assert night.missing == night.expected - 8
    assert night.open_shutter == pytest.approx(7 * EXPOSURE / night.dark.seconds)
    assert night.minutes_to_first == pytest.approx(39.5, abs=0.5)


def test_a_night_of_which_nothing_came_is_expected_by_the_nights_before(archive: Site) -> None:
    found = unit_night(archive, OBSERVING, "2026-01-15")
    assert (found.cadence, found.cadence_from) == (CADENCE, "earlier nights")
    assert found.expected is not None
    assert abs(found.expected - USUAL) <= 1
    assert (found.arrived, found.missing, found.reasons) == (0, found.expected, ("not known",))


def test_lag_is_told_by_stage(night: UnitNight) -> None:
    assert {"taken up", "derived", "recorded", "in all"} <= night.lag.keys()
    in_all = night.lag["in all"]
    assert in_all.files == night.files - 1
    assert 0 < in_all.p50 <= in_all.p95 <= in_all.p99


def test_a_unit_that_sent_nothing_says_why_where_it_did(archive: Site) -> None:
    silent = unit_night(archive, SILENT, NIGHT)
    assert silent.arrived == 0
    assert silent.reasons == (
        "the weather is not safe (cloud: Very Cloudy) (08:30 UTC, by its own word)",
    )
    assert silent.sky.cloud == "very cloudy"
    assert unit_night(archive, SILENT, "2026-01-12").reasons == ("not known",)


def test_where_a_place_or_a_record_is_missing_nothing_is_guessed(archive: Site) -> None:
    archive.catalog.create("units", "PAN003", {"name": "New"})
    try:
        found = unit_night(archive, "PAN003", NIGHT)
    finally:
        stored = archive.catalog.get("units", "PAN003")
        assert stored is not None
        archive.catalog.delete("units", "PAN003", version=stored.version)
    assert (found.dark, found.cadence, found.expected, found.missing) == (None,) * 4
    assert found.reasons == ("not known",)


def test_what_other_software_wrote_into_an_image_does_no_harm(archive: Site) -> None:
    odd = {
        "unit_id": SILENT,
        "camera_id": 7,
        "time": datetime(2025, 12, 1, 8, tzinfo=UTC),
        "exptime": "a minute",
        "airmass": "high",
        "image_type": ["light"],
        "ra_mnt": True,
    }
    archive.catalog.create("images", "odd", odd)
    found = unit_night(archive, SILENT, "2025-11-30")
    assert (found.lights, found.exptime, found.sky.airmass) == (1, 0.0, None)
    assert timeline(found)


def test_what_the_stars_say_is_told(archive: Site) -> None:
    for number, (zero_point, error) in enumerate([(21.3, 0.1), (21.2, 0.2), (19.8, None)]):
        image = {
            "unit_id": SILENT,
            "camera_id": CAMERA,
            "sequence_id": f"{SILENT}_{CAMERA}_20251206T080000",
            "time": datetime(2025, 12, 6, 8, number, tzinfo=UTC),
            "measured": {"sky": {"G": 2200.0 + number}, "fwhm": 2.0, "zero_point": zero_point},
            "solution": {"wcs": {}, "scale": 10.0, "pointing_error": error},
        }
        places = {"ra_mnt": 10.0, "dec_mnt": 10.0, "ra_image": 20.0, "dec_image": 10.0}
        archive.catalog.create("images", f"measured-{number}", image | places)
    found = unit_night(archive, SILENT, "2025-12-05")
    assert found.sky.level == Measured(3, 2200.0, 2201.0, 2202.0)
    assert found.sky.seeing == Measured(3, 20.0, 20.0, 20.0)
    assert found.sky.lost == Measured(3, 0.0, 0.0, 1.4)
    pointing = found.instrument.pointing
    assert pointing is not None
    assert (pointing.images, pointing.least, pointing.most) == (2, 0.1, 0.2)
    assert "1.40 at most" in dict(facts(found))["sky"]


def test_it_does_not_get_dark_in_a_northern_summer(archive: Site) -> None:
    place = {"name": "North", "location": GeoPoint(65.0, 25.5)}
    archive.catalog.create("units", "PAN004", place)
    (reason,) = unit_night(archive, "PAN004", "2026-06-20").reasons
    assert reason == "it does not get dark: the Sun stays above -12 degrees"


def test_a_night_that_has_not_ended_says_so(archive: Site) -> None:
    noon = datetime(2026, 1, 15, 1, tzinfo=UTC)
    before = unit_night(archive, SILENT, "2026-01-14", now=noon)
    assert not before.is_over
    assert "the night has not begun" in before.reasons
    assert last_whole_night(archive, OBSERVING, now=noon) == "2026-01-13"
    begun = unit_night(archive, OBSERVING, NIGHT, now=time_of(9))
    assert begun.expected is not None
    assert begun.missing is None


@pytest.mark.parametrize(("unit_id", "text"), [("PAN1", NIGHT), (OBSERVING, "yesterday")])
def test_what_is_no_unit_and_no_night_is_refused(archive: Site, unit_id: str, text: str) -> None:
    with pytest.raises(ValueError, match="names no"):
        unit_night(archive, unit_id, text)
    with pytest.raises(NotFound, match="PAN999"):
        unit_night(archive, "PAN999", NIGHT)


def test_the_calendar_has_whole_nights_the_newest_first(archive: Site) -> None:
    rows = nights_of(archive, limit=2)
    assert [(row.night, row.unit_id, row.images) for row in rows] == [
        (NIGHT, OBSERVING, 7),
        ("2026-01-13", OBSERVING, USUAL),
    ]
    following = nights_of(archive, OBSERVING, before=rows[-1].night)
    assert [row.night for row in following] == ["2026-01-12", "2026-01-11"]


def test_the_report_is_json(night: UnitNight) -> None:
    found = json.loads(json.dumps(night_json(night)))
    assert found["dark"]["start"].endswith("Z")
    assert found["lag"]["in all"]["files"] == night.lag["in all"].files
    assert "exposures" not in found


def test_firestore_has_an_index_for_every_question(archive: Site) -> None:
    asked = Recording(Path(archive.settings.catalog.removeprefix("sqlite:///")))
    with closing(asked):
        site = archive.changed()
        site._catalog = asked
        for unit_id in unit_ids(site):
            unit_night(site, unit_id, NIGHT)
            nights_of(site, unit_id, before="2026-01-14")
        nights_of(site)
        assert asked.without_index() == []


def test_clouds_seeing_and_background_are_what_the_stars_say(tmp_path: Path) -> None:
    *_, cloudy, _, _ = SKY.write(tmp_path / "uploads")[:FRAMES]
    with fits.open(cloudy, mode="update", uint=True) as hdus:
        light = hdus[0].data.astype(float) - 2048
        hdus[0].data = (2048 + light / 2).astype(np.uint16)
    (tmp_path / "data").mkdir()
    site = Site.in_folder(tmp_path / "data", incoming=tmp_path / "uploads", rest_seconds=0)
    ingest_folder(site, files_in(site, tmp_path / "data"), watch=Watch())
    (observed,) = site.catalog.query(Query("observations"))
    found = unit_night(site, SKY.unit_id, observed.fields["night"])
    sky = found.sky
    assert sky.lost is not None
    assert sky.seeing is not None
    assert sky.level is not None
    assert (sky.lost.images, sky.seeing.images, sky.level.images) == (FRAMES,) * 3
    assert sky.lost.most == pytest.approx(0.75, abs=0.1)
    assert sky.lost.median < 0.1
    assert 15 < sky.seeing.median < 50
    assert 2048 < sky.level.least < sky.level.most
    assert found.instrument.pointing is None, "of a crop the middle is not the mount's"
