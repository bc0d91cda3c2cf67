"""What a race is: workloads, the contenders of each, and what a run of one has shown."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

OURS = "trainer"
"""The environment that this process runs in, which has our package, TensorFlow and Keras."""


class Role(enum.Enum):
    """What a contender is in the table."""

    OURS = "ours"
    PEER = "peer"
    LIMIT = "limit"
    """What the machine can do, beside which we stand but which nobody uses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """A program under an interpreter.

    Attributes:
      title: what the table calls it.
      program: `module:function` below `benchmarks.race.contenders`; it takes a `Task` and returns `Figures`.
      environment: OURS or a key of `environments.ENVIRONMENTS`.
      role: what its ratio says.
      options: of its own, beside those of the workload.
      quick: runs in `--quick` too.
      same_loss: its loss has to be ours; False where it only does a part of the work.
      memory_mib: the most data that the process may hold (RLIMIT_DATA: its heap and private pages, not files that it
        has mapped); None for no limit.
    """

    title: str
    program: str
    environment: str = OURS
    role: Role = Role.PEER
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    quick: bool = True
    same_loss: bool = True
    memory_mib: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """The same work for all contenders.

    Attributes:
      key: what the command line calls it.
      title: what the table calls it.
      unit: of rates; of what a rate counts where `less_is_better`.
      contenders: ours first.
      options: what every contender is told.
      quick: options that are others in `--quick`.
      prepare: writes the files into a folder and returns options that name them.
      tolerance: the largest relative difference of losses at which ratios are shown; None where there is no loss.
      less_is_better: figures are seconds or bytes, and ratios are turned round.
      targets: the ratio that ours has to reach, by the title of the contender.
      long: is left out of a quick race, unless it is named.
    """

    key: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    quick: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    prepare: Callable[[Path, Mapping[str, Any]], Mapping[str, Any]] = lambda folder, options: {}
    tolerance: float | None = 1e-3
    less_is_better: bool = False
    targets: Mapping[str, float] = dataclasses.field(default_factory=dict)
    long: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One process of a contender.

    Attributes:
      rate: in the unit of the workload.
      loss: on rows that all contenders share, after steps that all have made; None where it was not asked for.
      peak_mib: the most resident memory.
      cpu_secs: processor time of the whole process.
      notes: other figures that it told.
    """

    rate: float
    loss: float | None
    peak_mib: float
    cpu_secs: float
    notes: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a contender did in all rounds; `failure` is the end of what it wrote, where it broke."""

    contender: Contender
    runs: tuple[Run, ...]
    failure: str | None = None
