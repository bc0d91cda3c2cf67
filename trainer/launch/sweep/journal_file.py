"""The file behind a study: Optuna's journal storage, repaired where a killed process left half a line."""

from __future__ import annotations

import json
import os
import pathlib

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from trainer.job.errors import UsageError

_STALE_LOCK_SECS = 3
_ACCEPTED, _RESTORE = "the journal that a sweep has written", "Restore it, or choose another --output_dir"
# What Optuna raises where an entry lacks a field, or has one that makes no sense.
_OF_DAMAGE = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)


def storage(path: pathlib.Path) -> JournalStorage:
    """Opens the journal, or a new one. Whoever calls it has the directory for itself.

    Raises:
      UsageError: the file is not a journal, or is damaged; then it stays as it is.
    """
    _cut_torn_line(path)
    absolute = str(path.absolute())  # Optuna's lock is a link to it
    lock = JournalFileSymlinkLock(absolute, grace_period=_STALE_LOCK_SECS)
    try:
        return JournalStorage(JournalFileBackend(absolute, lock_obj=lock))
    except _OF_DAMAGE as error:
        got = f"{path} is damaged: Optuna cannot read it ({type(error).__name__}: {error})"
        raise UsageError(got, _ACCEPTED, _RESTORE) from error


def _cut_torn_line(path: pathlib.Path) -> None:
    """Removes a last line without an end: Optuna would append the next entry to it."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            _require_entry(line, path, number)
        if whole < len(content):
            _require_start(content[whole:], path)
            stream.truncate(whole)
            os.fsync(stream.fileno())


def _require_entry(line: bytes, path: pathlib.Path, number: int) -> None:
    try:
        if "op_code" in json.loads(line):
            return
    except (ValueError, TypeError):
        pass
    raise UsageError(f"{path}:{number} is not an entry of a sweep's journal", _ACCEPTED, _RESTORE)


def _require_start(torn: bytes, path: pathlib.Path) -> None:
    """All of Optuna's entries begin so; anything else may be somebody's only copy of something."""
    start = b'{"op_code":'
    if not torn.startswith(start[: len(torn)]):
        _require_entry(torn, path, 1)
