"""What a FITS file holds, compressed or not: checked as a whole, decoded, compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import Header
from panoptes.network.fits.checksum import add_checksums, checksum, shift_checksum
from panoptes.network.fits.other_codings import decode_by_astropy
from panoptes.network.fits.structure import Hdu, checksums_hold, walk_hdus
from panoptes.network.fits.tile_keywords import TO_Z
from panoptes.network.fits.tile_reader import TileTable, read_table
from panoptes.network.fits.tiles import Bytes, decode_runs

Array: TypeAlias = NDArray[np.generic]
ChecksumState: TypeAlias = Literal["absent", "hold", "stale"]

MAX_PIXELS = 1 << 28
"""Nearly fifteen frames of a Canon EOS 100D."""
MAX_DECODED = 1 << 30
"""Bytes of all compressed images of a file, once decoded."""
MAX_HEADER = 1 << 21
"""Bytes of all headers of a file; more than 26,000 cards."""

_STRUCTURE = frozenset({*TO_Z, "ZHECKSUM", "ZDATASUM"})
_BOILERPLATE = (
    "  FITS (Flexible Image Transport System) format is",
    "  and Astrophysics', volume 376, page 359",
)


@dataclass(frozen=True)
class DecodedHdu:
    """One HDU as it was before compression."""

    index: int
    """In the file as stored."""
    header: Header
    stored: Array | None
    """Pixels of an image as FITS stores them: big-endian, not scaled."""
    data: memoryview
    """The data of an HDU that is no image; empty for images."""
    lossless: bool
    """False where the coding has changed the pixels."""


@dataclass(frozen=True)
class ImageContent:
    """The image of a file that was read whole: of its first HDU with pixels."""

    header: Header
    """As the image would have it uncompressed."""
    stored: Array
    """Pixels as FITS stores them: big-endian, not scaled; in numpy's order of axes."""
    checksums: ChecksumState

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    @cached_property
    def _scaling(self) -> tuple[float, float]:
        return _number(self.header, "BSCALE", 1), _number(self.header, "BZERO", 0)

    def physical(self, stored: Array) -> Array:
        """Physical values of some `stored` ones: BZERO + BSCALE x stored (section 4.4.2.5).

        In native byte order. Unsigned integers where the header follows their convention,
        the stored kind where it scales nothing, else float64: up to four times the room.
        """
        scale, zero = self._scaling
        dtype: np.dtype[np.generic] = stored.dtype.newbyteorder("=")
        native = stored.astype(dtype)
        kind = native.dtype.kind
        if scale == 1 and zero == 0:
            return native
        bits = 8 * native.dtype.itemsize
        if scale == 1 and kind == "i" and zero == 2 ** (bits - 1):
            # Adding half the range flips the highest bit.
            flipped = native.view(f"u{bits // 8}")
            flipped ^= np.array(zero, flipped.dtype)
            return flipped
        values = native.astype(np.float64)
        values *= scale
        values += zero
        return values

    def adu(self) -> NDArray[np.uint16]:
        """The first plane (rows, columns) as a camera counts: 0 to 65,535, NaN as 0."""
        plane = self.stored
        while plane.ndim > 2:
            plane = plane[0]
        values = self.physical(plane)
        if values.dtype == np.uint16:
            return values.view(np.uint16)
        plain = np.nan_to_num(values.astype(np.float32), nan=0.0)
        return np.clip(plain, 0, 65535).astype(np.uint16)


def _number(header: Header, keyword: str, default: float) -> float:
    value = header.get(keyword)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def stored_dtype(bitpix: int) -> np.dtype[np.generic]:
    """Of pixels as FITS stores them."""
    kind = "f" if bitpix < 0 else "u" if bitpix == 8 else "i"
    return np.dtype(f">{kind}{abs(bitpix) // 8}")


