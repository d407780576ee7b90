"""Timelapses: a film of an observation's previews, which browsers play."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from deployments.command_line.main import app
from panoptes.network import timelapse as timelapses
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.media import check_mp4
from panoptes.network.names import parse_sequence_id, parse_upload
from panoptes.network.site import Site
from panoptes.network.timelapse import TooFewImages, encode, kept_timelapse, timelapse, usual_shape
from tests import audited, sites
from tests.archives import IMAGE, LATER, SEQUENCE_ID, small_archive
from tests.deployments.services.served import served

FILM = f"{IMAGE.rpartition('/')[0]}/20180216T110623.timelapse.mp4"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An observation of two images."""
    return small_archive(tmp_path)


def picture(shade: int, size: tuple[int, int] = (301, 201)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(out, "JPEG")
    return out.getvalue()


def frames_of(film: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(film), "r") as opened:
        stream = opened.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        return [frame.to_ndarray(format="gray") for frame in opened.decode(stream)]


def test_a_film_has_every_frame_in_its_order_and_its_index_in_front(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    shades = [10 * n for n in range(20)]
    pictures = [picture(shade) for shade in shades]
    assert encode([*pictures, b"no picture"], path, rate=10) == 20
    film = path.read_bytes()
    check_mp4(film)
    assert film.index(b"moov") < film.index(b"mdat")
    seen = frames_of(film)
    assert [frame.shape for frame in seen] == [(200, 300)] * 20
    assert np.abs(np.array([frame.mean() for frame in seen]) - shades).max() < 4


def test_frames_of_another_shape_are_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    encode([picture(200), picture(200, (100, 300))], path, rate=4)
    first, second = frames_of(path.read_bytes())
    assert first.shape == second.shape
    assert second[:, 5:40].max() < 30
    assert second[:, 140:160].min() > 180


def test_an_observations_film_is_kept_until_there_are_other_images(site: Site) -> None:
    made = timelapse(site, SEQUENCE_ID)
    assert made.kept is not None
    assert (made.kept.name, made.frames) == (FILM, 2)
    assert len(frames_of(made.data)) == 2
    again = timelapse(site, SEQUENCE_ID)
    assert again.kept == made.kept
    store = site.store("previews")
    jpeg, _ = store.read(f"{LATER}.preview-1024.jpg")
    store.put(f"{LATER[:-6]}112930.preview-1024.jpg", jpeg)
    assert kept_timelapse(site, SEQUENCE_ID) is None
    more = timelapse(site, SEQUENCE_ID)
    assert len(frames_of(more.data)) == more.frames == 3


def test_it_is_neither_the_units_film_nor_anything_to_the_auditor(site: Site) -> None:
    before = audited.found(site)
    timelapse(site, SEQUENCE_ID)
    settle_observation(site, parse_sequence_id(SEQUENCE_ID))
    assert "timelapse_path" not in sites.document(site, "observations", SEQUENCE_ID)
    assert audited.found(site) == before
    with pytest.raises(BadInput, match="names no image"):
        parse_upload(FILM)


def test_long_observations_are_shown_by_so_many_frames(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelapses, "MOST_FRAMES", 5)
    store = site.store("previews")
    for n in range(20):
        store.put(f"{LATER[:-6]}1135{n:02}.preview-1024.jpg", picture(10 * n))
    film = timelapse(site, SEQUENCE_ID)
    assert film.frames == len(frames_of(film.data)) == 5


def test_who_finds_the_encoder_busy_is_asked_to_come_again(site: Site) -> None:
    with timelapses._encoder, pytest.raises(TransientError, match="come again"):
        timelapse(site, SEQUENCE_ID, wait=False)


def test_one_image_makes_no_film(site: Site) -> None:
    with pytest.raises(TooFewImages, match="previews of 1"):
        timelapse(site, "PAN012_358d0f_20180822T035809")


def test_over_http_it_is_made_when_asked_for_and_can_be_sought_in(site: Site) -> None:
    with served(site) as client:
        url = f"/observations/{SEQUENCE_ID}/timelapse.mp4"
        first = client.get(url)
        assert first.status_code == 200
        assert first.headers["content-type"] == "video/mp4"
        assert len(frames_of(first.content)) == 2
        part = client.get(url, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        known = client.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert known.status_code == 304
        for wrong in ("PAN012_358d0f_20180822T035809", "nonsense"):
            assert client.get(f"/observations/{wrong}/timelapse.mp4").status_code == 404


def test_the_command_writes_it_to_a_file(site: Site, tmp_path: Path) -> None:
    data = str(Path(site.settings.images).parent)
    file = tmp_path / "night.mp4"
    result = CliRunner().invoke(
        app, ["timelapse", SEQUENCE_ID, "--data", data, "-o", str(file)]
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2 images" in result.stdout
    assert len(frames_of(file.read_bytes())) == 2
    for wrong, sentence in (("PAN012_358d0f_20180822T035809", "takes 2 images"), ("x", "'x'")):
        result = CliRunner().invoke(app, ["timelapse", wrong, "--data", data])
        assert result.exit_code == 3
        assert sentence in result.stderr


def test_the_shape_is_that_of_most_frames(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    pictures = [picture(90, (1, 1)), picture(90), picture(90), b"no picture"]
    assert usual_shape(pictures) == (301, 201)
    assert usual_shape(pictures[:2]) == (301, 201)
    assert encode(pictures, path, rate=4, shape=usual_shape(pictures)) == 3
    assert frames_of(path.read_bytes())[0].shape == (200, 300)
