"""Damage of an MP4 file's boxes."""

from __future__ import annotations

from tests.fuzz.mutations.any_file import WHOLE_NUMBERS, Generator


def box(data: bytes, generator: Generator) -> bytes:
    """A box of the top level gets another size or kind, or comes again."""
    boxes: list[int] = []
    place = 0
    while place + 8 <= len(data) and len(boxes) < 100:
        boxes.append(place)
        place += max(8, int.from_bytes(data[place : place + 4], "big"))
    if not boxes:
        return data
    place = generator.choice(boxes)
    match generator.randrange(4):
        case 0:
            number = generator.choice((*WHOLE_NUMBERS, len(data))) & 0xFFFFFFFF
            return data[:place] + number.to_bytes(4, "big") + data[place + 4 :]
        case 1:
            kind = generator.choice((b"moov", b"moof", b"free", b"ftyp", b"\0\0\0\0", b"\xff  x"))
            return data[: place + 4] + kind + data[place + 8 :]
        case 2:
            large = generator.choice(WHOLE_NUMBERS) & (2**64 - 1)
            head = b"\0\0\0\1" + data[place + 4 : place + 8] + large.to_bytes(8, "big")
            return data[:place] + head + data[place + 8 :]
        case _:
            return data[:place] + b"\0\0\0\x08free" * generator.choice((1, 5000)) + data[place:]
