"""Damage that any file can have: bits, spans of bytes, numbers."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import TypeAlias

from panoptes.network.fits.cards import BLOCK
from tests.fuzz.seeds import choose

Generator: TypeAlias = random.Random
Mutator: TypeAlias = Callable[[bytes, Generator], bytes]

WHOLE_NUMBERS = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 33, 64, 65, 127, 128, 255, 256, 999, 1000),
    *(32767, 32768, 65535, 65536, 2**24, 2**28, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**18, 10**30, 10**69),
)


def _span(size: int, generator: Generator) -> tuple[int, int]:
    """A place and an end in `size` bytes; short spans are likelier."""
    start = generator.randrange(size) if size else 0
    return start, min(size, start + int(2 ** generator.uniform(0, 12)))


def flip_bits(data: bytes, generator: Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    filling = generator.choice((b"\0", b"\xff", b" ", b"\t", b"\x7f", generator.randbytes(1)))
    return data[:start] + filling * (end - start) + data[end:]


def randomise(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + generator.randbytes(end - start) + data[end:]


def _truncate(data: bytes, generator: Generator) -> bytes:
    return data[: generator.randrange(len(data) + 1)]


def _cut(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + data[end:]


def _insert(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:start] + generator.randbytes(end - start) + data[start:]


def _repeat(data: bytes, generator: Generator) -> bytes:
    start, end = _span(len(data), generator)
    return data[:end] + data[start:end] * generator.choice((1, 2, 30)) + data[end:]


def _append(data: bytes, generator: Generator) -> bytes:
    more = generator.choice((b"\0", b" ", generator.randbytes(9), data[:BLOCK], b"XTENSION"))
    return data + more * generator.choice((1, 7, 2880))


def _splice(data: bytes, generator: Generator) -> bytes:
    other = choose(generator).data
    start, end = generator.randrange(len(data) + 1), generator.randrange(len(other) + 1)
    return data[:start] + other[end:]


def number_here(data: bytes, generator: Generator) -> bytes:
    """A number of two, four or eight bytes, in either order, at any place."""
    return with_number(data, generator.randrange(len(data) + 1), generator)


def with_number(data: bytes, place: int, generator: Generator, order: str = "") -> bytes:
    number = generator.choice(WHOLE_NUMBERS) * generator.choice((1, 1, 1, -1))
    code, size = generator.choice((("H", 2), ("I", 4), ("Q", 8)))
    packed = struct.pack((order or generator.choice("<>")) + code, number & ((1 << 8 * size) - 1))
    return data[:place] + packed + data[place + size :]


ANY_FILE: tuple[Mutator, ...] = (
    *(flip_bits, set_bytes, randomise, _truncate, _cut, _insert, _repeat, _append, _splice),
    number_here,
)
