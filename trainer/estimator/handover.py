"""What the processes of a job tell each other through its directory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

EVALUATOR = "evaluator.json"
TRAINING_DONE = "training_done.json"
LEASE_SECS = 3600.0


def read_record(model_dir: str, name: str) -> dict[str, Any]:
    """A record of a job; empty when there is none."""
    file = Path(model_dir, name)
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def being_read(model_dir: str, now: float) -> tuple[str, ...]:
    """Paths of the checkpoints that an evaluator reads; a reader that has said nothing for an hour is taken for
    gone."""
    record = read_record(model_dir, EVALUATOR)
    reading = record.get("reading")
    if not reading or now - float(record.get("at", 0.0)) > LEASE_SECS:
        return ()
    return (os.path.join(model_dir, reading),)
