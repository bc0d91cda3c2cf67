"""What the processes of a job tell each other through its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer.estimator.saving import job_directory
from trainer.job import records

EVALUATOR = "evaluator.json"
TRAINING_DONE = "training_done.json"
_OWNER = "owner"
LEASE_SECS = 3600.0


def read_record(model_dir: str, name: str) -> dict[str, Any]:
    """A record of a job; empty when there is none."""
    directory = job_directory.of_process().at(model_dir)
    content = directory.records.read(name)
    record = dict(json.loads(content)) if content else {}
    # In a bucket a process that was replaced may wake and write one; only the present owner's counts.
    return record if record.get(_OWNER) in (None, directory.checkpoints.owner) else {}


def write_record(model_dir: str, name: str, record: Mapping[str, Any]) -> None:
    """Replaces a record of a job, whole; its directory is made."""
    directory = job_directory.of_process().at(model_dir)
    owner = directory.checkpoints.owner if name == TRAINING_DONE else None
    owned = {_OWNER: owner} if owner else {}
    directory.records.write(name, records.text({**record, **owned}).encode())


def being_read(model_dir: str, now: float) -> tuple[str, ...]:
    """Names of the checkpoints that an evaluator reads; a reader that has said nothing for an hour is taken for
    gone."""
    record = read_record(model_dir, EVALUATOR)
    reading = record.get("reading")
    if not reading or now - float(record.get("at", 0.0)) > LEASE_SECS:
        return ()
    return (reading,)
