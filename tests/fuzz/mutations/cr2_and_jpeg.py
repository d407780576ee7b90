"""Damage of what CR2 files are made of: TIFF directories and JPEG streams."""

from __future__ import annotations

import re

from tests.fuzz.mutations.any_file import (
    WHOLE_NUMBERS,
    Generator,
    Mutator,
    flip_bits,
    number_here,
    with_number,
)

_POINTERS = frozenset({0x8769, 0x927C, 0x8825, 0x014A})


def _entries(data: bytes) -> list[int]:
    """Places of the entries of all directories, those of a maker note included."""
    found: list[int] = []
    seen: set[int] = set()
    waiting = [int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")]
    while waiting and len(seen) < 30:
        place = waiting.pop()
        if not 8 <= place < len(data) - 6 or place in seen:
            continue
        seen.add(place)
        count = int.from_bytes(data[place : place + 2], "little")
        if count > 500:
            continue
        entries = [place + 2 + 12 * n for n in range(count)]
        found += [e for e in entries if e + 12 <= len(data)]
        for entry in entries:
            if int.from_bytes(data[entry : entry + 2], "little") in _POINTERS:
                waiting.append(int.from_bytes(data[entry + 8 : entry + 12], "little"))
        behind = place + 2 + 12 * count
        waiting.append(int.from_bytes(data[behind : behind + 4], "little"))
    return found


_TAGS = (
    *(0x100, 0x101, 0x102, 0x103, 0x106, 0x10F, 0x110, 0x111, 0x112, 0x115, 0x116, 0x117, 0x11C),
    *(0x132, 0x14A, 0x201, 0x202, 0x828D, 0x828E, 0x8769, 0x8825, 0x927C, 0x9003, 0xC612),
    *(0xC640, 0xC6C5, 0xC61A, 0xC61D, 0x4001, 0xE0, 0x10, 0x04, 0x0C, 0x96, 0xAA, 0x83),
)


def _entry(data: bytes, generator: Generator) -> bytes:
    entries = _entries(data)
    if not entries:
        return number_here(data, generator)
    place = generator.choice(entries)
    raw = bytearray(data[place : place + 12])
    number = generator.choice((*WHOLE_NUMBERS, place, len(data), len(data) - 1)) & 0xFFFFFFFF
    match generator.randrange(6):
        case 0:
            raw[:2] = generator.choice(_TAGS).to_bytes(2, "little")
        case 1:
            raw[2:4] = generator.choice((*range(15), 65535)).to_bytes(2, "little")
        case 2:
            raw[4:8] = number.to_bytes(4, "little")
        case 3 | 4:
            raw[8:12] = number.to_bytes(4, "little")
        case 5:
            other = generator.choice(entries)
            raw = bytearray(data[other : other + 12])
    return data[:place] + bytes(raw) + data[place + 12 :]


def _directory_link(data: bytes, generator: Generator) -> bytes:
    """A directory follows that was there already, or lies anywhere."""
    entries = _entries(data)
    if not entries:
        return data
    target = generator.choice((*(e - 2 for e in entries), 8, 0, len(data) - 4, 2**32 - 1))
    place = generator.choice((4, 12, *(e + 12 for e in entries)))
    return data[:place] + target.to_bytes(4, "little") + data[place + 4 :]


def _entry_values(data: bytes, generator: Generator) -> bytes:
    """The values that an entry points at: sizes, slices, levels, serial numbers."""
    entries = _entries(data)
    if not entries:
        return data
    entry = generator.choice(entries)
    place = int.from_bytes(data[entry + 8 : entry + 12], "little")
    count = int.from_bytes(data[entry + 4 : entry + 8], "little")
    if not 0 < place < len(data) - 8:
        return data
    place = min(place + 2 * generator.randrange(max(1, min(count, 2000))), len(data) - 8)
    return with_number(data, place, generator, "<")


def _segments(data: bytes) -> list[int]:
    """Where the marker segments of every JPEG stream in the file begin."""
    found = []
    for start in [m.start() for m in re.finditer(rb"\xff\xd8\xff", data)][:8]:
        place = start + 2
        while place + 4 <= len(data) and data[place] == 0xFF and 0xC0 <= data[place + 1] < 0xFF:
            found.append(place)
            if data[place + 1] == 0xDA:
                break
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return found


_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE1, 0xFE)


def _segment(data: bytes, generator: Generator) -> bytes:
    segments = _segments(data)
    if not segments:
        return flip_bits(data, generator)
    place = generator.choice(segments)
    length = int.from_bytes(data[place + 2 : place + 4], "big")
    match generator.randrange(6):
        case 0:
            return data[: place + 1] + bytes([generator.choice(_MARKERS)]) + data[place + 2 :]
        case 1:
            near = generator.choice((0, 1, 2, length - 1, length + 1, 0xFFFF)) & 0xFFFF
            return data[: place + 2] + near.to_bytes(2, "big") + data[place + 4 :]
        case 2:
            return data[:place] + data[place + 2 + length :]
        case 3:
            return data[:place] + data[place : place + 2 + length] + data[place:]
        case _:
            where = place + 4 + generator.randrange(max(1, min(length, 60)))
            value = generator.choice((0, 1, 2, 4, 0x11, 0x7F, 0x80, 0xFF, generator.randrange(256)))
            return data[:where] + bytes([value]) + data[where + 1 :]


def _scan(data: bytes, generator: Generator) -> bytes:
    """Bits of the coded samples behind the last header, or markers among them."""
    segments = _segments(data)
    start = segments[-1] + 14 if segments else 0
    if start >= len(data):
        return data
    place = generator.randrange(start, len(data))
    insert = generator.choice((b"", b"\xff", b"\xff\xd9", b"\xff\xd0", b"\xff\xda", b"\xff\0"))
    if insert:
        return data[:place] + insert + data[place + generator.choice((0, len(insert))) :]
    return data[:start] + flip_bits(data[start:], generator)


RAW: tuple[Mutator, ...] = (
    *(_entry, _entry, _entry, _directory_link, _entry_values, _entry_values, _segment, _scan),
)
PICTURE: tuple[Mutator, ...] = (_segment, _segment, _scan)
