"""What the processes of a job tell each other through its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer import storage
from trainer.estimator.saving import directories
from trainer.job import records

EVALUATOR = "evaluator.json"
TRAINING_DONE = "training_done.json"
_OWNER = "owner"
LEASE_SECS = 3600.0


def read_record(model_dir: str, name: str) -> dict[str, Any]:
    """A record of a job; empty when there is none."""
    directory = directories.at(model_dir)
    content = directory.read(name)
    record = dict(json.loads(content)) if content else {}
    # In a bucket a process that was replaced may wake and write one; only the present owner's counts.
    return record if record.get(_OWNER) in (None, directory.owner) else {}


def write_record(model_dir: str, name: str, record: Mapping[str, Any]) -> None:
    """Replaces a record of a job, whole; its directory is made."""
    directory = directories.at(model_dir)
    owned = {_OWNER: directory.owner} if name == TRAINING_DONE and directory.owner else {}
    directory.write(name, records.text({**record, **owned}).encode())


def being_read(model_dir: str, now: float) -> tuple[str, ...]:
    """Paths of the checkpoints that an evaluator reads; a reader that has said nothing for an hour is taken for
    gone."""
    record = read_record(model_dir, EVALUATOR)
    reading = record.get("reading")
    if not reading or now - float(record.get("at", 0.0)) > LEASE_SECS:
        return ()
    return (storage.join(model_dir, reading),)
