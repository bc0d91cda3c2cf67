"""How a process ends that failed: one line of ours above any traceback, `failure.json`, and an exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from trainer import storage
from trainer.job import records, system_errors
from trainer.job.errors import JobError, TrainingError
from trainer.job.layout import Layout
from trainer.job.secrets import scrubbed
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.storage.errors import ConflictError, DiskError, FencedError, InUseError

_HASTY = storage.RetryPolicy(total_secs=5.0, connect_secs=5.0, silence_secs=5.0)
_GRAPH_ERROR = "Graph execution error"
_NEWEST = re.compile(r'^model_checkpoint_path: "([^"/\n]+)"$', re.MULTILINE)
_TRIES = 5
"""To write where other processes write at the same moment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """What ended a process.

    Attributes:
      error: the exception.
      role: of the process.
      step: of its last device call; None before the first.
      safe: what remains of its work, in words.
      trouble: of the machine that is behind it; None where it is another fault.
    """

    error: Exception
    role: str
    step: int | None
    safe: str
    trouble: system_errors.Trouble | None

    @property
    def exit_code(self) -> int:
        """1, but for errors of ours, which know their own."""
        return self.error.exit_code if isinstance(self.error, JobError) else 1

    @property
    def headline(self) -> str:
        """One line, or the lines of an error of ours, for a person."""
        at = "" if self.step is None else f" at step {self.step}"
        if isinstance(self.error, JobError):
            return f"{self.error} {self.safe}" if isinstance(self.error, DiskError) else str(self.error)
        if self.trouble is not None:
            do = f"{self.trouble.kind.do}, and run the same command again."
            return f"{self.trouble}. The {self.role} ended{at}. {self.safe} {do}"
        first = _first(str(self.error))
        said = f"{type(self.error).__name__}: {first}" if first else type(self.error).__name__
        return f"The {self.role} failed{at}: {said}. {self.safe} The traceback follows."

    @property
    def traceback(self) -> str:
        """Where it happened; empty for errors of ours and of the disk, whose place says nothing to a person."""
        ours = isinstance(self.error, JobError) or (self.trouble is not None and self.trouble.kind.passes)
        return "" if ours else "".join(traceback.format_exception(self.error))


def _first(text: str) -> str:
    """What a message says first; of TensorFlow's, in which the places in the code come before it, the last."""
    lines = [line for line in text.strip().splitlines() if line and not line[0].isspace()]
    if not lines:
        return ""
    return lines[-1 if lines[0].startswith(_GRAPH_ERROR) else 0]


def end(error: Exception, role: str, step: int | None, files: Layout) -> int:
    """Says what ended a process and leaves `failure.json`; returns the exit code.

    Args:
      error: that ended it.
      role: of the process.
      step: of its last device call; None before the first.
      files: of the job.
    """
    trouble = system_errors.of(error, files.root)
    failure = Failure(error=error, role=role, step=step, safe=_safe(files), trouble=trouble)
    print(f"trainer.task: {scrubbed(failure.headline)}", file=sys.stderr, flush=True)
    # The first two do not own the directory; the third is no failure: the next start uploads what is saved.
    if not isinstance(error, FencedError | InUseError | storage.UnavailableError):
        _record(failure, files)
    print(scrubbed(failure.traceback), end="", file=sys.stderr, flush=True)
    return failure.exit_code


def aborted(said: str, role: str, step: int | None, files: Layout) -> None:
    """Says what is safe of a process that is being aborted, and leaves `failure.json`.

    Args:
      said: by the signal, as "Fatal Python error: Aborted".
      role: of the process.
      step: of its last device call; None before the first.
      files: of the job.
    """
    error = TrainingError(
        f"A library ended the {role} ({said}), as TensorFlow does when it gets no memory",
        do="Lower the batch size, or take a machine with more memory, and run the same command again",
    )
    safe = _safe(files)
    print(f"trainer.task: {error} {safe} Where it was follows.", file=sys.stderr, flush=True)
    _record(Failure(error=error, role=role, step=step, safe=safe, trouble=None), files)


def _safe(files: Layout) -> str:
    """The newest checkpoint of a job's directory, in words, found in little time and with little memory."""
    with contextlib.suppress(Exception):  # whatever ended the process may end this, too
        store = storage.Store(retry_policy=_HASTY)
        state = store.read(storage.join(files.root, "checkpoint")).decode("utf-8", errors="replace")
        newest = _NEWEST.search(state)
        if newest is not None and store.exists(storage.join(files.root, f"{newest[1]}.index")):
            return f"Safe: {newest[1]} in {files.root}, the newest checkpoint."
    return f"No checkpoint was found in {files.root}."


def _record(failure: Failure, files: Layout) -> None:
    """Writes `failure.json`, if that can be done at once: the failure itself is what counts."""
    record = {
        "role": failure.role,
        "step": failure.step,
        "error": scrubbed(f"{type(failure.error).__name__}: {failure.error}"),
        "message": scrubbed(failure.headline),
        "safe": failure.safe,
        "exit_code": failure.exit_code,
    }
    store = storage.Store(retry_policy=_HASTY)
    try:
        _tell(failure, record, store, files)
    except (JobError, MemoryError):
        print(f"trainer.task: {files.failure} could not be written.", file=sys.stderr, flush=True)


def _tell(failure: Failure, record: Mapping[str, Any], store: storage.Store, files: Layout) -> None:
    """Writes a record, unless another process has written one that counts more, be it at this moment.

    Args:
      failure: of this process.
      record: what it writes.
      store: of the job's directory.
      files: of the job.
    """
    content = records.text(record).encode()
    for _ in range(_TRIES):
        entry = store.stat(files.failure)
        if entry is not None and _is_told(failure, record, store, files):
            return
        with contextlib.suppress(ConflictError):
            store.write(files.failure, content, if_generation=entry.generation if entry is not None else 0)
            return
    store.write(files.failure, content)


def _is_told(failure: Failure, record: Mapping[str, Any], store: storage.Store, files: Layout) -> bool:
    """Whether what another process has written there counts more than what this one would write.

    A process that is to be started again ends because of another one. And what all processes of a synchronous job end
    with at once, at the same step, is the chief's to say, whoever is the last to write: it alone has saved something.

    Args:
      failure: of this process.
      record: what it would write.
      store: of the job's directory.
      files: of the job.
    """
    if failure.exit_code == SAVED_EXIT_CODE:
        return True
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # a damaged record tells nothing
        earlier = json.loads(store.read(files.failure))
        kinds = {each["error"].partition(":")[0] for each in (earlier, record)}
        # None before the first call, in which a process may have met what the others met.
        steps = {each["step"] for each in (earlier, record)} - {None}
        return failure.role != "chief" and earlier["role"] == "chief" and len(kinds) == 1 and len(steps) < 2
    return False
