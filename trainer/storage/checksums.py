"""CRC32C as buckets state it: base64 of four big-endian bytes."""

from __future__ import annotations

import base64

import google_crc32c

_BLOCK = 1 << 20


class Running:
    """The checksum of bytes that come in blocks."""

    def __init__(self) -> None:
        self._value = 0

    def add(self, block: bytes) -> None:
        """Takes the next block."""
        self._value = google_crc32c.extend(self._value, block)

    @property
    def text(self) -> str:
        """The checksum of all blocks so far."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode()


def of_bytes(data: bytes) -> str:
    """The checksum of bytes in memory."""
    running = Running()
    running.add(data)
    return running.text


def of_file(path: str) -> str:
    """The checksum of a file, which is read in blocks."""
    running = Running()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            running.add(block)
    return running.text
