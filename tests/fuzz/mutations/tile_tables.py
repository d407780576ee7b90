"""Damage of the tables that compressed images are stored in."""

from __future__ import annotations

import re
import struct

from panoptes.network.fits.cards import CARD, padded
from tests.fuzz.mutations.any_file import (
    Generator,
    Mutator,
    flip_bits,
    number_here,
    randomise,
    set_bytes,
    with_number,
)
from tests.fuzz.mutations.fits_headers import HEADER, TABLE, card_of, headers_of, set_value_of


def _tables(data: bytes) -> list[tuple[int, int, int]]:
    """Begin of the data, width and height of each table whose header can be read."""
    found = []
    for start, end in headers_of(data):
        header = data[start:end]
        sizes = [re.search(rb"NAXIS%d  =\s+(\d{1,6})\b" % n, header) for n in (1, 2)]
        if b"ZIMAGE" in header and all(sizes):
            width, height = (int(size[1]) for size in sizes if size)
            found.append((start + padded(end + CARD - start), width, height))
    return found


def _descriptor(data: bytes, generator: Generator) -> bytes:
    tables = _tables(data)
    if not tables:
        return number_here(data, generator)
    start, width, height = generator.choice(tables)
    place = start + 4 * generator.randrange(max(1, width * height // 4))
    if generator.random() < 0.4:
        old = int.from_bytes(data[place : place + 4], "big")
        near = (old + generator.choice((-8, -1, 1, 2, 8, 100))) & 0xFFFFFFFF
        return data[:place] + near.to_bytes(4, "big") + data[place + 4 :]
    return with_number(data, place, generator, ">")


def _heap(data: bytes, generator: Generator) -> bytes:
    """Bytes of the coded tiles alone, in their place."""
    tables = _tables(data)
    if not tables:
        return randomise(data, generator)
    start, width, height = generator.choice(tables)
    heap = start + width * height
    if heap >= len(data):
        return data
    mutator = generator.choice((flip_bits, flip_bits, set_bytes, randomise, number_here))
    tail = data[heap:]
    # Damage near a tile's begin is what a decoder reads as sizes.
    near = min(len(tail), generator.choice((16, 200, len(tail))))
    changed = mutator(tail[:near], generator)[:near].ljust(near, b"\0")
    return data[:heap] + changed + tail[near:]


def _one_tile(data: bytes, generator: Generator) -> bytes:
    """A larger image in one tile: the stream's own sizes as the header's."""
    side = generator.choice((1, 4, 100, 5000))
    wanted = {"ZNAXIS1": side, "ZNAXIS2": side, "ZTILE1": side, "ZTILE2": side, "NAXIS2": 1}
    for keyword, value in wanted.items():
        place = data.find(f"{keyword:8}=".encode())
        if place >= 0:
            card = card_of(keyword, str(value), generator)
            data = data[:place] + card + data[place + CARD :]
    tile = data.find(b"\xdd\x99")
    if tile >= 0:
        data = data[: tile + 2] + struct.pack(">ii", side, side) + data[tile + 10 :]
    return data


TILE_TABLES: tuple[Mutator, ...] = (
    *(
        set_value_of(TABLE),
        set_value_of(TABLE),
        set_value_of(TABLE),
        _descriptor,
        _heap,
        _heap,
        _one_tile,
    ),
    *HEADER,
)