def check_source(
    fits: bytes,
    strict: bool = False,
    /,
    *,
    max_pixels: int = MAX_PIXELS,
    max_decoded: int = MAX_DECODED,
    max_header: int = MAX_HEADER,
) -> ImageContent:
    """Read a `.fits` whole: its structure, its image, its checksums.

    Stale checksums are reported, not refused: real frames carry them, edited by software
    that did not renew them. `strict` is for `check_compressed`. Raises BadInput as `walk_hdus`
    does, ``no-image``, ``too-large``, ``unsupported-format`` and, for an HDU compressed inside,
    ``corrupt-data``.
    """
    hdus = _walk(fits, max_pixels, max_header)
    left, room = max_pixels - sum(hdu.pixels for hdu in hdus), max_decoded
    image: tuple[Header, Array] | None = None
    states: list[str] = []
    for hdu in hdus:
        checks = checksums_hold(fits, hdu)
        states += checks
        if hdu.kind == "compressed-image":
            if strict and checks.state == "stale":
                which = [n.upper() for n, state in checks._asdict().items() if state == "stale"]
                raise BadInput("checksum-mismatch", f"HDU {hdu.index}: {' and '.join(which)}")
            table = read_table(fits, hdu, max_pixels=left)
            left -= table.pixels
            room -= table.room
            if room < 0:
                raise BadInput("too-large", f"more than {max_decoded} bytes, once decoded")
            stored, source_sum = _decoded(table)
            if strict and checks.state == "absent" and table.decoder is not None:
                # Ours takes a damaged Rice stream that ends early or late; astropy's says so.
                decode_by_astropy(table)
            states.append(source_sum)
            if strict and source_sum == "stale" and checks.state == "absent":
                raise BadInput("checksum-mismatch", f"HDU {hdu.index}: ZDATASUM")
            image = image or (table.header, stored)
        elif hdu.pixels and image is None:
            image = hdu.header, _plain(fits, hdu)
    if image is None:
        raise BadInput("no-image", f"none of its {len(hdus)} HDUs has pixels")
    state: ChecksumState = (
        "stale" if "stale" in states else "hold" if "holds" in states else "absent"
    )
    return ImageContent(image[0], image[1], state)


def check_compressed(fz: bytes, **limits: int) -> ImageContent:
    """Read a `.fits.fz` whole: every tile decoded, the checksums of what is stored held.

    A wrong CHECKSUM or DATASUM of a compressed image means that the file was damaged:
    BadInput ``checksum-mismatch``. A ZDATASUM (the source's own sum) that does not fit
    the decoded pixels counts as damage only where the table has no checksum of its own;
    where that one holds, the source's was stale before it was compressed, and that is
    reported as for a `.fits`. Checksums of HDUs that are not compressed are reported,
    too. A file that is plain FITS is taken for what it is. Has the limits of `check_source`,
    and raises BadInput as that does.
    """
    return check_source(fz, True, **limits)


def _walk(file: bytes, max_pixels: int, max_header: int | None = None) -> list[Hdu]:
    hdus = walk_hdus(file, max_header=max_header)
    if any(hdu.kind == "random-groups" for hdu in hdus):
        raise BadInput("unsupported-format", "random groups")
    pixels = sum(hdu.pixels for hdu in hdus)
    if pixels > max_pixels:
        raise BadInput("too-large", f"{pixels} pixels")
    return hdus


def _plain(file: bytes, hdu: Hdu) -> Array:
    return np.frombuffer(hdu.data(file), stored_dtype(hdu.bitpix)).reshape(hdu.shape)


def decoded(table: TileTable) -> Iterable[Bytes]:
    """A tiled image's bytes as FITS stores them, in order, piece by piece, whatever its coding.

    Raises BadInput ``corrupt-data``.
    """
    decoder = table.decoder
    if decoder is None:
        return [decode_by_astropy(table)]
    parts = decode_runs(decoder, table.coded, table.counts)
    if table.in_order:
        return parts
    image = np.empty(table.shape, f">u{table.itemsize}")
    places = zip(table.blocks(), table.counts, strict=True)
    for part in parts:
        values = part.view(image.dtype)
        while values.size:
            block, count = next(places)
            image[block] = values[:count].reshape(image[block].shape)
            values = values[count:]
    return [image.reshape(-1).view(np.uint8)]


