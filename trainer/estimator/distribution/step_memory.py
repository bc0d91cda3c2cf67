"""The last step that a process of a synchronous job has in memory, and how its successor and its peers get it.

Between device calls the variables of all processes are equal, so that any one of them can give all others the state of
the job. Each keeps references to the values of its variables and its place in the data, as a checkpoint would have
them. That costs what the next call takes to write beside the values instead of over them; how often it is done follows
from their size, so that it stays below one hundredth of the time.

When a peer is lost, the values are written as a checkpoint is, and left to the process that takes this one's place.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.saving import checkpoints, slices
from trainer.estimator.steps.steps import KeptStep
from trainer.job.successors import Place

_BYTES_PER_SEC = 2e9
"""At which values are copied, on a slow machine."""
_SHARE = 0.01
_HEADER_BYTES = 256


def secs_between(num_bytes: int, taken_secs: float) -> float:
    """How long to wait until a step is kept again.

    Args:
      num_bytes: of the values.
      taken_secs: by keeping the last one.
    """
    return (num_bytes / _BYTES_PER_SEC + taken_secs) / _SHARE


class StepMemory:
    """What this process keeps, and what the one whose place it took has left.

    Args:
      place: where it is left; None where nobody takes this process's place.
      clock: seconds that only grow.
    """

    def __init__(self, place: Place | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._kept: KeptStep | None = None
        self._due_at = 0.0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def is_due(self) -> bool:
        """Whether a step is to be kept now."""
        return self._place is not None and self._clock() >= self._due_at

    def keep(self, step: int, variables: Mapping[str, tf.Variable], position: Mapping[str, Any], host: str) -> None:
        """Keeps a step.

        Args:
          step: the global step.
          variables: of any shapes, by name.
          position: in the data, as a checkpoint has it.
          host: the device that keeps the values.
        """
        began = self._clock()
        with tf.device(host):
            values = {name: tf.identity(variable.read_value()) for name, variable in variables.items()}
        self._kept = KeptStep(step=step, tensors={**values, **position})
        num_bytes = sum(value.shape.num_elements() * value.dtype.size for value in values.values())
        now = self._clock()
        self._due_at = now + secs_between(num_bytes, now - began)

    def hand_over(self) -> KeptStep | None:
        """Leaves the kept step to the process that takes this one's place, and returns it; None where none was kept."""
        if self._place is None or self._kept is None:
            return None
        with tempfile.TemporaryDirectory(prefix="trainer-step-") as folder:
            target = checkpoints.path(folder, self._kept.step)
            slices.write(target, self._kept.tensors)
            self._place.write(_packed(folder, self._kept.step))
        return self._kept

    def met(self) -> None:
        """Says that the group is there."""
        if self._place is not None:
            self._place.meet()

    def left(self) -> bytes:
        """What the process whose place this one took has left; empty for nothing."""
        return b"" if self._place is None else self._place.left()

    def unpacked(self, packed: bytes) -> str:
        """The path of a checkpoint with what `left` gave, here or in another process. It lasts as long as this one."""
        header = json.loads(packed[:_HEADER_BYTES])
        self._folder = tempfile.TemporaryDirectory(prefix="trainer-step-")
        start = _HEADER_BYTES
        for name, size in header["files"].items():
            with open(os.path.join(self._folder.name, name), "wb") as file:
                file.write(packed[start : start + size])
            start += size
        return checkpoints.path(self._folder.name, header["step"])

    def close(self) -> None:
        """Deletes the files of `unpacked`."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def step_of(packed: bytes) -> int:
    """The global step of what `left` gave; -1 for nothing."""
    return int(json.loads(packed[:_HEADER_BYTES])["step"]) if packed else -1


def _packed(folder: str, step: int) -> bytes:
    """All files of a folder, after a header that names them."""
    contents = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            contents[name] = file.read()
    header = json.dumps({"step": step, "files": {name: len(content) for name, content in contents.items()}}).encode()
    return header.ljust(_HEADER_BYTES) + b"".join(contents.values())
