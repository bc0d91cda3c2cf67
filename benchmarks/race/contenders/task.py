"""What a program of a race is told, and what it tells."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Task:
    """The options of the workload and of the contender.

    Attributes:
      options: by their names.
      clock: seconds; those of the processor where the race is told so.
    """

    options: Mapping[str, Any]
    clock: Callable[[], float] = time.perf_counter

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.options.get(name, default)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What a program has measured: see `contest.Run`."""

    rate: float
    loss: float | None = None
    notes: Mapping[str, float] = dataclasses.field(default_factory=dict)


def steps_per_second(task: Task, train: Callable[[int], object]) -> float:
    """Of `task['steps']` steps that come after `task['warm']` untimed ones; `train(n)` returns when all n are done."""
    train(task["warm"])
    began = task.clock()
    train(task["steps"])
    return task["steps"] / (task.clock() - began)
