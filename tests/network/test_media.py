"""Pictures and videos are what their names say, and whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptes.network import media
from panoptes.network.errors import BadInput
from panoptes.network.media import check_jpeg, check_mp4
from tests.files import jpeg, mp4, tiny_fits
from tests.memory import peak_of

JPEG = jpeg(size=(64, 48))
MANY = 10_000_000


def _code(check: object, *arguments: object, **options: object) -> str | None:
    assert callable(check)
    try:
        check(*arguments, **options)
    except BadInput as bad:
        return bad.code
    return None


def test_a_whole_picture_and_a_whole_video_pass() -> None:
    check_jpeg(JPEG, max_pixels=64 * 48)
    check_mp4(mp4())


def test_a_video_of_boxes_without_end_is_refused_without_remembering_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 5_000
    monkeypatch.setattr(media, "MOST_BOXES", count)
    kinds = np.random.default_rng(1).integers(97, 123, (count, 4)).astype(np.uint8)
    boxes = np.empty((count, 8), np.uint8)
    boxes[:, :4] = (0, 0, 0, 8)
    boxes[:, 4:] = kinds
    data = mp4() + boxes.tobytes()

    def refuse() -> None:
        assert _code(check_mp4, data) == "too-large"

    assert peak_of(refuse) < 50_000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xd8\xff", "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n", "not-a-picture"),
        (tiny_fits(), "not-a-picture"),
        (JPEG[: len(JPEG) - 40], "truncated-file"),
    ],
)
def test_what_is_no_whole_jpeg_is_refused(data: bytes, code: str) -> None:
    assert _code(check_jpeg, data, max_pixels=MANY) == code


@pytest.mark.parametrize("side", [2_000, 17_000, 65_500])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(side: int) -> None:
    marker = JPEG.index(b"\xff\xc0")
    size = side.to_bytes(2, "big") * 2
    huge = JPEG[: marker + 5] + size + JPEG[marker + 9 :]
    assert _code(check_jpeg, huge, max_pixels=1_000_000) == "too-large"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=150)
@given(st.integers(3, len(JPEG) - 1), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_damaged_picture_is_taken_or_refused(place: int, noise: bytes, cut: bool) -> None:
    damaged = JPEG[:place] + noise + (b"" if cut else JPEG[place + len(noise) :])
    assert _code(check_jpeg, damaged, max_pixels=MANY) in (
        None, "not-a-picture", "truncated-file", "corrupt-data", "too-large",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-a-picture"),
        (JPEG, "not-a-picture"),
        (mp4()[:-1], "truncated-file"),
        (mp4() + b"x", "truncated-file"),
        (mp4()[:24], "truncated-file"),
        (mp4()[:20], "truncated-file"),
        (mp4() + b"\0\0\0\7free", "corrupt-data"),
        (mp4() + b"\0\0\0\1free" + bytes(8), "corrupt-data"),
        (mp4() + b"\0\0\0\1free" + b"\xff" * 8, "truncated-file"),
    ],
)
def test_what_is_no_whole_mp4_is_refused(data: bytes, code: str) -> None:
    assert _code(check_mp4, data) == code


@pytest.mark.parametrize(
    "tail",
    [
        b"\0\0\0\0mdat and on to the end",
        b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"data",
        b"\0\0\0\x08free",
    ],
)
def test_boxes_of_every_kind_of_length_are_walked(tail: bytes) -> None:
    check_mp4(mp4() + tail)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_video_or_refused(tail: bytes) -> None:
    assert _code(check_mp4, mp4() + tail) in (None, "truncated-file", "corrupt-data")
