"""Simulated units: what they send is what real units send, and the same every time."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rawpy
from astropy.io import fits
from PIL import Image

from panoptes.network.cr2.frame import read_raw
from panoptes.network.errors import BadInput
from panoptes.network.file_types import FileType
from panoptes.network.keywords import describe
from panoptes.network.names import parse_upload
from panoptes.network.simulator.canon_writer import cr2_bytes, lossless_jpeg
from panoptes.network.simulator.headers import (
    LOWEST,
    SITES,
    TARGETS,
    height,
    moment,
    target_up,
)
from panoptes.network.simulator.night import START, Night, Sent
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.simulator.sensor import BIAS, GEOMETRIES


class Uploads(dict[str, bytes]):
    """A sink that keeps what is sent."""

    def __call__(self, name: str, data: bytes) -> None:
        assert name not in self, "names are sent once"
        self[name] = data


@pytest.fixture(scope="module")
def night() -> tuple[list[Sent], Uploads]:
    uploads = Uploads()
    return Night(units=2, images=2).send(uploads), uploads


def of_type(night: tuple[list[Sent], Uploads], file_type: FileType) -> list[bytes]:
    sent, uploads = night
    return [
        uploads[upload.name]
        for upload in sent
        if upload.file_type is file_type and upload.fate != "quarantined"
    ]


def test_the_list_says_exactly_what_was_sent(night: tuple[list[Sent], Uploads]) -> None:
    sent, uploads = night
    assert [upload.name for upload in sent] == list(uploads)
    for upload in sent:
        data = uploads[upload.name]
        assert upload.size == len(data)
        assert upload.sha256 == hashlib.sha256(data).hexdigest()


def test_the_same_seed_sends_the_same_night_and_another_does_not() -> None:
    def names_and_sums(seed: int) -> list[tuple[str, str]]:
        sent = Night(seed=seed, images=1).send(lambda *_: None)
        return [(upload.name, upload.sha256) for upload in sent]

    assert names_and_sums(3) == names_and_sums(3)
    assert not set(names_and_sums(3)) & set(names_and_sums(4))


def test_names_are_read_as_the_list_says(night: tuple[list[Sent], Uploads]) -> None:
    for upload in night[0]:
        if upload.code == "unroutable-name":
            with pytest.raises(BadInput) as caught:
                parse_upload(upload.name)
            assert caught.value.code == upload.code
            continue
        name = parse_upload(upload.name)
        assert name.file_type is upload.file_type
        assert name.image_id == upload.image_id
        assert name.sequence_id == upload.sequence_id


def test_every_kind_of_upload_is_among_them(night: tuple[list[Sent], Uploads]) -> None:
    sent, _ = night
    assert {upload.file_type for upload in sent} == {*FileType, None} - {FileType.PNG}
    assert Counter(upload.code for upload in sent if upload.fate == "quarantined") == {
        "unroutable-name": 2,
        "truncated-file": 2,
    }
    assert any(upload.name.count("/") == 4 for upload in sent), "an older path with a field name"


def test_a_night_without_oddities_is_archived_whole() -> None:
    sent = Night(images=1, observations=2, oddities=False).send(lambda *_: None)
    assert {upload.fate for upload in sent} == {"archived", "filed"}
    assert len({upload.sequence_id for upload in sent}) == 4


def test_fits_files_open_with_sound_checksums_and_hold_the_bayer_mosaic(
    night: tuple[list[Sent], Uploads],
) -> None:
    files = of_type(night, FileType.FITS) + of_type(night, FileType.FITS_FZ)
    assert files
    for data in files:
        with fits.open(io.BytesIO(data), checksum=True) as hdus:
            hdus.verify("exception")
            image = hdus[-1]
            assert image.data.dtype == np.uint16
            assert image.data.shape == (340, 506)
            # Upside down, so RGGB stands as GB over RG: rows of blue are the even ones.
            levels = {
                (row, column): np.median(image.data[row::2, column::2])
                for row in (0, 1)
                for column in (0, 1)
            }
            assert levels[0, 0] == pytest.approx(levels[1, 1], abs=8)
            assert levels[1, 0] < levels[0, 1] < levels[0, 0]


def test_both_generations_of_keywords_describe_the_same_things(
    night: tuple[list[Sent], Uploads],
) -> None:
    by_unit = {}
    for upload in night[0]:
        if upload.file_type is FileType.FITS:
            header = fits.getheader(io.BytesIO(night[1][upload.name]))
            by_unit[upload.name[:6]] = {key.upper(): header[key] for key in header if key}
    assert "MOON_FRACTION" in by_unit["PAN001"]
    assert "MOON_FRACTION" not in by_unit["PAN002"]
    new, old = (describe(by_unit[unit]) for unit in ("PAN001", "PAN002"))
    later = {"dateobs", "imagetyp", "egain", "bitdepth"}  # cards that older software did not write
    assert new.image.keys() - later == old.image.keys() - later
    assert new.observation.keys() == old.observation.keys()
    assert not new.notes
    assert not old.notes
    for said in (new, old):
        assert said.image["exptime"] == 120.0
        assert said.image["measr"] == 625
        assert said.image["camtemp"] == 11


def test_camera_raws_are_decoded_by_libraw_bit_for_bit() -> None:
    sky = ObservedSky(frame_size="small", frames=1)
    frame = sky.expose(0)
    samples = sky.samples(frame)
    # LibRaw reads from memory that rawpy does not hold on to.
    data = cr2_bytes(samples, sky.told(frame).settings)
    with rawpy.imread(io.BytesIO(data)) as raw:
        assert np.array_equal(raw.raw_image, samples)
        assert np.array_equal(raw.raw_image_visible, frame.pixels[::-1])
        assert raw.extract_thumb().format is rawpy.ThumbFormat.JPEG


def test_a_raw_and_the_fits_file_of_an_image_show_the_same_samples(
    night: tuple[list[Sent], Uploads],
) -> None:
    sent, uploads = night
    raw = next(upload.name for upload in sent if upload.file_type is FileType.CR2)
    frame = read_raw(uploads[raw])
    image = fits.getdata(io.BytesIO(uploads[raw.replace(".cr2", ".fits.fz")]))
    assert np.array_equal(frame.pixels[::-1], image)
    assert frame.capture.camera_temperature == 11


@pytest.mark.parametrize("kind", ["flat", "noise", "extremes", "ramp"])
def test_any_samples_survive_the_lossless_coding(kind: str) -> None:
    import imagecodecs

    rng = np.random.default_rng(1)
    samples = {
        "flat": np.full((16, 32), 2048),
        "noise": rng.integers(0, 1 << 14, (16, 32)),
        "extremes": np.tile([0, 0, 16383, 16383], (16, 8)),
        "ramp": np.arange(512).reshape(16, 32) ** 2 % 16384,
    }[kind].astype(np.uint16)
    decoded = imagecodecs.ljpeg_decode(lossless_jpeg(samples))
    assert np.array_equal(decoded.reshape(16, 32), samples)


def test_pictures_and_videos_are_what_their_suffix_says(
    night: tuple[list[Sent], Uploads],
) -> None:
    for data in of_type(night, FileType.JPG):
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.load()
    for data in of_type(night, FileType.MP4):
        place, kinds = 0, []
        while place < len(data):
            size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
            kinds.append(kind)
            place += size
        assert place == len(data)
        assert kinds == [b"ftyp", b"moov", b"mdat"]


def test_a_folder_holds_what_was_sent(tmp_path: Path) -> None:
    sent = Night(cameras=1, images=1, oddities=False).send(tmp_path)
    for upload in sent:
        assert hashlib.sha256((tmp_path / upload.name).read_bytes()).hexdigest() == upload.sha256


def test_the_masked_border_has_bias_and_noise_of_the_real_camera() -> None:
    geometry = GEOMETRIES["small"]
    visible = np.full((geometry.rows, geometry.columns), 4000, np.uint16)
    samples = geometry.framed(visible, np.random.default_rng(2))
    masked = samples[:, : geometry.left].astype(float)
    assert masked.mean() == pytest.approx(BIAS, abs=1)
    assert masked.var() == pytest.approx(52, rel=0.1)
    assert np.array_equal(geometry.image(samples), visible)


def test_cameras_of_a_unit_see_the_same_stars_each_with_its_own_noise() -> None:
    one, other = (Night().sky(0, 0, camera) for camera in (0, 1))
    colours = [dict(zip(sky.stars.star_id, sky.stars.red, strict=True)) for sky in (one, other)]
    both = colours[0].keys() & colours[1].keys()
    assert len(both) > 0.9 * len(colours[0]), "but for those at the edge"
    assert all(colours[0][star] == colours[1][star] for star in both)
    assert not np.array_equal(one.expose(0).pixels, other.expose(0).pixels)


def test_the_sky_above_a_unit_is_roughly_right() -> None:
    # Full Moon of 2026-01-03 and new Moon of 2026-01-18, from any almanac.
    full = moment(SITES[0], TARGETS[0], START.replace(day=3, hour=10))
    new = moment(SITES[0], TARGETS[0], START.replace(day=18, hour=20))
    assert full.moon_fraction > 0.97
    assert new.moon_fraction < 0.03
    assert 1 <= full.airmass <= 6
    assert -12 <= full.hour_angle <= 12


def test_every_unit_observes_what_is_up_where_it_stands() -> None:
    for unit, site in enumerate(SITES):
        for hour in range(0, 24, 3):
            began = START + timedelta(hours=hour)
            ended = began + timedelta(minutes=15)
            target = target_up(site, began, ended, turn=unit)
            assert min(height(site, target, when) for when in (began, ended)) >= LOWEST
    # The airmass that the header tells, and the sky that is drawn for it, are of that height.
    assert moment(SITES[0], target_up(SITES[0], START, START), START).airmass < 2
