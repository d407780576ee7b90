"""Lossless JPEG (ITU-T T.81, process 14, predictor 1), as Canon cameras code their samples."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_CODE = 16
_ROWS = 128
"""Rows that are coded at a time."""


def code_lengths(counts: dict[int, int]) -> dict[int, int]:
    """Huffman code lengths by symbol; no code is all ones (C.2)."""
    # A dummy of no weight takes the longest code, which is the one of all ones.
    dummy = -1
    heap: list[tuple[int, int, tuple[int, ...]]]
    heap = [(count, symbol, (symbol,)) for symbol, count in counts.items()]
    heap.append((0, dummy, (dummy,)))
    heapq.heapify(heap)
    lengths = dict.fromkeys([*counts, dummy], 0)
    tie = max(counts) + 1
    while len(heap) > 1:
        one, _, left = heapq.heappop(heap)
        two, _, right = heapq.heappop(heap)
        for symbol in (*left, *right):
            lengths[symbol] += 1
        heapq.heappush(heap, (one + two, tie, left + right))
        tie += 1
    del lengths[dummy]
    if max(lengths.values()) > _LONGEST_CODE:
        # Rare differences: a flat code serves them all.
        return dict.fromkeys(counts, len(counts).bit_length())
    return lengths


def encode(samples: NDArray[np.uint16], *, components: int = 2, bits: int = 14) -> bytes:
    """A whole JPEG stream of `samples`, (rows, columns) in the order of the scan.

    Columns are a multiple of `components`; values fit into `bits`.
    """
    import numpy as np

    rows, width = samples.shape
    columns = width // components
    values = samples.reshape(rows, columns, components)
    frequency = np.zeros(17, np.int64)
    for _, categories in _differences(values, bits):
        frequency += np.bincount(categories, minlength=17)
    lengths = code_lengths({int(i): int(frequency[i]) for i in np.flatnonzero(frequency)})
    symbols = sorted(lengths, key=lambda symbol: (lengths[symbol], symbol))
    code_of, length_of = np.zeros(17, np.uint64), np.zeros(17, np.int64)
    code = previous = 0
    for symbol in symbols:
        code <<= lengths[symbol] - previous
        previous = lengths[symbol]
        code_of[symbol], length_of[symbol] = code, previous
        code += 1
    packer = _Packer()
    for difference, categories in _differences(values, bits):
        below = (np.uint32(1) << categories.astype(np.uint32)).astype(np.int32) - 1
        extra = np.where(difference < 0, difference + below, difference).astype(np.uint64)
        words = (code_of[categories] << categories.astype(np.uint64)) | extra
        packer.add(words, length_of[categories] + categories)
    scan = packer.finish()
    counts = [sum(1 for symbol in symbols if lengths[symbol] == n) for n in range(1, 17)]
    table = bytes(counts) + bytes(symbols)
    tables = b"".join(bytes([number]) + table for number in range(components))
    frame = struct.pack(">BHHB", bits, rows, columns, components) + b"".join(
        bytes((number + 1, 0x11, 0)) for number in range(components)
    )
    selectors = b"".join(bytes((number + 1, number << 4)) for number in range(components))
    start = bytes([components]) + selectors + b"\x01\x00\x00"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xC4, tables),
            _segment(0xC3, frame),
            _segment(0xDA, start),
            scan,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def _differences(
    values: NDArray[np.uint16], bits: int
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
    """Differences to the sample on the left (above, in the first column) and their numbers of
    bits, some rows at a time: a full frame would take gigabytes otherwise."""
    import numpy as np

    above = np.full((1, values.shape[2]), 1 << (bits - 1), np.int32)
    for first in range(0, len(values), _ROWS):
        block = values[first : first + _ROWS].astype(np.int32)
        difference = np.empty_like(block)
        difference[:, 1:] = block[:, 1:] - block[:, :-1]
        difference[:, 0] = block[:, 0] - np.concatenate([above, block[:-1, 0]])
        above = block[-1:, 0]
        flat = difference.reshape(-1)
        yield flat, np.frexp(np.abs(flat).astype(np.float32))[1].astype(np.uint8)


class _Packer:
    """Codes one after the other as bits, at the end filled up with ones, ``FF`` stuffed
    (F.1.2.3)."""

    def __init__(self) -> None:
        self._whole: list[bytes] = []
        self._rest = 0
        """The word of 32 bits that is not full yet, and how many bits it has."""
        self._bits = 0

    def add(self, words: NDArray[np.uint64], lengths: NDArray[np.int64]) -> None:
        import numpy as np

        ends = np.cumsum(lengths) + self._bits
        starts = ends - lengths
        index = starts >> 5
        shifted = words << (64 - (starts & 31) - lengths).astype(np.uint64)
        total = int(ends[-1])
        packed = np.zeros(total // 32 + 2, np.uint64)
        packed[0] = self._rest
        # Every code lies within two neighbouring words.
        for part, place in (
            (shifted >> np.uint64(32), index),
            (shifted & np.uint64(0xFFFFFFFF), index + 1),
        ):
            first = np.flatnonzero(np.diff(place, prepend=-1))
            packed[place[first]] += np.add.reduceat(part, first)
        self._whole.append(packed[: total // 32].astype(">u4").tobytes())
        self._rest, self._bits = int(packed[total // 32]), total % 32

    def finish(self) -> bytes:
        size = -(-self._bits // 8)
        padded = self._rest | ((1 << (32 - self._bits)) - 1)
        rest = padded.to_bytes(4, "big")[:size]
        return b"".join([*self._whole, rest]).replace(b"\xff", b"\xff\x00")
