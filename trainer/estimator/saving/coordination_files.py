"""The small files by which the processes of a job coordinate through its directory.

| file | written by | read by | says |
|---|---|---|---|
| `training_done.json` | the chief, at the end | evaluator, servers, workers | why training ended, and the last step |
| `evaluator.json` | the evaluator, while it works | the chief | what it reads now, its last result, that it is alive |
| `server_stopping.json` | a parameter server that is asked to end | the chief | that it is to save in time |
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trainer import storage
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job import records
from trainer.job.records import DamagedRecordError, Kinds

log = logging.getLogger("trainer")

EVALUATOR = "evaluator.json"
TRAINING_DONE = "training_done.json"
SERVER_STOPPING = "server_stopping.json"
FAILED = "failed"
"""The reason in TRAINING_DONE where training ended by an error."""
_OWNER = "owner"
_NOTHING = type(None)
_KINDS: Mapping[str, tuple[Kinds, Kinds]] = {
    TRAINING_DONE: ({"reason": str, "global_step": int}, {"checkpoint": (str, _NOTHING), _OWNER: str}),
    SERVER_STOPPING: ({"task": str, "at": (int, float)}, {}),
    EVALUATOR: (
        {},
        {
            "reading": (str, _NOTHING),
            "left": bool,
            "at": (int, float),
            "global_step": (int, _NOTHING),
            "final": bool,
            "metrics": dict,
        },
    ),
}
"""By file: of which kinds are the fields that have to be there, and the others."""
UNREADABLE = "unreadable"
"""The reason of a training whose record was there once, since it is written at the end alone, and is damaged."""
LEASE_SECS = 3600.0
"""How long an evaluator that no longer writes its record keeps a checkpoint from being deleted."""


def read_record(directory: JobDirectory, name: str) -> dict[str, Any]:
    """A record of a job; empty when there is none.

    One that is damaged is said once. The evaluator's is empty then, since it is written again and again; that of a
    training tells no more than that it has ended.

    Args:
      directory: of the job.
      name: of the file, EVALUATOR or TRAINING_DONE.
    """
    content = directory.records.read(name)
    if not content:
        return {}
    try:
        record = records.parsed(content, storage.join(directory.path, name), *_KINDS[name])
    except DamagedRecordError as error:
        if error.got not in directory.said:
            directory.said.add(error.got)
            log.warning("%s. It is passed over.", error.got)
        return {"reason": UNREADABLE, "global_step": 0, "checkpoint": None} if name == TRAINING_DONE else {}
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
    directory.records.write(name, records.text(records.sealed(records.strict({**record, **owned}))).encode())


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
