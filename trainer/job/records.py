"""The JSON files of a job: strict JSON, never seen half-written, and believed only as they were written.

A record that processes read again is sealed: it holds a checksum of the rest of it. Those of earlier versions hold none
and are believed if their fields are of the right kinds.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import UsageError

SEAL = "crc32"
Kinds = Mapping[str, type | tuple[type, ...]]


class DamagedRecordError(UsageError):
    """A file of a job is not as it was written."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(
            f"{path} is damaged: {what}", "the file as it was written", "Restore it from a copy, or delete it"
        )


def parsed(content: bytes, path: str, required: Kinds, optional: Kinds | None = None) -> dict[str, Any]:
    """The record in the content of a file, without its seal.

    Args:
      content: of the file.
      path: of it, for messages.
      required: by the names of fields that have to be there, of which kinds their values are.
      optional: likewise, for fields that may be missing.

    Raises:
      DamagedRecordError: it is no record, lacks a field, has one of another kind, or its seal is not right.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedRecordError(path, "it is not JSON") from None
    if not isinstance(record, dict):
        raise DamagedRecordError(path, "it is not a JSON object")
    seal = record.pop(SEAL, None)
    if seal is not None and seal != _checksum(record):
        raise DamagedRecordError(path, "it has another checksum than was written")
    for name, kinds in {**required, **(optional or {})}.items():
        if name not in record and name in required:
            raise DamagedRecordError(path, f"it has no {name}")
        if name in record and not _is_of(record[name], kinds):
            raise DamagedRecordError(path, f"its {name} cannot be {type(record[name]).__name__}")
    return record


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its checksum.

    Args:
      record: as JSON has it.
    """
    return {**record, SEAL: _checksum(record)}


def _checksum(record: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(record, sort_keys=True, default=str).encode()):08x}"


def _is_of(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """Whether a value is of one of some kinds; True and False are no numbers."""
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    return bool in listed if isinstance(value, bool) else isinstance(value, listed)


def write(path: str, record: Mapping[str, Any]) -> None:
    """Replaces the local file at `path` as a whole."""
    target = pathlib.Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            stream.write(text(record))
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def text(record: Mapping[str, Any]) -> str:
    """A record as its file holds it. NaN and infinities become null, since JSON has none."""
    return json.dumps(strict(record), indent=2, allow_nan=False, default=str) + "\n"


def strict(value: Any) -> Any:
    """`value` with null for every number that JSON cannot say; numpy scalars become plain numbers."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item() if getattr(value, "ndim", 0) == 0 else value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [strict(item) for item in value]
    return value
