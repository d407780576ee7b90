"""A forgiving reader of TIFF structures: pure on bytes, bounded, and never inventing.

TIFF 6.0 section 2. Every IFD, entry and value is looked at only where it lies whole inside
the file; loops and absurd counts end the reading of that part, never of the program.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
"""Bytes a value, by field type."""
_MAX_ENTRIES = 1000
_MAX_CHAIN = 16
_MAX_VALUES = 65536


@dataclass(frozen=True, slots=True)
class Tiff:
    """The bytes of a TIFF file and their order."""

    data: bytes
    order: str
    """``<`` or ``>``, as for struct."""

    @classmethod
    def open(cls, data: bytes) -> Self | None:
        """None when the bytes do not begin as TIFF."""
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
        return None if order is None or len(data) < 8 else cls(data, order)

    def long_at(self, offset: int) -> int | None:
        """The unsigned 32-bit number at `offset`, if the file has it."""
        if not 0 <= offset <= len(self.data) - 4:
            return None
        return int(struct.unpack_from(f"{self.order}I", self.data, offset)[0])

    def chain(self, offset: int) -> list[Ifd]:
        """The IFD at `offset` and those that follow it, each once."""
        found: list[Ifd] = []
        seen: set[int] = set()
        while offset and offset not in seen and len(found) < _MAX_CHAIN:
            seen.add(offset)
            ifd = Ifd.read(self, offset)
            if ifd is None:
                break
            found.append(ifd)
            offset = ifd.following
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag's type, number of values and the place of the first, inside the file."""

    kind: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Ifd:
    """An image file directory: tag -> entry."""

    tiff: Tiff
    entries: dict[int, Entry]
    following: int
    """Where the next IFD is; 0 for none."""

    @classmethod
    def empty(cls, tiff: Tiff) -> Self:
        return cls(tiff, {}, 0)

    @classmethod
    def read(cls, tiff: Tiff, offset: int) -> Self | None:
        """None when there is no directory at `offset`."""
        data, order = tiff.data, tiff.order
        if not 8 <= offset <= len(data) - 2:
            return None
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        if not 0 < count <= _MAX_ENTRIES:
            return None
        entries: dict[int, Entry] = {}
        for place in range(offset + 2, offset + 2 + 12 * count, 12):
            if place + 12 > len(data):
                break
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, place)
            size = _SIZES.get(kind, 0) * number
            if not 0 < number <= _MAX_VALUES or not size:
                continue
            start = place + 8
            if size > 4:
                (start,) = struct.unpack_from(f"{order}I", data, start)
            if start + size <= len(data):
                entries.setdefault(tag, Entry(kind, number, start))
        return cls(tiff, entries, tiff.long_at(offset + 2 + 12 * count) or 0)

    def child(self, tag: int, *, inline: bool = False) -> Ifd:
        """The IFD that `tag` points at, or (maker notes) whose bytes the tag holds; an empty
        one if there is none."""
        entry = self.entries.get(tag)
        offset = entry.offset if inline and entry else self.integer(tag) or 0
        return Ifd.read(self.tiff, offset) or Ifd.empty(self.tiff)

    def text(self, tag: int, *, skip: int = 0) -> str | None:
        """An ASCII value up to its first NUL, trimmed, without `skip` leading bytes; None
        where nothing is left."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (1, 2, 7):
            return None
        raw = self.tiff.data[entry.offset + skip : entry.offset + entry.count]
        text = bytes(raw).split(b"\0", 1)[0].rstrip(b"\xff").decode("latin-1").strip()
        return text if text and text.isprintable() else None

    def shorts(self, tag: int, *, signed: bool = False) -> tuple[int, ...]:
        """Whole numbers, 16-bit ones `signed` or not whatever the tag's type says; none if the
        tag is absent or of another type."""
        entry = self.entries.get(tag)
        short = "h" if signed else "H"
        code = {1: "B", 3: short, 4: "I", 8: short, 9: "i"}.get(entry.kind if entry else 0)
        if entry is None or code is None:
            return ()
        return struct.unpack_from(
            f"{self.tiff.order}{entry.count}{code}", self.tiff.data, entry.offset
        )

    def integer(self, tag: int) -> int | None:
        values = self.shorts(tag)
        return values[0] if values else None

    def fraction(self, tag: int) -> tuple[int, int] | None:
        """Numerator and denominator as written, not reduced."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (5, 10):
            return None
        code = "II" if entry.kind == 5 else "ii"
        top, bottom = struct.unpack_from(f"{self.tiff.order}{code}", self.tiff.data, entry.offset)
        return int(top), int(bottom)

    def rational(self, tag: int) -> float | None:
        """None where the denominator is 0."""
        value = self.fraction(tag)
        return None if value is None or value[1] == 0 else value[0] / value[1]
