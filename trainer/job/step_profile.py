"""Where the time of a step goes, and that of a whole process, as shares that add up: what `--profile` says.

A trace covers some steps only; the time of the process is counted throughout (`job.goodput`). So the seconds of all
steps are divided as the traced ones were, and the rest is as it was counted.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.goodput import Activity


class Part(enum.StrEnum):
    """What the time of a device call goes into; of several at once, the first counts."""

    GPU = "kernels on the GPU"
    INPUT = "waiting for input"
    XLA = "operations compiled by XLA"
    OPERATIONS = "operations of TensorFlow"
    BETWEEN = "XLA between its operations"
    RUNTIME = "TensorFlow between operations"
    PYTHON = "Python"


_RUN = {
    Activity.STARTUP: "startup",
    Activity.COMPILE: "compiling",
    Activity.INPUT: Part.INPUT.value,
    Activity.SAVE: "saving",
    Activity.EVALUATE: "evaluation",
    Activity.EXPORT: "exports",
    Activity.OTHER: "hooks, summaries and the rest",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepProfile:
    """What a trace of some steps shows.

    Attributes:
      first_step: of the trace.
      last_step: of the trace.
      secs: that these steps took, by part.
      operations: shares of the time of all operations, from 0 to 1, by name, the largest first; those on several
        threads at once count for each.
      usual_step_secs: what a step took just before, without a trace; None where that is not known.
      trace: the directory of the trace.
    """

    first_step: int
    last_step: int
    secs: Mapping[Part, float]
    operations: Mapping[str, float]
    usual_step_secs: float | None
    trace: str

    @property
    def step_secs(self) -> float:
        """Of a step of the trace."""
        return sum(self.secs.values()) / (self.last_step - self.first_step + 1)

    def record(self, spent: Mapping[Activity, float], not_measured: str | None = None) -> dict[str, Any]:
        """For `summary.json`.

        Args:
          spent: seconds of this process, by activity.
          not_measured: what the trace does not show; None where it shows everything.
        """
        usual = self.usual_step_secs
        return {
            "steps": [self.first_step, self.last_step],
            "microseconds_per_step": round(1e6 * self.step_secs, 1),
            "microseconds_per_step_untraced": None if usual is None else round(1e6 * usual, 1),
            "percent_of_a_step": percentages({part.value: secs for part, secs in self.secs.items()}),
            "percent_of_the_process": percentages(self._of_process(spent)),
            "percent_of_the_operations": {name: round(100 * share, 1) for name, share in self.operations.items()},
            "not_measured": not_measured,
            "trace": self.trace,
        }

    def _of_process(self, spent: Mapping[Activity, float]) -> dict[str, float]:
        """Seconds of the process, those of steps divided as in the trace; its waits for input are counted by itself."""
        working = {part: secs for part, secs in self.secs.items() if part is not Part.INPUT}
        total = sum(working.values()) or 1.0
        progress = spent.get(Activity.PROGRESS, 0.0)
        steps = {part.value: progress * secs / total for part, secs in working.items()}
        return steps | {words: spent.get(activity, 0.0) for activity, words in _RUN.items()}


def percentages(amounts: Mapping[str, float]) -> dict[str, float]:
    """Percentages with one digit that add up to 100.0, the largest first; without those that are 0.

    Each is rounded down, and the tenths that are missing go to those that lost most (Hamilton's method).

    Args:
      amounts: 0 or more, of anything.
    """
    total = sum(amounts.values())
    if total <= 0:
        return {}
    tenths = {name: 1000 * amount / total for name, amount in amounts.items()}
    floors = {name: math.floor(share) for name, share in tenths.items()}
    by_loss = sorted(tenths, key=lambda name: floors[name] - tenths[name])
    for name in by_loss[: 1000 - sum(floors.values())]:
        floors[name] += 1
    ordered = sorted(floors, key=lambda name: -floors[name])
    return {name: floors[name] / 10 for name in ordered if floors[name]}


def words(record: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """A record as rows of the closing table.

    Args:
      record: what `StepProfile.record` gave.
    """
    first, last = record["steps"]
    usual = record["microseconds_per_step_untraced"]
    untraced = "" if usual is None else f" ({usual:,.0f} without the trace)"
    rows = [
        ("profile", f"steps {first:,} to {last:,}, {record['microseconds_per_step']:,.0f} µs each{untraced}"),
        ("  a step", _listed(record["percent_of_a_step"])),
        ("  all time", _listed(record["percent_of_the_process"])),
    ]
    if record["percent_of_the_operations"]:
        rows.append(("  slowest", _listed(record["percent_of_the_operations"])))
    if record["not_measured"]:
        rows.append(("  missing", record["not_measured"]))
    return [*rows, ("  trace", record["trace"])]


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1f} %" for name, share in shares.items())
