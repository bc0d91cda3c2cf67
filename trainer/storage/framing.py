"""The framing of TFRecord files, which event files have too: a length and its checksum, a record and its checksum."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import google_crc32c

LARGEST_RECORD_BYTES = 1 << 30
LENGTH = struct.Struct("<QI")
CHECKSUM = struct.Struct("<I")
FRAME_BYTES = LENGTH.size + CHECKSUM.size


def is_framed(head: bytes) -> bool:
    """Whether a file that starts so is a TFRecord: its first twelve bytes are a length and the checksum of it."""
    if len(head) < LENGTH.size:
        return False
    length, checksum = LENGTH.unpack_from(head)
    return bool(length <= LARGEST_RECORD_BYTES and checksum == masked(head[:8]))


def frame(record: bytes) -> bytes:
    """The record as it is in a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, CHECKSUM.pack(masked(length)), record, CHECKSUM.pack(masked(record))))


def masked(data: bytes) -> int:
    """CRC-32C, rotated and offset as TFRecord does it."""
    crc = google_crc32c.value(data)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def sound_records(path: str) -> Iterator[bytes]:
    """The records of an uncompressed local file, up to the first that is damaged or cut off.

    TensorFlow's own reader would take memory for any length that a file claims, and be aborted.
    """
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size
        while is_framed(header := file.read(LENGTH.size)):
            size = LENGTH.unpack(header)[0] + CHECKSUM.size
            left -= LENGTH.size + size
            if left < 0:
                return
            rest = file.read(size)
            if len(rest) < size or CHECKSUM.unpack_from(rest, size - CHECKSUM.size)[0] != masked(
                rest[: -CHECKSUM.size]
            ):
                return
            yield rest[: -CHECKSUM.size]
