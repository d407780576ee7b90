"""A part of an image, read from its file by ranges: of a compressed one, the tiles that it lies
in and no others.

What is read lies where it does in the file, within a buffer of the file's size of which the
system provides only the pages that are written to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.fits.cards import Header
from panoptes.network.fits.content import (
    MAX_DECODED,
    MAX_HEADER,
    MAX_PIXELS,
    Array,
    ImageContent,
    decoded,
    stored_dtype,
)
from panoptes.network.fits.structure import Hdu, read_hdu
from panoptes.network.fits.tile_reader import TileTable, read_table

Read: TypeAlias = Callable[[int, int], bytes]
"""The bytes of a file from a place up to, but not including, another."""

FIRST_READ = 1 << 16
"""Bytes."""
NEAR = 1 << 15
"""Bytes that are rather read along than left out by one more request."""
MAX_FILE = 1 << 31
"""Bytes."""
MAX_AT_ONCE = 1 << 27
"""Bytes of pixels that are in memory for a part of them: the rows or the tile that it lies in."""
MAX_HDUS = 100


class TooMuchToRead(ValueError):
    """A part of the image takes more of it than is read at once; the message says why."""


def _ahead(position: int) -> int:
    """Up to where is read at once for an HDU that begins at `position`."""
    return ((position + 8) // FIRST_READ + 1) * FIRST_READ


class Region(NamedTuple):
    """Pixels of an image; its first column and row are 0, as in numpy."""

    x: int
    y: int
    width: int
    height: int


class StoredImage:
    """The first image of a FITS file of `size` bytes, of which only headers have been read.

    Raises BadInput as `check_source` does for its structure.
    """

    def __init__(self, read: Read, size: int) -> None:
        if size > MAX_FILE:
            raise BadInput("too-large", f"{size} bytes")
        self._read = read
        self._file = np.zeros(size, np.uint8)
        self._have: list[tuple[int, int]] = []
        self._hdu = self._first_image()
        self._table: TileTable | None = None
        if self._hdu.kind == "compressed-image":
            rows = math.prod(self._hdu.shape)
            self._need(self._hdu.data_offset, self._hdu.data_offset + rows)
            self._table = read_table(self._file.data, self._hdu, max_pixels=MAX_PIXELS)
        elif self._hdu.pixels > MAX_PIXELS:
            raise BadInput("too-large", f"{self._hdu.pixels} pixels")

    @property
    def header(self) -> Header:
        """The image's, as it was before compression."""
        return self._hdu.header if self._table is None else self._table.header

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; of a cube, those of its planes."""
        shape = self._shape
        return (shape[-2] if len(shape) > 1 else 1), shape[-1]

    def section(self, region: Region) -> ImageContent:
        """The part of the image (of a cube, of its first plane) that lies in `region`.

        `region` must lie within the image. Raises BadInput ``corrupt-data``, and TransientError
        where the file ends too early.
        """
        self.require_room(region)
        pixels = self._plain(region) if self._table is None else self._tiles(self._table, region)
        return ImageContent(self.header, pixels, "absent")

    def require_room(self, region: Region) -> None:
        """Raises TooMuchToRead, or BadInput, where `section` would before it reads pixels."""
        rows, columns = self.shape
        x, y, width, height = region
        if min(region) < 0 or not width or not height or x + width > columns or y + height > rows:
            raise ValueError(f"{region} does not lie within {columns} x {rows} pixels")
        table = self._table
        if table is None:
            needed = height * columns * self._hdu.itemsize
            _require_room(needed, "the rows that it lies in are")
            return
        if table.room > MAX_DECODED:
            raise BadInput("too-large", f"more than {MAX_DECODED} bytes, once decoded")
        if table.decoder is None:
            _require_room(table.room, "the image has to be read whole, which is")
            return
        tile = (1,) * (2 - len(table.tile)) + table.tile
        size = min(math.prod(tile), math.prod(table.shape)) * stored_dtype(table.bitpix).itemsize
        sides = f"{tile[-1]:,} x {tile[-2]:,}"
        _require_room(size, f"the image lies in tiles of {sides} pixels, each of them")

    @property
    def _shape(self) -> tuple[int, ...]:
        return self._hdu.shape if self._table is None else self._table.shape

    def _first_image(self) -> Hdu:
        position = 0
        for index in range(MAX_HDUS):
            hdu = self._hdu_at(position, index)
            if hdu.pixels or hdu.kind == "compressed-image":
                return hdu
            position = hdu.end
            self._need(position, _ahead(position))
            if bytes(self._file[position : position + 8]) != b"XTENSION":
                break
        raise BadInput("no-image", "none of its HDUs has pixels")

    def _hdu_at(self, position: int, index: int) -> Hdu:
        end = _ahead(position)
        while True:
            self._need(position, end)
            try:
                return read_hdu(self._file.data, position, index, most=MAX_HEADER)
            except BadInput:
                if end >= min(len(self._file), position + MAX_HEADER):
                    raise
            end = position + max(FIRST_READ, 2 * (end - position))

    def _need(self, start: int, end: int) -> None:
        """Read what is not there yet."""
        start, end = max(0, start), min(end, len(self._file))
        for first, last in self._have:
            if first <= start < last:
                start = last
            if first < end <= last:
                end = first
        if start >= end:
            return
        data = self._read(start, end)
        if len(data) != end - start:
            raise TransientError("the file became shorter while it was read")
        self._file[start:end] = np.frombuffer(data, np.uint8)
        self._have.append((start, end))

    def _plain(self, region: Region) -> Array:
        """Whole rows are read: they are one range."""
        columns = self.shape[1]
        start = self._hdu.data_offset + region.y * columns * self._hdu.itemsize
        end = start + region.height * columns * self._hdu.itemsize
        self._need(start, end)
        lines = self._file[start:end].view(stored_dtype(self._hdu.bitpix))
        lines = lines.reshape(region.height, columns)
        return lines[:, region.x : region.x + region.width].copy()

    def _tiles(self, table: TileTable, region: Region) -> Array:
        shape = (1,) * (2 - len(table.shape)) + table.shape
        tile = (1,) * (2 - len(table.tile)) + table.tile
        grid = [-(-length // step) for length, step in zip(shape, tile, strict=True)]
        wanted = [slice(0, 1) for _ in shape[:-2]]
        wanted += [
            slice(region.y, region.y + region.height),
            slice(region.x, region.x + region.width),
        ]
        out = np.empty((region.height, region.width), stored_dtype(table.bitpix))
        if table.decoder is None:
            self._need(self._hdu.data_offset, self._hdu.end)
            whole = np.concatenate(list(decoded(table))).view(out.dtype).reshape(shape)
            out[:] = whole[tuple(wanted)].reshape(out.shape)
            return out
        places = list(
            product(
                *(
                    range(part.start // step, -(-part.stop // step))
                    for part, step in zip(wanted, tile, strict=True)
                )
            )
        )
        numbers = [int(np.ravel_multi_index(place, grid)) for place in places]
        self._need_tiles(table, numbers)
        for number, place in zip(numbers, places, strict=True):
            sides = [
                min(step, length - index * step)
                for index, step, length in zip(place, tile, shape, strict=True)
            ]
            data = table.decoder.decode([table.coded(number)], [math.prod(sides)], first=number)
            pixels = data.view(out.dtype).reshape(sides)[(0,) * (len(shape) - 2)]
            top, left = (place[axis] * tile[axis] for axis in (-2, -1))
            y, x = max(top, region.y), max(left, region.x)
            bottom = min(top + sides[-2], region.y + region.height)
            right = min(left + sides[-1], region.x + region.width)
            out[y - region.y : bottom - region.y, x - region.x : right - region.x] = pixels[
                y - top : bottom - top, x - left : right - left
            ]
        return out

    def _need_tiles(self, table: TileTable, numbers: list[int]) -> None:
        """Read the coded tiles, neighbours in one request."""
        heap = self._hdu.data_offset + len(table.data) - len(table.heap)
        starts = heap + table.offsets[numbers]
        ranges = sorted(zip(starts.tolist(), (starts + table.sizes[numbers]).tolist(), strict=True))
        _require_room(sum(last - first for first, last in ranges), "the tiles that it lies in are")
        start, end = ranges[0]
        for first, last in ranges[1:]:
            if first > end + NEAR:
                self._need(start, end)
                start = first
            end = max(end, last)
        self._need(start, end)


def _require_room(size: int, what: str) -> None:
    if size > MAX_AT_ONCE:
        raise TooMuchToRead(
            f"a part of it takes too much to read: {what} {size / 1e6:,.0f} MB, and no more than "
            f"{MAX_AT_ONCE / 1e6:,.0f} MB are read for a part. Download the file instead"
        )
