"""The structure of a FITS file: its HDUs, where they lie and what they hold.

Rules are those of the FITS Standard 4.0 (https://fits.gsfc.nasa.gov/fits_standard.html).
Nothing is allocated on the word of a header: sizes are compared with the file first.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import CARD, Header, Value, keyword_of, padded
from panoptes.network.fits.checksum import FULL, Checksums, State, add_checksums, checksum

Kind: TypeAlias = Literal[
    "image", "table", "bintable", "compressed-image", "random-groups", "other"
]
BITPIX = frozenset({8, 16, 32, 64, -32, -64})
MAX_NAXIS = 999
MAX_DIMENSIONS = 64
"""Axes of an array that numpy can hold, https://numpy.org/doc/2.0/release/2.0.0-notes.html;
the standard's 999 cannot be decoded, and so not be archived and compared."""
MAX_HDUS = 10_000
MOST = 2**63 - 1

_END = re.compile(rb"END {5}(?!=)")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip file"),
    (b"\x1f\x9d", "a file of Unix compress (.Z)"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"PK", "a zip file"),
    (b"II*\0\x10\0\0\0CR", "a Canon raw (CR2)"),
    (b"II*\0", "a TIFF or camera raw file"),
    (b"MM\0*", "a TIFF or camera raw file"),
    (b"II\x1a\0", "a Canon raw (CRW)"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x89HDF", "an HDF5 file"),
    (b"%PDF", "a PDF document"),
    (b"{", "JSON"),
    (b"<?xml", "XML"),
    (b"<", "an HTML or XML page"),
)


@dataclass(frozen=True)
class Hdu:
    """One header and data unit. Positions are bytes from the start of the file."""

    index: int
    header: Header
    kind: Kind
    bitpix: int
    shape: tuple[int, ...]
    """As numpy counts: NAXISn ... NAXIS1; of a compressed image, of its table."""
    data_offset: int
    data_size: int
    """Bytes of data without padding."""
    end: int
    """Where the next HDU starts; beyond the file where only padding is missing."""

    @property
    def offset(self) -> int:
        return self.header.offset

    @property
    def itemsize(self) -> int:
        """Bytes a value."""
        return abs(self.bitpix) // 8

    @property
    def pixels(self) -> int:
        """How many values an image holds, 0 for anything else and for an empty image."""
        return math.prod(self.shape) if self.kind == "image" and self.shape else 0

    def data(self, file: bytes | memoryview) -> memoryview:
        """The data without padding, no copy."""
        return memoryview(file)[self.data_offset : self.data_offset + self.data_size]


def walk_hdus(data: bytes | memoryview, *, max_header: int | None = None) -> list[Hdu]:
    """The HDUs of a whole file, at least one.

    `max_header` limits the bytes of all headers together, since a card costs many times its
    80 bytes once it is read.

    Where nothing but the padding of the last block is missing, every reader takes the file
    and nothing is lost, so it is accepted; so are zero bytes or blanks behind the last
    HDU. Anything else there (special records, section 3.5) could not be archived.

    Raises BadInput ``empty-file``, ``not-fits``, ``truncated-file``, ``bad-header``,
    ``too-large`` for headers beyond `max_header`, and ``unsupported-format`` for special
    records.
    """
    left = len(data) if max_header is None else max_header
    view = memoryview(data)
    if not len(view):
        raise BadInput("empty-file")
    hdus: list[Hdu] = []
    position = 0
    while position < len(view):
        if hdus and bytes(view[position : position + 8]) != b"XTENSION":
            _check_rest(view, position)
            break
        if len(hdus) >= MAX_HDUS:
            raise BadInput("unsupported-format", f"more than {MAX_HDUS} HDUs")
        hdu = read_hdu(data, position, len(hdus), most=left)
        left -= hdu.header.length
        hdus.append(hdu)
        position = hdu.end
    return hdus


def read_hdu(data: bytes | memoryview, start: int, index: int, *, most: int) -> Hdu:
    """HDU number `index`, which begins at `start`, by its header alone, of at most `most` bytes.

    Raises BadInput as `walk_hdus` does.
    """
    if not index:
        _check_magic(memoryview(data))
    return _read_hdu(data, _read_header(data, start, most), index)


def checksums_hold(file: bytes | memoryview, hdu: Hdu) -> Checksums:
    """Whether the HDU's DATASUM and CHECKSUM agree with its bytes in `file`."""
    datasum, hdu_sum = hdu.header.exact("DATASUM"), hdu.header.exact("CHECKSUM")
    if datasum is None and hdu_sum is None:
        return Checksums("absent", "absent")
    view = memoryview(file)
    data_sum = checksum(view[hdu.data_offset : hdu.end])
    stated: State = "absent"
    if datasum not in (None, ""):
        try:
            stated = "holds" if int(str(datasum)) == data_sum else "stale"
        except ValueError:
            stated = "stale"
    if hdu_sum in (None, ""):
        return Checksums(stated, "absent")
    header = bytes(view[hdu.offset : hdu.data_offset]).ljust(hdu.header.length)
    total = add_checksums([checksum(header), data_sum])
    return Checksums(stated, "holds" if total in (0, FULL) else "stale")


def _check_magic(view: memoryview) -> None:
    head = bytes(view[:80])
    if head.startswith(b"SIMPLE  ="):
        return
    if b"SIMPLE  =".startswith(head):
        raise BadInput("truncated-file", f"it ends after {len(head)} bytes")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, name in _MAGIC:
        if head.startswith(magic) or text.startswith(magic):
            raise BadInput("not-fits", f"it looks like {name}")
    if not any(head):
        raise BadInput("not-fits", "it begins with zero bytes only")
    raise BadInput("not-fits", "it does not begin with SIMPLE")


