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
    """A running checksum."""

    def __init__(self) -> None:
        self._value = 0
        self.size = 0
        """Bytes seen so far."""

    def update(self, data: bytes) -> None:
        self._value = google_crc32c.extend(self._value, data)
        self.size += len(data)

    @property
    def base64(self) -> str:
        return base64.b64encode(self._value.to_bytes(4, "big")).decode("ascii")


def crc32c(data: bytes) -> str:
    """The checksum of `data`, base64."""
    running = Crc32c()
    running.update(data)
    return running.base64


def crc32c_of_stream(stream: BinaryIO) -> Crc32c:
    """The checksum and size of everything from the stream's position to its end."""
    running = Crc32c()
    while chunk := stream.read(CHUNK):
        running.update(chunk)
    return running
