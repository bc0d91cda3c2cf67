"""The JSON files of a job: strict JSON, and never seen half-written."""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any


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
