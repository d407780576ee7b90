"""The checksum of FITS: 32-bit ones' complement sums (FITS Standard 4.0, 4.4.2.7, appendix J)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from panoptes.network.fits.cards import format_card, header_bytes

FULL = 0xFFFFFFFF
State: TypeAlias = Literal["absent", "holds", "stale"]


def checksum(data: bytes | bytearray | memoryview) -> int:
    """The ones' complement sum of `data` as big-endian 32-bit words, filled up with zeros.

    0 only if every byte is zero.
    """
    import numpy as np

    words = np.frombuffer(data, np.dtype(">u4"), len(data) // 4)
    rest = bytes(data[len(data) // 4 * 4 :]).ljust(4, b"\0")
    # No carry is lost in 64 bits, whatever fits into memory.
    return add_checksums([int(words.sum(dtype=np.uint64)), int.from_bytes(rest, "big")])


def add_checksums(parts: Iterable[int]) -> int:
    """The checksum of several runs of whole words, with the end-around carry."""
    total = sum(parts)
    while total > FULL:
        total = (total >> 32) + (total & FULL)
    return total


def shift_checksum(value: int, offset: int) -> int:
    """The share in a checksum of bytes that start `offset` bytes into the data.

    `value` is their own checksum. A shift by one byte divides by 2**8, and ones' complement
    sums are numbers modulo 2**32 - 1, so this is a rotation.
    """
    bits = 8 * (offset % 4)
    return (value >> bits | value << (32 - bits)) & FULL


def encode_checksum(value: int) -> str:
    """The 16 characters whose own sum is the complement of `value` (appendix J.2)."""
    letters = [""] * 16
    for index, byte in enumerate((~value & FULL).to_bytes(4, "big")):
        quotient, remainder = divmod(byte, 4)
        four = [quotient + 48 + remainder, quotient + 48, quotient + 48, quotient + 48]
        # Letters and digits only: pairs move apart until neither is a punctuation mark.
        for a, b in ((0, 1), (2, 3)):
            while any(58 <= four[i] <= 64 or 91 <= four[i] <= 96 for i in (a, b)):
                four[a] += 1
                four[b] -= 1
        for place in range(4):
            letters[4 * place + index] = chr(four[place])
    return letters[15] + "".join(letters[:15])


def sealed_header(cards: list[bytes], datasum: int) -> bytes:
    """A whole header from `cards`, with fresh CHECKSUM and DATASUM cards at its end.

    `datasum` is the checksum of the HDU's data with its padding.
    """
    data_card = format_card("DATASUM", str(datasum), "data unit checksum")

    def with_checksum(text: str) -> bytes:
        return header_bytes([*cards, format_card("CHECKSUM", text, "HDU checksum"), data_card])

    total = add_checksums([checksum(with_checksum("0" * 16)), datasum])
    return with_checksum(encode_checksum(total))


class Checksums(NamedTuple):
    """Whether an HDU's DATASUM and CHECKSUM cards agree with its bytes."""

    datasum: State
    checksum: State

    @property
    def state(self) -> State:
        """Of both together: stale if any is, else holds if any is there."""
        if "stale" in self:
            return "stale"
        return "holds" if "holds" in self else "absent"
