"""The small files by which the processes of a job coordinate through its directory.

| file | written by | read by | says |
|---|---|---|---|
| `training_done.json` | the chief, at the end | evaluator, servers, workers | why training ended, and the last step |
| `evaluator.json` | the evaluator, while it works | the chief | what it reads now, its last result, that it is alive |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job import records

EVALUATOR = "evaluator.json"
TRAINING_DONE = "training_done.json"
_OWNER = "owner"
LEASE_SECS = 3600.0
"""How long an evaluator that no longer writes its record keeps a checkpoint from being deleted."""


def read_record(directory: JobDirectory, name: str) -> dict[str, Any]:
    """A record of a job; empty when there is none.

    Args:
      directory: of the job.
      name: of the file, EVALUATOR or TRAINING_DONE.
    """
    content = directory.records.read(name)
    record = dict(json.loads(content)) if content else {}
    # In a bucket a chief that was replaced may wake up and write one: only that of the present owner counts.
    return record if record.get(_OWNER) in (None, directory.checkpoints.owner) else {}


def write_record(directory: JobDirectory, name: str, record: Mapping[str, Any]) -> None:
    """Replaces a record of a job in one piece; makes its directory.

    Args:
      directory: of the job.
      name: of the file, EVALUATOR or TRAINING_DONE.
      record: what JSON can hold.
    """
    owner = directory.checkpoints.owner if name == TRAINING_DONE else None
    owned = {_OWNER: owner} if owner else {}
    directory.records.write(name, records.text({**record, **owned}).encode())


def being_read(directory: JobDirectory, now: float) -> tuple[str, ...]:
    """The names of the checkpoints that the evaluator is reading.

    Args:
      directory: of the job.
      now: the time in seconds; an evaluator whose record is older than LEASE_SECS is taken to be dead.
    """
    record = read_record(directory, EVALUATOR)
    reading = record.get("reading")
    if not reading or now - float(record.get("at", 0.0)) > LEASE_SECS:
        return ()
    return (reading,)
