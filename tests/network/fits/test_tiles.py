"""Tiles of pixels, coded and decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptes.network.errors import BadInput
from panoptes.network.fits.checksum import checksum
from panoptes.network.fits.tiles import Coding, Run, TileDecoder, decode_runs, encode_tiles

METHODS: tuple[Literal["GZIP_2", "RICE_1"], ...] = ("GZIP_2", "RICE_1")


def tiles_of(runs: Sequence[Run]) -> list[memoryview]:
    tiles = []
    for run in runs:
        start = 0
        for size in run.sizes:
            tiles.append(memoryview(run.data)[start : start + size])
            start += size
        assert start == len(run.data)
        assert run.checksum == checksum(run.data)
    return tiles


def restored(decoder: TileDecoder, tiles: list[memoryview], lengths: Sequence[int]) -> bytes:
    return b"".join(part.tobytes() for part in decode_runs(decoder, tiles.__getitem__, lengths))


def decoded_or_refused(decoder: TileDecoder, tile: bytes, count: int) -> int | str:
    """The bytes that were decoded, or the code of the refusal."""
    try:
        return decoder.decode([memoryview(tile)], [count]).size
    except BadInput as error:
        return error.code


pixels = st.one_of(
    st.binary(min_size=8, max_size=4000),
    st.builds(lambda value, n: value * n, st.binary(min_size=8, max_size=8), st.integers(1, 400)),
)


@settings(max_examples=60)
@given(pixels, st.sampled_from([1, 2, 4, 8]), st.integers(1, 50), st.sampled_from(METHODS))
def test_any_pixels_come_back_to_the_bit(
    data: bytes, itemsize: int, length: int, method: Literal["GZIP_2", "RICE_1"]
) -> None:
    if itemsize == 8:
        method = "GZIP_2"
    count = len(data) // itemsize
    data = data[: count * itemsize]
    lengths = [min(length, count - start) for start in range(0, count, length)]
    tiles = tiles_of(list(encode_tiles(memoryview(data), itemsize, lengths, method)))
    decoder = TileDecoder(method, itemsize, rice_bytes=itemsize)
    assert restored(decoder, tiles, lengths) == data


@pytest.mark.parametrize("method", METHODS)
def test_what_is_coded_in_runs_comes_back_whole(method: Literal["GZIP_2", "RICE_1"]) -> None:
    data = np.random.default_rng(5).integers(0, 999, 900_000, dtype="i2").tobytes()
    lengths = [3000] * 300
    runs = list(encode_tiles(memoryview(data), 2, lengths, method))
    assert len(runs) > 1
    decoder = TileDecoder(method, 2, rice_bytes=2)
    assert restored(decoder, tiles_of(runs), lengths) == data


def test_short_integers_that_were_coded_as_four_bytes_are_read() -> None:
    values = np.array([5, -7, 30000], ">i4")
    (run,) = encode_tiles(memoryview(values.tobytes()), 4, [3], "GZIP_2")
    tile = memoryview(run.data)
    assert TileDecoder("GZIP_2", 2).decode([tile], [3]).view(">i2").tolist() == [5, -7, 30000]
    (rice,) = encode_tiles(memoryview(values.tobytes()), 4, [3], "RICE_1")
    wide = TileDecoder("RICE_1", 2, rice_bytes=4)
    assert wide.decode([memoryview(rice.data)], [3]).view(">i2").tolist() == [5, -7, 30000]


@pytest.mark.parametrize("method", METHODS)
def test_coded_values_beyond_bitpix_are_refused(method: Literal["GZIP_2", "RICE_1"]) -> None:
    values = np.array([5, -7, 70000], ">i4")
    (run,) = encode_tiles(memoryview(values.tobytes()), 4, [3], method)
    with pytest.raises(BadInput, match="too large"):
        TileDecoder(method, 2, rice_bytes=4).decode([memoryview(run.data)], [3])


@settings(max_examples=200)
@given(
    st.sampled_from(("RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS")),
    st.one_of(st.binary(max_size=80), st.integers(0, 80).map(bytes)),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 3000),
    st.integers(1, 200),
)
def test_garbage_gives_pixels_or_bad_input_and_nothing_else(
    coding: Coding, tile: bytes, itemsize: int, count: int, block: int
) -> None:
    decoder = TileDecoder(coding, itemsize, rice_bytes=itemsize, rice_block=block)
    assert decoded_or_refused(decoder, tile, count) in (count * itemsize, "corrupt-data")


@settings(max_examples=60)
@given(st.data(), st.sampled_from(METHODS))
def test_a_damaged_tile_never_breaks_the_decoder(
    data: st.DataObject, method: Literal["GZIP_2", "RICE_1"]
) -> None:
    values = np.arange(500, dtype=">i2")
    (run,) = encode_tiles(memoryview(values.tobytes()), 2, [500], method)
    damaged = bytearray(run.data)
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=3)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    decoder = TileDecoder(method, 2, rice_bytes=2)
    assert decoded_or_refused(decoder, bytes(damaged), 500) in (1000, "corrupt-data")


def test_a_gzip_stream_that_swells_beyond_its_tile_is_refused() -> None:
    (run,) = encode_tiles(memoryview(bytes(5_000_000)), 1, [5_000_000], "GZIP_2")
    with pytest.raises(BadInput) as refused:
        TileDecoder("GZIP_1", 1).decode([memoryview(run.data)], [100])
    assert refused.value.code == "corrupt-data"
