"""CRC32C as Cloud Storage writes it: base64 of the four big-endian bytes.

https://cloud.google.com/storage/docs/data-validation
"""

from __future__ import annotations

import base64
from typing import BinaryIO

import google_crc32c

CHUNK = 1 << 20
"""Bytes handled at once by whatever streams."""


class Crc32c:
    """A running checksum, and the number of bytes that it has seen."""

    def __init__(self, data: bytes = b"") -> None:
        self._value = 0
        self.size = 0
        self.update(data)

    def update(self, data: bytes) -> None:
        self._value = google_crc32c.extend(self._value, data)
        self.size += len(data)

    @property
    def base64(self) -> str:
        return base64.b64encode(self._value.to_bytes(4, "big")).decode("ascii")


def crc32c(data: bytes) -> str:
    """The checksum of `data`, base64."""
    return Crc32c(data).base64


def crc32c_of_stream(stream: BinaryIO) -> Crc32c:
    """The checksum and size of everything from the stream's position to its end."""
    running = Crc32c()
    while chunk := stream.read(CHUNK):
        running.update(chunk)
    return running
