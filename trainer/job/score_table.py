"""What models are judged by, and a run beside simple models, metric by metric: for the terminal and for report.html."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """The metric that a model is judged by.

    Attributes:
      name: of the metric.
      maximizes: whether more of it is better.
    """

    name: str
    maximizes: bool

    def beats(self, value: float, other: float) -> bool:
        """Whether a value is better than another, by more than float32 rounds: they may come from either precision."""
        margin = _ROUNDING * max(abs(value), abs(other))
        return value > other + margin if self.maximizes else value < other - margin


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What a run and simple models reach.

    Attributes:
      model: what the model is called.
      metrics: of the last evaluation, by name.
      baselines: scores of simple models, each named after its metric (`accuracy_majority`).
      test_metrics: of the test part; None without one.
      directions: "max" or "min" by the names of the problem's metrics.
    """

    model: str
    metrics: Mapping[str, Any]
    baselines: Mapping[str, float]
    directions: Mapping[str, str]
    test_metrics: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure.

    Attributes:
      value: None where it is not known.
      beaten: whether the run is better; None where they are not compared.
    """

    value: float | None
    beaten: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one model reaches.

    Attributes:
      name: of the model.
      cells: by metric; those that are known.
      is_run: whether it is the model that was trained.
    """

    name: str
    cells: Mapping[str, Cell]
    is_run: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Rows of models, columns of metrics.

    Attributes:
      columns: names of metrics, the score first.
      rows: the run first, then simple models, then the run's test part.
    """

    columns: Sequence[str]
    rows: Sequence[Row]

    @property
    def compared(self) -> list[str]:
        """The columns that have more than the run's own figure, and the score's. `loss`, which is the mean of what the
        model function returned for the batches and not of examples, is among them only as the score."""
        others = {name for row in self.rows[1:] for name in row.cells} - {"loss"}
        return [name for name in self.columns if name == self.columns[0] or name in others]


def of(figures: Figures, first: Sequence[str]) -> ScoreTable:
    """The table of a run.

    Args:
      figures: of it.
      first: names of metrics whose columns come first: the score, then what a tuner is told.
    """
    beside = comparable(figures)
    values = {name: value for name, value in figures.metrics.items() if name not in beside and name != "global_step"}
    columns = [first[0], *(name for name in (*first[1:], *figures.directions, *values) if name in values)]
    rows = [Row(name=f"this run ({figures.model})", cells=_cells(values), is_run=True)]
    others: dict[str, dict[str, Cell]] = {}
    for name, other in beside.items():
        metric = metric_of(name, figures.directions) or ""
        ours = values.get(metric)
        score = Score(name=metric, maximizes=figures.directions.get(metric) == "max")
        cell = Cell(value=other, beaten=None if ours is None else score.beats(ours, other))
        others.setdefault(words(name, metric), {})[metric] = cell
    rows += [Row(name=name, cells=cells) for name, cells in others.items()]
    if figures.test_metrics:
        rows.append(Row(name="this run, test part", cells=_cells(figures.test_metrics), is_run=True))
    return ScoreTable(columns=tuple(dict.fromkeys(columns)), rows=rows)


def comparable(figures: Figures) -> dict[str, float]:
    """Scores of something else: the baselines, and what an evaluation reports after a metric of the problem
    (`accuracy_majority`) without being one itself.

    Args:
      figures: of a run.
    """
    reported = {
        name: value
        for name, value in figures.metrics.items()
        if name not in figures.directions and metric_of(name, figures.directions)
    }
    both = {**reported, **{name: value for name, value in figures.baselines.items() if name not in reported}}
    return {name: float(value) for name, value in both.items() if value is not None and math.isfinite(value)}


def metric_of(name: str, directions: Mapping[str, str]) -> str | None:
    """The metric that a figure is named after: `rmse` of `rmse_same_as_last`; None where it is none of the problem's.

    Args:
      name: of the figure.
      directions: by the names of the problem's metrics.
    """
    return max((one for one in directions if name.startswith(f"{one}_")), key=len, default=None)


def words(name: str, metric: str) -> str:
    """`same as last` of `rmse_same_as_last`.

    Args:
      name: of a figure.
      metric: that it is named after.
    """
    return name.removeprefix(f"{metric}_").replace("_", " ")


def figure(value: float | None) -> str:
    """Four digits that mean something, or whole numbers up to ten millions; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "-" if value is None else "nan"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def _cells(values: Mapping[str, Any]) -> dict[str, Cell]:
    return {name: Cell(value=None if value is None else float(value)) for name, value in values.items()}
