"""The frame header and the end of a lossless JPEG stream (ITU-T T.81, annexes B, C and H)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Codes: TypeAlias = Mapping[int, tuple[int, int]]
"""Number of bits of a difference -> its Huffman code and that code's length."""


@dataclass(frozen=True, slots=True)
class LjpegFrame:
    """What a stream says of itself."""

    bits: int
    rows: int
    columns: int
    components: int
    codes: tuple[Codes, ...] = ()
    """Of each component."""


_SOI, _SOF3, _DHT, _SOS = 0xD8, 0xC3, 0xC4, 0xDA
_END = b"\xff\xd9"
_TAIL = 1024
_TRAILER = 64
"""Bytes at the end of the stream in which its end marker is looked for."""


def read_ljpeg_frame(stream: bytes) -> LjpegFrame | None:
    """The frame of a plain lossless stream: one scan of all components, predictor 1, no
    subsampling, point transform or restarts, and whole to its end marker. None for others.
    """
    data = stream[:4096]
    if data[:2] != bytes((0xFF, _SOI)) or _END not in stream[-_TRAILER:]:
        return None
    frame: LjpegFrame | None = None
    tables: dict[int, Codes] = {}
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if length < 2 or len(body) != length - 2:
            return None
        if marker == _DHT:
            tables |= _tables(body)
        elif marker == _SOF3 and frame is None:
            frame = _frame(body)
            if frame is None:
                return None
        elif marker == _SOS:
            return None if frame is None else _with_codes(frame, body, tables)
        else:
            return None
        place += 2 + length
    return None


def _frame(body: bytes) -> LjpegFrame | None:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        return None
    if any(sampling != 0x11 for sampling in body[7::3]):
        return None
    rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return LjpegFrame(body[0], rows, columns, body[5])


def _tables(body: bytes) -> dict[int, Codes]:
    """The Huffman tables of a DHT segment, by their number (B.2.4.2, C.2)."""
    found: dict[int, Codes] = {}
    while len(body) >= 17:
        number, counts = body[0], body[1:17]
        symbols, body = body[17 : 17 + sum(counts)], body[17 + sum(counts) :]
        codes: dict[int, tuple[int, int]] = {}
        code, place = 0, 0
        for length, count in enumerate(counts, 1):
            for symbol in symbols[place : place + count]:
                codes[symbol] = (code, length)
                code += 1
            place += count
            code <<= 1
        found[number] = codes
    return found


def _with_codes(frame: LjpegFrame, body: bytes, tables: Mapping[int, Codes]) -> LjpegFrame | None:
    count = frame.components
    if len(body) != 4 + 2 * count or body[0] != count or body[-3:] != b"\x01\x00\x00":
        return None
    numbers = [selector >> 4 for selector in body[2 : 2 + 2 * count : 2]]
    if any(number not in tables for number in numbers):
        return None
    return replace(frame, codes=tuple(tables[number] for number in numbers))


def ends_as_decoded(stream: bytes, frame: LjpegFrame, last: Sequence[int]) -> bool:
    """Whether the last samples, coded again, are the stream's last bits.

    A damaged stream is soon read in step again, but with some samples too many or too few,
    which shows at its end and nowhere else. `last` are the last samples of the last row, at
    least two of every component, in the order of the scan.
    """
    tail = stream[-_TAIL:]
    end = tail.rfind(_END)
    coded = tail[:end].replace(b"\xff\x00", b"\xff")
    present = int.from_bytes(coded, "big")
    count = frame.components
    value = size = 0
    for index in range(count, len(last)):
        difference = (last[index] - last[index - count] + 0x8000) % 0x10000 - 0x8000
        category = abs(difference).bit_length()
        code, length = frame.codes[index % count].get(category, (0, 0))
        if not length:
            return False
        extra = difference if difference >= 0 else difference + (1 << category) - 1
        if category < 16:
            code, length = code << category | extra, length + category
        value, size = value << length | code, size + length
    if size + 8 > 8 * len(coded):
        return False
    mask = (1 << size) - 1
    return any(present >> padding & mask == value for padding in range(8))
