"""What a listing tells of one file or object."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One file or object.

    Attributes:
      path: as it is read: local, or `gs://bucket/name`.
      size: bytes.
      generation: moves with every write; of a file, made of its number and of the time of its last change.
      crc32c: of the content, in base64, as the bucket keeps it; None for a file.
      updated: seconds since 1970.
    """

    path: str
    size: int
    generation: int
    crc32c: str | None
    updated: float


ABSENT = 0
"""The generation of what does not exist, for `if_generation`."""