def _check_rest(view: memoryview, position: int) -> None:
    rest = bytes(view[position:])
    if not rest.strip(b"\0") or not rest.strip(b" "):
        return
    if b"XTENSION".startswith(rest):
        raise BadInput("truncated-file", f"it ends {len(rest)} bytes into an extension")
    raise BadInput(
        "unsupported-format",
        f"{len(rest)} bytes behind the last HDU, at byte {position}, are no extension",
    )


def _read_header(data: bytes | memoryview, start: int, most: int) -> Header:
    """The header at `start`, up to its END card (section 3.3.1), of up to `most` bytes."""
    step = 36 * CARD
    position = start
    size = len(data)
    while position < size:
        if position - start >= most:
            raise BadInput(
                "too-large", f"its headers, up to byte {position:,}, are beyond the limit"
            )
        block = bytes(data[position : position + step])
        for found in _END.finditer(block):
            if found.start() % CARD == 0 and len(block) - found.start() >= 8:
                end = position + found.start()
                raw = bytes(data[start:end])
                return Header(raw, start, padded(end + CARD - start))
        if any(byte < 32 for byte in block[::CARD]):
            raise BadInput("bad-header", f"the header at byte {start} has no END card")
        position += step
    raise BadInput(
        "truncated-file", f"the header at byte {start} has no END card in {size - start} bytes"
    )


def _read_hdu(data: bytes | memoryview, header: Header, index: int) -> Hdu:
    lead = [Header(card).cards[0] for card in header.raw_cards()[:3]]
    if len(lead) < 3 or [card.keyword for card in lead[1:]] != ["BITPIX", "NAXIS"]:
        raise BadInput("bad-header", f"HDU {index} does not begin with BITPIX and NAXIS")
    extension = lead[0].value
    if index == 0 and extension is not True:
        raise BadInput("bad-header", "SIMPLE is not T: the file itself says it is not standard")
    bitpix = whole(index, "BITPIX", lead[1].value, low=-64)
    naxis = whole(index, "NAXIS", lead[2].value, high=MAX_NAXIS)
    if bitpix not in BITPIX:
        raise BadInput("bad-header", f"HDU {index}: BITPIX is {bitpix}")
    if naxis > MAX_DIMENSIONS:
        raise BadInput("unsupported-format", f"HDU {index} has {naxis} axes")
    axes = [Header(card).cards[0] for card in header.raw_cards()[3 : 3 + naxis]]
    if [card.keyword for card in axes] != [f"NAXIS{n}" for n in range(1, naxis + 1)]:
        raise BadInput("bad-header", f"HDU {index}: NAXIS1 to NAXIS{naxis} are not in order")
    _check_repeated(header, 3 + naxis, {"BITPIX", "NAXIS", *(card.keyword for card in axes)})
    lengths = [whole(index, card.keyword, card.value) for card in axes]

    groups = index == 0 and naxis > 1 and lengths[0] == 0 and header.exact("GROUPS") is True
    kind = _kind(header, index, groups)
    pcount, gcount = 0, 1
    if index > 0 or groups:
        pcount = _optional_whole(header, "PCOUNT", 0, index)
        gcount = _optional_whole(header, "GCOUNT", 1, index)
        if kind == "image" and (pcount, gcount) != (0, 1):
            # Section 7.1.1; no two readers agree on where its pixels would be.
            raise BadInput("bad-header", f"HDU {index}, an image: PCOUNT {pcount}, GCOUNT {gcount}")
    values = math.prod(lengths[1:] if groups else lengths) if naxis else 0
    size = abs(bitpix) // 8 * gcount * (pcount + values)
    data_offset = header.offset + header.length
    present = max(0, len(data) - data_offset)
    if size > present:
        raise BadInput(
            "truncated-file", f"HDU {index} should hold {size} bytes of data, {present} are there"
        )
    return Hdu(
        index=index,
        header=header,
        kind=kind,
        bitpix=bitpix,
        shape=tuple(reversed(lengths)),
        data_offset=data_offset,
        data_size=size,
        end=data_offset + padded(size),
    )


def _check_repeated(header: Header, behind: int, keywords: set[str]) -> None:
    """Readers differ in which of two cards they believe."""
    for card in header.raw_cards()[behind:]:
        if keyword_of(card) in keywords:
            raise BadInput("bad-header", f"{keyword_of(card)} is there twice")


def _kind(header: Header, index: int, groups: bool) -> Kind:
    if index == 0:
        return "random-groups" if groups else "image"
    extension = str(header.exact("XTENSION", "")).strip()
    if extension in ("IMAGE", "IUEIMAGE"):
        return "image"
    if extension in ("BINTABLE", "A3DTABLE"):
        return "compressed-image" if header.exact("ZIMAGE") is True else "bintable"
    return "table" if extension == "TABLE" else "other"


def whole(index: int, keyword: str, value: Value, *, low: int = 0, high: int = MOST) -> int:
    """A card's whole number in HDU `index`. Raises BadInput ``bad-header`` for any other value."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput("bad-header", f"HDU {index}: {keyword} is {value!r}, no whole number")
    if not low <= value <= high:
        wrong = "too large" if value > high else "negative or too small"
        raise BadInput("bad-header", f"HDU {index}: {keyword} is {value}, {wrong}")
    return value


def _optional_whole(header: Header, keyword: str, default: int, index: int) -> int:
    value = header.exact(keyword, default)
    return default if value is None else whole(index, keyword, value)
