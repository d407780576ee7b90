"""The table that holds a tile-compressed image, read (FITS Standard 4.0, section 10).

Files come from anywhere: every size that the header and the descriptors claim is held
against the file before anything is allocated or decoded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import Header, format_card, header_of, keyword_of
from panoptes.network.fits.structure import BITPIX, MAX_DIMENSIONS, MAX_NAXIS, MOST, Hdu, whole
from panoptes.network.fits.tile_keywords import image_cards
from panoptes.network.fits.tiles import RICE_BLOCK, Bytes, Coding, TileDecoder

MAX_TILES = 1 << 18
"""Of one image; a frame of a Canon EOS 100D in fpack's tiles of one row has 3,476."""
MOST_SHARED = 4
"""Times that a heap may be read: tiles may lie in the same bytes, but then somebody jests."""
_OURS: dict[str, Coding] = {
    "RICE_1": "RICE_1",
    "RICE_ONE": "RICE_1",
    "GZIP_1": "GZIP_1",
    "GZIP_2": "GZIP_2",
    "NOCOMPRESS": "NOCOMPRESS",
}
RARE_BYTES = 48
"""A pixel, in memory, of codings that are left to astropy."""


@dataclass(frozen=True)
class TileTable:
    """A tile-compressed image whose sizes have all been checked against the file."""

    hdu: Hdu
    bitpix: int
    shape: tuple[int, ...]
    """Of the image, as numpy counts."""
    tile: tuple[int, ...]
    """Of a tile, as numpy counts."""
    coding: str
    rice_bytes: int
    rice_block: int
    quantised: bool
    """Whether pixels went through ZSCALE and ZZERO."""
    simple: bool
    """Whether COMPRESSED_DATA alone holds all tiles."""
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    gzipped: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    """Sizes and offsets of tiles that are in GZIP_COMPRESSED_DATA instead."""
    column: Column
    """COMPRESSED_DATA."""
    data: memoryview
    """Table and heap."""
    heap: memoryview

    @property
    def pixels(self) -> int:
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        return abs(self.bitpix) // 8

    @cached_property
    def header(self) -> Header:
        """The image's header as it was before compression."""
        cards = image_cards(self.hdu.header)
        if not any(keyword_of(card) in ("SIMPLE", "XTENSION") for card in cards):
            cards.insert(0, format_card("SIMPLE", True))
        return header_of(b"".join(cards))

    @property
    def decoder(self) -> TileDecoder | None:
        """The decoder of our own, None where the coding is left to astropy."""
        coding = _OURS.get(self.coding)
        if coding is None or not self.simple or self.quantised:
            return None
        if coding == "RICE_1" and self.bitpix < 0:
            return None
        return TileDecoder(
            coding, self.itemsize, self.rice_bytes, self.rice_block, floating=self.bitpix < 0
        )

    @property
    def room(self) -> int:
        """Bytes that decoding takes at most, but for the runs in the works."""
        return self.pixels * (self.itemsize if self.decoder is not None else RARE_BYTES)

    @property
    def lossless(self) -> bool:
        """Whether the decoded pixels are those that were compressed."""
        if self.quantised:
            return False
        scale = _option(self.hdu, "SCALE", 0)
        return self.coding != "HCOMPRESS_1" or scale == 0

    def coded(self, number: int) -> memoryview:
        """The coded bytes of one tile."""
        start = int(self.offsets[number])
        return self.heap[start : start + int(self.sizes[number])]

    def blocks(self) -> Iterator[tuple[slice, ...]]:
        """Where each tile lies in the image."""
        axes = [
            [slice(start, min(start + step, length)) for start in range(0, length, step)]
            for length, step in zip(self.shape, self.tile, strict=True)
        ]
        return product(*axes)

    @cached_property
    def counts(self) -> list[int]:
        """Pixels of each tile."""
        sides = [
            [min(step, length - start) for start in range(0, length, step)]
            for length, step in zip(self.shape, self.tile, strict=True)
        ]
        return [math.prod(tile) for tile in product(*sides)]

    @property
    def in_order(self) -> bool:
        """Whether tiles one behind the other are pixels one behind the other."""
        wide = [i for i, step in enumerate(self.tile) if step > 1]
        return not wide or all(
            self.tile[i] >= self.shape[i] for i in range(wide[0] + 1, len(self.shape))
        )


