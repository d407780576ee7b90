"""From the frames of an observation, as units upload them, to light curves of its stars."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from panoptes.network.autowisp.export import CannotExport, export
from panoptes.network.catalog.catalog import Fields, Query, modify
from panoptes.network.fits.archive import compress_fits
from panoptes.network.processing.exposures import exposures_of
from panoptes.network.processing.process import CannotProcess, Processed, process
from panoptes.network.simulator.canon_writer import Settings, cr2_bytes
from panoptes.network.site import Site
from tests import measured
from tests.measured import FRAMES, SEQUENCE_ID, SKY


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return measured.ingested(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def made(ingested: Site) -> Processed:
    return process(ingested, SEQUENCE_ID)


def file_of(site: Site, made: Processed) -> Path:
    return Path(str(site.settings.measurements)) / made.path


def test_every_star_has_its_magnitude_in_every_frame(ingested: Site, made: Processed) -> None:
    assert (made.frames, made.left_out) == (FRAMES, [])
    table = parquet.read_table(file_of(ingested, made)).to_pandas()
    good = table[(table.channel == "all") & (table.flag == 0)]
    counts = good.groupby("star_id").size()
    assert (counts == FRAMES).sum() > 30
    bright = good[good.g < 9.0].groupby("star_id")
    assert bright.mag.std().median() < 0.03
    assert abs((bright.mag.median() - bright.g.first()).median()) < 0.1
    span = good.time.max() - good.time.min()
    assert span == pytest.approx((FRAMES - 1) * 128 / 86400, abs=1e-3)


def test_documents_say_what_was_made(ingested: Site, made: Processed) -> None:
    catalog = ingested.catalog
    observation = catalog.get("observations", SEQUENCE_ID)
    assert observation is not None
    assert observation.fields["measurements_path"] == made.path
    curves = {s.key: s.fields for s in catalog.query(Query("lightcurves"))}
    stars = {s.key: s.fields for s in catalog.query(Query("stars"))}
    assert len(curves) == made.stars == len(stars)
    one = next(iter(curves.values()))
    star = stars[one["star"]]
    assert one["star"] == f"gaia_dr3:{star['star_id']}"
    assert "picid" not in star
    assert one["channels"]["all"]["points"] <= FRAMES
    of_star = Query("lightcurves", [("star", "==", one["star"])], [("time", "asc")])
    assert [s.fields["lcid"] for s in catalog.query(of_star)] == [one["lcid"]]


def test_made_again_it_lies_beside_the_first_and_an_older_run_points_nowhere(
    ingested: Site, made: Processed
) -> None:
    first = file_of(ingested, made).read_bytes()
    star_id = str(parquet.read_table(file_of(ingested, made))["star_id"][0])
    again = process(ingested, SEQUENCE_ID, picids={star_id: "4711"})
    assert file_of(ingested, made).read_bytes() == first
    assert again.path != made.path
    star = ingested.catalog.get("stars", "4711")
    assert star is not None
    assert star.fields["star_id"] == star_id
    late = process(ingested, SEQUENCE_ID, moment=datetime(2020, 1, 1, tzinfo=UTC))
    assert file_of(ingested, late).exists()
    observation = ingested.catalog.get("observations", SEQUENCE_ID)
    assert observation is not None
    assert observation.fields["measurements_path"] == again.path


def test_a_damaged_frame_is_left_out(ingested: Site) -> None:
    images = list(ingested.catalog.query(Query("images", order_by=[("time", "asc")])))
    damaged = Path(ingested.settings.images) / str(images[2].fields["bucket_path"])
    before = damaged.read_bytes()
    try:
        damaged.write_bytes(before[: len(before) // 2])
        made = process(ingested, SEQUENCE_ID)
    finally:
        damaged.write_bytes(before)
    (left,) = made.left_out
    assert left.image_id == images[2].key
    assert "cannot be read" in left.reason
    assert made.frames == FRAMES - 1


def test_too_few_frames_are_said_with_the_first_reason(ingested: Site) -> None:
    images = list(ingested.catalog.query(Query("images", order_by=[("time", "asc")])))
    gone = [Path(ingested.settings.images) / str(i.fields["bucket_path"]) for i in images[:4]]
    for path in gone:
        path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(
            CannotProcess, match=r"3 images can be used, and 5 .* of 4 others .* is missing"
        ):
            process(ingested, SEQUENCE_ID)
    finally:
        for path in gone:
            path.with_suffix(".away").rename(path)
    with pytest.raises(CannotProcess, match="no observation PAN001_ee04d1_20260101T000000"):
        process(ingested, "PAN001_ee04d1_20260101T000000")


def test_frames_without_a_solution_are_solved_and_calibrations_do_not_count(
    ingested: Site,
) -> None:
    images = list(ingested.catalog.query(Query("images", order_by=[("time", "asc")])))
    modify(ingested.catalog, "images", images[0].key, lambda _: {"solution": None})
    modify(ingested.catalog, "images", images[1].key, lambda _: {"image_type": "dark"})
    made = process(ingested, SEQUENCE_ID)
    assert made.frames == FRAMES - 1


def test_a_camera_raw_that_came_alone_is_measured_and_a_frame_without_a_mask_is_not(
    ingested: Site,
) -> None:
    images = list(ingested.catalog.query(Query("images", order_by=[("time", "asc")])))
    path = str(images[3].fields["bucket_path"]).removesuffix(".fits.fz") + ".cr2"
    samples = np.pad(SKY.expose(3).pixels[::-1], ((20, 0), (22, 0)), constant_values=2048)
    settings = Settings(taken=datetime(2026, 1, 1, tzinfo=UTC), borders=(22, 20, 528, 360))
    ingested.store("originals").put(path, cr2_bytes(samples, settings), if_generation=0)
    raw = {"bucket_path": None, "original_path": path, "solution": None}
    modify(ingested.catalog, "images", images[3].key, lambda _: raw)
    gone = Path(ingested.settings.images) / str(images[4].fields["bucket_path"])
    kept = gone.read_bytes()
    name, data = SKY.fits(SKY.expose(4))
    assert data.count(b"'RGGB    '") == 1, name
    gone.write_bytes(compress_fits(data.replace(b"'RGGB    '", b"'M       '")).data)
    try:
        made = process(ingested, SEQUENCE_ID)
    finally:
        gone.write_bytes(kept)
    reasons = {each.image_id: each.reason for each in made.left_out}
    assert images[3].key not in reasons
    assert "a camera with no Bayer mask" in reasons[images[4].key]
    table = parquet.read_table(file_of(ingested, made)).to_pandas()
    table = table[(table.channel == "all") & (table.flag == 0) & (table.g < 9.5)]
    away = table.mag - table.groupby("star_id").mag.transform("median")
    assert away[table.image_id == images[3].key].abs().median() < 0.02


def test_a_camera_without_a_mask_has_curves_of_all_its_pixels(tmp_path: Path) -> None:
    site = measured.ingested(tmp_path, replace(SKY, has_mask=False, camera_id="310d1f0f00070900"))
    (observation,) = site.catalog.query(Query("observations"))
    made = process(site, observation.key)
    assert (made.frames, made.left_out) == (FRAMES, [])
    table = parquet.read_table(file_of(site, made)).to_pandas()
    assert set(table.channel) == {"all"}
    good = table[(table.flag == 0) & (table.g < 9.5)].groupby("star_id")
    assert len(good) > 15
    assert good.mag.std().median() < 0.02
    assert abs((good.mag.median() - good.g.first()).median()) < 0.1
    with pytest.raises(CannotExport, match="no Bayer mask"):
        export(site, observation.key, tmp_path / "project")


def test_the_exposures_begin_is_told_by_date_obs_unless_the_cameras_clock_is_wrong(
    ingested: Site,
) -> None:
    image = next(iter(ingested.catalog.query(Query("images", order_by=[("time", "desc")]))))
    begun = image.fields["time"]
    told = {"00:00:00.250": timedelta(seconds=0.25), "00:03:00": timedelta(0), "": timedelta(0)}
    for clock, later in told.items():
        hours, minutes, seconds = (float(each) for each in (clock or "0:0:0").split(":"))
        said = begun + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        text = said.replace(tzinfo=None).isoformat() if clock else "no time"
        modify(ingested.catalog, "images", image.key, partial(_said, {"dateobs": text}))
        last = exposures_of(ingested, SEQUENCE_ID, {})[0][-1]
        assert last.middle - begun == later + timedelta(seconds=60)


def _said(fields: Fields, _: Fields | None) -> Fields:
    return fields


def test_light_curves_of_a_clock_that_was_ahead_do_not_stay_the_newest(ingested: Site) -> None:
    ahead = process(ingested, SEQUENCE_ID, moment=datetime(2040, 1, 1, tzinfo=UTC))
    after = process(ingested, SEQUENCE_ID)
    observation = ingested.catalog.get("observations", SEQUENCE_ID)
    assert observation is not None
    assert observation.fields["measurements_path"] == after.path != ahead.path


def test_an_observation_is_of_the_camera_that_most_of_its_frames_are_of(
    tmp_path: Path,
) -> None:
    site = measured.ingested(tmp_path)
    first = next(iter(site.catalog.query(Query("images", order_by=[("time", "asc")]))))
    _, data = SKY.fits(SKY.expose(0))
    unmasked = compress_fits(data.replace(b"'RGGB    '", b"'M       '")).data
    (Path(site.settings.images) / str(first.fields["bucket_path"])).write_bytes(unmasked)
    modify(site.catalog, "observations", SEQUENCE_ID, lambda _: {"camera_filter": "M"})
    made = process(site, SEQUENCE_ID)
    assert made.frames == FRAMES - 1
    assert [each.image_id for each in made.left_out] == [first.key]
