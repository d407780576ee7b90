"""The headers of a stored FITS file, read by ranges and never with its pixels.

One read of 64 KB holds every header of a solved PANOPTES frame. What lies further on is
reached by the size arithmetic of the standard (FITS 4.0, sections 4.4.1 and 7), with one
more read a header. Unlike `fits.structure.walk_hdus`, which decides what can be archived,
this takes whatever another reader could make sense of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import CARD, Header, header_of, padded
from panoptes.network.fits.header_json import HduHeader
from panoptes.network.fits.structure import walk_hdus
from panoptes.network.fits.tile_keywords import image_cards
from panoptes.network.storage.store import ObjectStore

FIRST_READ = 1 << 16
"""Bytes."""
MAX_HEADER = 1 << 22
"""Bytes; more than what is archived may have, whose tables add some cards."""
MAX_HDUS = 256
MAX_HEADERS = 1 << 23
"""Bytes of all headers that one answer is read from."""

_END = re.compile(rb"END {5}(?!=)")


class NoSuchHdu(LookupError):
    """The file has no such HDU; the message says which it has."""


def read_headers(store: ObjectStore, name: str) -> list[HduHeader]:
    """The headers of every HDU of an object.

    Raises NotFound, and BadInput ``empty-file``, ``not-fits``, ``truncated-file``,
    ``bad-header``, ``unsupported-format``, and ``too-large`` beyond `MAX_HEADERS` bytes.
    """
    return list(_walk(_Window(store, name)))


def read_header(store: ObjectStore, name: str, hdu: int | str | None = None) -> HduHeader:
    """One header: the image's own, or that of an HDU by number (from 0) or by name.

    The image's own is the primary's, or that of the first extension where the primary is
    empty and the extension holds an image, as in every ``.fz``. A name may carry a
    version: ``SCI`` or ``SCI,2`` (EXTNAME and EXTVER, in any case). Raises NoSuchHdu and
    as `read_headers`; what lies behind the wanted HDU is not read.
    """
    walk = _walk(_Window(store, name))
    if hdu is None:
        primary = next(walk)
        if primary.holds_image:
            return primary
        second = next(walk, primary)
        return second if second.holds_image else primary
    seen: list[str] = []
    wanted, version = _wanted(hdu)
    for found in walk:
        if found.index == wanted or (
            found.name is not None
            and found.name.casefold() == wanted
            and version in (None, found.version)
        ):
            return found
        seen.append(found.name or str(found.index))
    raise NoSuchHdu(f"there is no HDU {hdu} in {name}: it has {len(seen)} ({', '.join(seen[:40])})")


def _wanted(hdu: int | str) -> tuple[int | str, int | None]:
    if isinstance(hdu, int):
        return hdu, None
    if hdu.isdecimal():
        return int(hdu), None
    name, comma, version = hdu.rpartition(",")
    if comma and version.strip().isdecimal():
        return name.strip().casefold(), int(version)
    return hdu.strip().casefold(), None


class _Window:
    """A part of an object, read on as it is needed."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._name = name
        self._start = 0
        self._data = b""
        self._ended = False

    def upto(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` and what else is held; fewer at the object's end.

        What lies before `start` is let go of: a walk through many HDUs goes forward only.
        """
        if start < self._start or start > self._start + len(self._data):
            self._start, self._data = start, b""
        elif start > self._start:
            self._start, self._data = start, self._data[start - self._start :]
        have = self._start + len(self._data)
        if end > have and not self._ended:
            wanted = max(end, start + FIRST_READ)
            more = self._store.read_range(self._name, have, wanted)
            self._data += more
            self._ended = len(more) < wanted - have
        return self._data


def _walk(window: _Window) -> Iterator[HduHeader]:
    first = window.upto(0, FIRST_READ)
    if not first.startswith(b"SIMPLE  ="):
        walk_hdus(first[:80])  # says what it is instead
    position = total = 0
    for index in range(MAX_HDUS):
        header = _read(window, position)
        total += header.length
        if total > MAX_HEADERS:
            raise BadInput("too-large", f"its headers together exceed {MAX_HEADERS:,} bytes")
        hdu, size = _describe(header, index)
        yield hdu
        position += header.length + padded(size)
        if not window.upto(position, position + 8).startswith(b"XTENSION"):
            return  # the end, special records (section 3.5), or rubbish: no header any way
    raise BadInput("unsupported-format", f"more than {MAX_HDUS} HDUs")


def _read(window: _Window, start: int) -> Header:
    """The header at `start`, up to its END card (section 3.3.1)."""
    searched, want = 0, CARD
    while True:
        have = window.upto(start, start + want)
        for found in _END.finditer(have, searched):
            if found.start() % CARD == 0:
                end = found.start()
                return Header(have[:end], start, padded(end + CARD))
        whole = len(have) - len(have) % CARD
        if any(byte < 32 for byte in have[searched:whole:CARD]):
            raise BadInput("bad-header", f"the header at byte {start} has no END card")
        if len(have) < want:
            raise BadInput(
                "truncated-file", f"the header at byte {start} has no END card in {len(have)} bytes"
            )
        if want >= MAX_HEADER:
            raise BadInput("bad-header", f"the header at byte {start} exceeds {MAX_HEADER} bytes")
        searched, want = whole, min(2 * len(have), MAX_HEADER)


def _describe(header: Header, index: int) -> tuple[HduHeader, int]:
    """What the HDU is, and the bytes of its data without padding."""
    naxis = _count(header, "NAXIS", index)
    if naxis > 999:
        raise BadInput("bad-header", f"HDU {index}: NAXIS is {naxis}")
    lengths = [_count(header, f"NAXIS{n}", index) for n in range(1, naxis + 1)]
    groups = index == 0 and naxis > 1 and not lengths[0] and header.get("GROUPS") is True
    pcount = _count(header, "PCOUNT", index, 0) if index or groups else 0
    gcount = _count(header, "GCOUNT", index, 1) if index or groups else 1
    values = math.prod(lengths[1:] if groups else lengths) if naxis else 0
    bits = header.get("BITPIX")
    if isinstance(bits, bool) or not isinstance(bits, int) or bits % 8:
        raise BadInput("bad-header", f"HDU {index}: BITPIX is {bits}")
    size = abs(bits) // 8 * gcount * (pcount + values)
    kind = _kind(header, index, groups)
    named = header.get("EXTNAME")
    shown = header
    if kind == "compressed-image":
        shown = _uncompressed(header)
        named = shown.get("EXTNAME", named)
    version = header.get("EXTVER", 1)
    return (
        HduHeader(
            index=index,
            name=named.strip() if isinstance(named, str) and named.strip() else None,
            version=version if isinstance(version, int) else 1,
            kind=kind,
            header=shown,
            holds_image=kind in ("image", "compressed-image") and size > 0,
        ),
        size,
    )


def _kind(header: Header, index: int, groups: bool) -> str:
    if index == 0:
        return "random-groups" if groups else "image"
    extension = str(header.get("XTENSION", "")).strip().upper()
    if extension in ("BINTABLE", "A3DTABLE") and header.get("ZIMAGE") is True:
        return "compressed-image"
    return {"IMAGE": "image", "IUEIMAGE": "image", "BINTABLE": "table", "TABLE": "table"}.get(
        extension, extension.lower() or "unknown"
    )


def _count(header: Header, keyword: str, index: int, default: int | None = None) -> int:
    value = header.get(keyword)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadInput("bad-header", f"HDU {index}: {keyword} is {value!r}, no count")
    return value


def _uncompressed(header: Header) -> Header:
    """The image's header as it was before compression (section 10.1.1), in its old place."""
    return header_of(b"".join(image_cards(header)))