def _decoded(table: TileTable) -> tuple[Array, str]:
    """The pixels, and whether ZDATASUM holds for them."""
    out = np.empty(table.pixels * table.itemsize, np.uint8)
    position = 0
    stated = table.hdu.header.exact("ZDATASUM") if table.lossless else None
    sums = []
    for part in decoded(table):
        out[position : position + part.size] = part
        if stated not in (None, ""):
            sums.append(shift_checksum(checksum(part.data), position))
        position += part.size
    state = "absent"
    if stated not in (None, ""):
        state = "holds" if str(stated) == str(add_checksums(sums)) else "stale"
    return out.view(stored_dtype(table.bitpix)).reshape(table.shape), state


def decode(fz: bytes, *, max_pixels: int = MAX_PIXELS) -> list[DecodedHdu]:
    """All HDUs of a file with their images decompressed; checksums are not looked at.

    `max_pixels` bounds all images together. Raises BadInput as `check_source` does, but
    not ``no-image``.
    """
    found = []
    hdus = _walk(fz, max_pixels)
    left = max_pixels - sum(hdu.pixels for hdu in hdus)
    for hdu in hdus:
        header, stored, data, lossless = hdu.header, None, memoryview(b""), True
        if hdu.kind == "compressed-image":
            table = read_table(fz, hdu, max_pixels=left)
            left -= table.pixels
            header, stored, lossless = table.header, _decoded(table)[0], table.lossless
        elif hdu.pixels:
            stored = _plain(fz, hdu)
        else:
            data = hdu.data(fz)
        found.append(DecodedHdu(hdu.index, header, stored, data, lossless))
    return found


def same_image(a: bytes, b: bytes) -> bool:
    """Whether two FITS files, compressed in whatever coding or not, hold the same.

    The same pixels to the bit, the same data of other HDUs, and the same cards (keyword,
    value and comment) but for their order, those of the structure and the checksums. HDUs
    that say nothing else are passed over. Raises BadInput if either cannot be read.
    """
    mine, theirs = (list(_telling(decode(file))) for file in (a, b))
    return len(mine) == len(theirs) and all(map(_equal, mine, theirs))


_Telling: TypeAlias = tuple[DecodedHdu, Counter[tuple[str, str, str]]]


def _telling(hdus: list[DecodedHdu]) -> Iterator[_Telling]:
    for hdu in hdus:
        cards = _cards(hdu.header)
        if hdu.stored is not None or len(hdu.data) or cards:
            yield hdu, cards


def _cards(header: Header) -> Counter[tuple[str, str, str]]:
    cards: Counter[tuple[str, str, str]] = Counter()
    for keyword, value, comment in header.cards:
        name = keyword.upper()
        if name in _STRUCTURE or (name.startswith("NAXIS") and name[5:].isdigit()):
            continue
        if (name, value) in (("EXTNAME", "COMPRESSED_IMAGE"), ("BSCALE", 1), ("BZERO", 0)):
            continue
        if not name and not value:
            continue
        if name == "COMMENT" and str(value).startswith(_BOILERPLATE):
            continue
        # Writers word the comments of these two as they like.
        note = "" if name in ("BSCALE", "BZERO", "EXTNAME") else comment
        # 1 and 1.0 are the same value of a card.
        whole = isinstance(value, float) and value.is_integer()
        shown = repr(int(value) if isinstance(value, float) and whole else value)
        cards[name, shown, note] += 1
    return cards


def _equal(a: _Telling, b: _Telling) -> bool:
    (mine, my_cards), (theirs, their_cards) = a, b
    if my_cards != their_cards or mine.data != theirs.data:
        return False
    if mine.stored is None or theirs.stored is None:
        return mine.stored is theirs.stored
    left, right = mine.stored, theirs.stored
    bits = f"u{left.dtype.itemsize}"
    # As bits: NaN equals itself, and -0.0 is not 0.0.
    return left.dtype == right.dtype and np.array_equal(left.view(bits), right.view(bits))
