"""What a trial has reported: the lines of the tuner's file, and the one among them that is its result."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from trainer.launch.study.study import Goal, Measurement, Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One line of the tuner's file.

    Attributes:
      step: global step of the model that was evaluated.
      value: of the metric; may be NaN or infinite, which the trainer never writes but others do.
      secs: from the start of the trial, of wall-clock time.
    """

    step: int
    value: float
    secs: float


def read(path: pathlib.Path, *, metric: str, trial: str, started_at: float) -> list[Evaluation]:
    """The evaluations in the file, in the order of their steps; of several at one step the last.

    A file that is missing, empty or half-written gives what can be read: cloudml-hypertune rewrites it in place.

    Args:
      path: of the file.
      metric: its tag there.
      trial: the trial's number; lines of others are ignored.
      started_at: when the trial began, in seconds since the epoch.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    by_step: dict[int, Evaluation] = {}
    for line in text.splitlines():
        evaluation = _parsed(line, metric, trial, started_at)
        if evaluation is not None:
            by_step[evaluation.step] = evaluation
    return [by_step[step] for step in sorted(by_step)]


def result(evaluations: Sequence[Evaluation], measurement: Measurement, goal: Goal) -> Evaluation | None:
    """The last evaluation, or the best finite one; None where there is none.

    Args:
      evaluations: in the order of steps.
      measurement: whether the last or the best counts; without a finite one the last counts in any case.
      goal: what is better.
    """
    if measurement is Measurement.LAST or not evaluations:
        return evaluations[-1] if evaluations else None
    finite = [evaluation for evaluation in evaluations if math.isfinite(evaluation.value)]
    if not finite:
        return evaluations[-1]
    return min(finite, key=lambda evaluation: loss(evaluation.value, goal))


def finite_result(evaluations: Sequence[Evaluation], study: Study) -> float | None:
    """The value of the result by the study's goal and measurement; None where there is none, or none that is finite."""
    counted = result(evaluations, study.measurement, study.goal)
    return counted.value if counted is not None and math.isfinite(counted.value) else None


def loss(value: float, goal: Goal) -> float:
    """The value as something to be minimised."""
    return value if goal is Goal.MINIMIZE else -value


def _parsed(line: str, metric: str, trial: str, started_at: float) -> Evaluation | None:
    """The evaluation in a line, with the arguments of `read`; None where it has none of this metric and trial."""
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or metric not in record or str(record.get("trial", trial)) != trial:
        return None
    try:
        step, value = int(float(record.get("global_step") or 0)), float(record[metric])
        secs = max(float(record.get("timestamp") or 0.0) - started_at, 0.0)
        return Evaluation(step=step, value=value, secs=secs) if step >= 0 else None
    except (TypeError, ValueError, OverflowError):
        return None