def _option(hdu: Hdu, name: str, default: int) -> int | float:
    """The value of the compression option ZNAMEn = `name`. Raises BadInput ``bad-header``."""
    for n in range(1, 20):
        found = hdu.header.exact(f"ZNAME{n}")
        if found is None:
            break
        if not isinstance(found, str):
            raise BadInput("bad-header", f"HDU {hdu.index}: ZNAME{n} is {found!r}, no name")
        if found.strip().upper() == name:
            value = hdu.header.exact(f"ZVAL{n}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadInput("bad-header", f"HDU {hdu.index}: ZVAL{n} is {value!r}, no number")
            return value
    return default


_WIDTH = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}
_FORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")


@dataclass(frozen=True)
class Column:
    """A column of a binary table."""

    name: str
    start: int
    """Bytes from a row's begin."""
    kind: str
    element: int
    """Bytes of an element of a variable-length column."""


def _columns(hdu: Hdu) -> tuple[list[Column], int]:
    count = _integer(hdu, "TFIELDS", low=1, high=999)
    columns = []
    start = 0
    for n in range(1, count + 1):
        form = _FORM.match(str(hdu.header.exact(f"TFORM{n}", "")).strip().upper())
        if form is None:
            raise BadInput("bad-header", f"HDU {hdu.index}: TFORM{n} cannot be read")
        repeat = int(form[1] or 1)
        kind = form[2]
        name = str(hdu.header.exact(f"TTYPE{n}", "")).strip().upper()
        columns.append(Column(name, start, kind if repeat else "", _WIDTH.get(form[3], 1)))
        if kind == "X":
            start += -(-repeat // 8)
        else:
            start += repeat * {"P": 8, "Q": 16}.get(kind, _WIDTH.get(kind, 1))
    return columns, start


_LONGEST = 2**31 - 1
"""A tile's side; readers count it in 32 bits."""


def _integer(
    hdu: Hdu, keyword: str, *, low: int = 0, high: int = MOST, default: int | None = None
) -> int:
    return whole(hdu.index, keyword, hdu.header.exact(keyword, default), low=low, high=high)


def read_table(file: bytes | memoryview, hdu: Hdu, *, max_pixels: int) -> TileTable:
    """The tile-compressed image in `hdu`, nothing decoded or allocated by its claims yet.

    Raises BadInput ``bad-header``, ``too-large`` (over `max_pixels`), ``corrupt-data`` and
    ``unsupported-format``.
    """
    bitpix = _integer(hdu, "ZBITPIX", low=-64)
    if bitpix not in BITPIX:
        raise BadInput("bad-header", f"HDU {hdu.index}: ZBITPIX is {bitpix}")
    naxis = _integer(hdu, "ZNAXIS", low=1, high=MAX_NAXIS)
    if naxis > MAX_DIMENSIONS:
        raise BadInput("unsupported-format", f"HDU {hdu.index}: its image has {naxis} axes")
    axes = [_integer(hdu, f"ZNAXIS{n}") for n in range(1, naxis + 1)]
    if math.prod(axes) > max_pixels:
        raise BadInput("too-large", f"HDU {hdu.index} claims {math.prod(axes)} pixels")
    if not math.prod(axes):
        raise BadInput("unsupported-format", f"HDU {hdu.index}: an empty image, compressed")
    # The default tile is one row (section 10.1.1).
    defaults = [axes[0], *(1 for _ in axes[1:])]
    steps = [
        min(_integer(hdu, f"ZTILE{n}", low=1, high=_LONGEST, default=default), length)
        for n, (default, length) in enumerate(zip(defaults, axes, strict=True), 1)
    ]
    expected = math.prod(-(-length // step) for length, step in zip(axes, steps, strict=True))
    if expected > MAX_TILES:
        raise BadInput("too-large", f"HDU {hdu.index} is cut into {expected} tiles")
    height, width = hdu.shape if len(hdu.shape) == 2 else (0, 0)
    if height != expected or hdu.bitpix != 8:
        raise BadInput(
            "corrupt-data", f"HDU {hdu.index} holds {height} tiles, its image has {expected}"
        )
    columns, row = _columns(hdu)
    if row != width:
        raise BadInput("bad-header", f"HDU {hdu.index}: its columns do not fill a row")

    data = hdu.data(file)
    theap = _integer(hdu, "THEAP", default=height * width)
    if not height * width <= theap <= len(data):
        raise BadInput("corrupt-data", f"HDU {hdu.index}: the heap lies outside the table")
    heap = data[theap:]
    rows = np.frombuffer(data[: height * width], np.uint8).reshape(height, width)
    found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for column in columns:
        if column.kind in ("P", "Q"):
            found[column.name] = _descriptors(rows, column, len(heap), hdu.index)
    if "COMPRESSED_DATA" not in found:
        raise BadInput("bad-header", f"HDU {hdu.index} has no column of compressed data")
    sizes, offsets = found.pop("COMPRESSED_DATA")
    if int(sizes.sum()) > MOST_SHARED * len(heap):
        raise BadInput("corrupt-data", f"HDU {hdu.index}: its tiles all lie in the same bytes")
    coding = hdu.header.exact("ZCMPTYPE")
    if not isinstance(coding, str):
        raise BadInput("bad-header", f"HDU {hdu.index}: ZCMPTYPE is {coding!r}")
    names = {column.name for column in columns}
    table = TileTable(
        hdu=hdu,
        bitpix=bitpix,
        shape=tuple(reversed(axes)),
        tile=tuple(reversed(steps)),
        coding=coding.strip().upper(),
        rice_bytes=int(_option(hdu, "BYTEPIX", 4)),
        rice_block=int(_option(hdu, "BLOCKSIZE", RICE_BLOCK)),
        quantised="ZSCALE" in names or hdu.header.exact("ZSCALE") is not None,
        simple=not any(lengths.any() for lengths, _ in found.values()),
        sizes=sizes,
        offsets=offsets,
        gzipped=found.get("GZIP_COMPRESSED_DATA"),
        column=next(column for column in columns if column.name == "COMPRESSED_DATA"),
        data=data,
        heap=heap,
    )
    rice_options = table.rice_bytes in (1, 2, 4) and 1 <= table.rice_block <= 4096
    if table.coding.startswith("RICE") and not rice_options:
        raise BadInput(
            "unsupported-format",
            f"Rice with BYTEPIX {table.rice_bytes}, BLOCKSIZE {table.rice_block}",
        )
    return table


def _descriptors(
    rows: Bytes, column: Column, heap: int, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sizes and offsets in bytes of a variable-length column, all inside the heap."""
    half = 4 if column.kind == "P" else 8
    raw = np.ascontiguousarray(rows[:, column.start : column.start + 2 * half])
    pairs = raw.view(f">i{half}").astype(np.int64)
    lengths, offsets = pairs[:, 0], pairs[:, 1]
    inside = (
        (lengths >= 0)
        & (offsets >= 0)
        & (offsets <= heap)
        & (lengths <= (heap - offsets) // column.element)
    )
    # An empty entry may point anywhere.
    inside |= lengths == 0
    if not inside.all():
        tile = int(np.argmin(inside))
        raise BadInput("corrupt-data", f"HDU {index}: tile {tile} lies outside the heap")
    return lengths * column.element, np.where(lengths == 0, 0, offsets)
