"""Tiles of pixels, coded and decoded (FITS Standard 4.0, section 10.4).

Pixels come and go as FITS stores them: big-endian, unscaled. Neighbouring tiles are taken
together in runs of a few hundred kilobytes, which stay in the processor's cache; the
codecs release the GIL.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from panoptes.network.errors import BadInput
from panoptes.network.fits.checksum import checksum

Bytes: TypeAlias = NDArray[np.uint8]
Coding: TypeAlias = Literal["RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"]
Method: TypeAlias = Literal["GZIP_2", "RICE_1"]
"""Of the codings, those that we write."""

RICE_BLOCK = 32
"""Pixels a Rice block, as fpack has it."""
GZIP_LEVEL = 1
_GZIP_WINDOW = 9
"""Bits. Noise repeats nothing; a short window is faster, and finds more of the runs that there
are in high bytes."""
RUN_BYTES = 1 << 19

# The library takes any buffer; its stubs name only some.
_Codec: TypeAlias = Callable[..., memoryview]


@dataclass(frozen=True)
class Run:
    """Neighbouring tiles, coded, end to end."""

    data: bytes
    sizes: tuple[int, ...]
    """Bytes of each tile."""
    checksum: int


def encode_tiles(
    pixels: memoryview, itemsize: int, lengths: Sequence[int], method: Method
) -> Iterator[Run]:
    """Code `pixels`, cut into tiles of `lengths` pixels one behind the other.

    `itemsize` is bytes a pixel; RICE_1 takes integers of 1, 2 or 4 bytes.
    """
    encode = _encode_rice if method == "RICE_1" else _encode_gzip
    position = 0
    for first, end, size in _runs(lengths, itemsize):
        part = np.frombuffer(pixels[position : position + size], np.uint8)
        yield encode(part, itemsize, lengths[first:end])
        position += size


def _runs(lengths: Sequence[int], itemsize: int) -> Iterator[tuple[int, int, int]]:
    """Tile numbers from and to (exclusive) of each run, and its bytes as pixels."""
    first = size = 0
    for end, length in enumerate(lengths, 1):
        size += length * itemsize
        if size >= RUN_BYTES or end == len(lengths):
            yield first, end, size
            first, size = end, 0


def _encode_rice(part: Bytes, itemsize: int, counts: Sequence[int]) -> Run:
    import imagecodecs

    rcomp_encode = cast(_Codec, imagecodecs.rcomp_encode)
    native = part.view(f">i{itemsize}").astype(f"i{itemsize}")
    # Worst case: five bits of overhead a block, and the first pixel.
    buffer = np.empty(part.size + part.size // 8 + 64 * len(counts), np.uint8)
    position = pixel = 0
    sizes = []
    for count in counts:
        tile = native[pixel : pixel + count]
        room = buffer[position : position + tile.nbytes + tile.nbytes // 8 + 64]
        size = len(rcomp_encode(tile, nblock=RICE_BLOCK, out=room))
        sizes.append(size)
        position += size
        pixel += count
    data = buffer[:position].tobytes()
    return Run(data, tuple(sizes), checksum(data))


def _encode_gzip(part: Bytes, itemsize: int, counts: Sequence[int]) -> Run:
    tiles = []
    position = 0
    for count in counts:
        tile = part[position : position + count * itemsize]
        tiles.append(_gzipped(_shuffle(tile, itemsize), itemsize))
        position += tile.size
    data = tiles[0] if len(tiles) == 1 else b"".join(tiles)
    return Run(data, tuple(map(len, tiles)), checksum(data))


def _gzipped(planes: Bytes, itemsize: int) -> bytes:
    """One gzip member; a plane of bytes begins with a block, and so with codes, of its own.

    The low bytes of an image are noise and the high ones nearly constant: under shared
    codes both are longer.
    """
    from isal import isal_zlib

    coder = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 16 + _GZIP_WINDOW, 9)
    count = planes.size // itemsize
    pieces = []
    for start in range(0, planes.size, count):
        if start:
            pieces.append(coder.flush(isal_zlib.Z_SYNC_FLUSH))
        pieces.append(coder.compress(planes[start : start + count]))
    pieces.append(coder.flush())
    return b"".join(pieces)


def _shuffle(tile: Bytes, itemsize: int) -> Bytes:
    """All first bytes, then all second bytes and so on (section 10.4.2, GZIP_2)."""
    if itemsize == 1:
        return tile
    planes = np.empty(tile.size, np.uint8)
    count = tile.size // itemsize
    if itemsize == 2:
        # Faster than a strided copy: both lines run on whole vectors.
        words = tile.view("<u2")
        np.copyto(planes[:count], words, casting="unsafe")
        np.copyto(planes[count:], words >> np.uint16(8), casting="unsafe")
    else:
        planes.reshape(itemsize, count)[:] = tile.reshape(count, itemsize).T
    return planes


def _unshuffle(planes: Bytes, itemsize: int, out: Bytes) -> None:
    count = planes.size // itemsize
    if itemsize == 2:
        words = out.view("<u2")
        np.copyto(words, planes[count:])
        words <<= np.uint16(8)
        words |= planes[:count]
    else:
        out.reshape(count, itemsize)[:] = planes.reshape(itemsize, count).T


@dataclass(frozen=True)
class TileDecoder:
    """Decodes tiles of one image; nothing is written beyond the pixels that were asked for."""

    coding: Coding
    itemsize: int
    """Bytes a pixel of the image."""
    rice_bytes: int = 4
    """Bytes a pixel as coded (BYTEPIX), for RICE_1."""
    rice_block: int = RICE_BLOCK
    floating: bool = False

    def decode(
        self,
        tiles: Sequence[memoryview],
        counts: Sequence[int],
        *,
        first: int = 0,
        behind: int = 0xFF,
    ) -> Bytes:
        """The bytes of the tiles' `counts` pixels, end to end, as FITS stores them.

        `first` is the number of the first tile, for messages, `behind` the byte that a Rice
        stream finds behind its end. Raises BadInput ``corrupt-data``.
        """
        if self.coding == "RICE_1":
            return self._decode_rice(tiles, counts, first, behind)
        out = np.empty(sum(counts) * self.itemsize, np.uint8)
        position = 0
        for number, (tile, count) in enumerate(zip(tiles, counts, strict=True), first):
            end = position + count * self.itemsize
            self._decode_gzip(tile, out[position:end], number)
            position = end
        return out

    def _decode_rice(
        self, tiles: Sequence[memoryview], counts: Sequence[int], first: int, behind: int
    ) -> Bytes:
        import imagecodecs

        rcomp_decode = cast(_Codec, imagecodecs.rcomp_decode)
        # The decoder looks at the end only between blocks. What it may read beyond it is
        # filled with ones that end every run of zeros, so a block reads at most 4 bytes a
        # pixel there.
        guard = 4 * self.rice_block + 64
        buffer = np.empty(max(map(len, tiles)) + guard, np.uint8)
        # Rice codes bytes as unsigned numbers, all others as signed ones.
        kind = "u1" if self.rice_bytes == 1 else f"i{self.rice_bytes}"
        native = np.empty(sum(counts), kind)
        position = 0
        for number, (tile, count) in enumerate(zip(tiles, counts, strict=True), first):
            size = len(tile)
            if size < self.rice_bytes + 1:
                raise BadInput("corrupt-data", f"tile {number} has {size} bytes")
            buffer[:size] = tile
            buffer[size : size + guard] = behind
            try:
                rcomp_decode(
                    buffer[:size],
                    out=native[position : position + count],
                    nblock=self.rice_block,
                )
            except imagecodecs.RcompError as error:
                raise BadInput("corrupt-data", f"tile {number}: {error}") from error
            position += count
        stored = native.astype(">u1" if self.itemsize == 1 else f">i{self.itemsize}")
        if self.itemsize < self.rice_bytes and not np.array_equal(stored, native):
            raise BadInput("corrupt-data", "values are too large for BITPIX")
        return stored.view(np.uint8)

    def _decode_gzip(self, tile: memoryview, out: Bytes, number: int) -> None:
        if self.coding == "NOCOMPRESS":
            if len(tile) != out.size:
                raise BadInput("corrupt-data", f"tile {number} has {len(tile)} bytes")
            out[:] = tile
            return
        if len(tile) < 18 or bytes(tile[:2]) != b"\x1f\x8b":
            raise BadInput("corrupt-data", f"tile {number} is no gzip stream")
        # The stream's last four bytes say how much it holds.
        claimed = int.from_bytes(tile[-4:], "little")
        if not self.floating and claimed == 4 * out.size // self.itemsize and self.itemsize < 4:
            # CFITSIO has coded short integers as four bytes each.
            wide = np.empty(claimed, np.uint8)
            self._inflate_pixels(tile, 4, wide, number)
            values = wide.view(">i4")
            narrow = out.view("u1" if self.itemsize == 1 else ">i2")
            narrow[:] = values.astype(narrow.dtype)
            if not np.array_equal(narrow, values):
                raise BadInput("corrupt-data", f"tile {number}: values are too large for BITPIX")
            return
        self._inflate_pixels(tile, self.itemsize, out, number)

    def _inflate_pixels(self, tile: memoryview, itemsize: int, out: Bytes, number: int) -> None:
        import imagecodecs

        gzip_decode = cast(_Codec, imagecodecs.gzip_decode)
        shuffled = self.coding == "GZIP_2" and itemsize > 1
        target = np.empty(out.size, np.uint8) if shuffled else out
        try:
            size = len(gzip_decode(tile, out=target))
        except imagecodecs.DeflateError:
            # libdeflate takes one member only and does not say what was wrong.
            size = _inflate(tile, target, number)
        if size != out.size:
            raise BadInput(
                "corrupt-data", f"tile {number} holds {size} bytes instead of {out.size}"
            )
        if shuffled:
            _unshuffle(target, itemsize, out)


def _inflate(tile: memoryview, target: Bytes, number: int) -> int:
    """Decode by zlib; gives the bytes decoded, at most one more than there is room for."""
    decoder = zlib.decompressobj(31)
    try:
        data = decoder.decompress(tile, target.size + 1)
    except zlib.error as error:
        raise BadInput("corrupt-data", f"tile {number}: {error}") from error
    if len(data) == target.size and decoder.eof:
        target[:] = np.frombuffer(data, np.uint8)
    elif len(data) == target.size:
        raise BadInput("corrupt-data", f"tile {number} ends too early")
    return len(data)


def decode_runs(
    decoder: TileDecoder, tile: Callable[[int], memoryview], counts: Sequence[int]
) -> Iterator[Bytes]:
    """The image's bytes run by run, from `tile`, which gives the coded tile of a number."""
    for first, end, _ in _runs(counts, decoder.itemsize):
        tiles = [tile(number) for number in range(first, end)]
        yield decoder.decode(tiles, counts[first:end], first=first)
