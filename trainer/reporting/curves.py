"""Plots of a training: losses, metrics of evaluations, learning rate and speed, from its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.job.score_table import Score, figure, words
from trainer.reporting.plot import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[np.ndarray, np.ndarray]
"""Steps int [n], and values float [n]."""
Events = Mapping[int, Mapping[str, float]]
"""Scalars by step and tag, as `read_scalars` gives them."""

_LOSS, _SPEED, _RATE = "loss", "global_step/sec", "learning_rate"
_SMOOTHED_FROM, _WINDOW_SHARE = 30, 30
_LOG_FROM, _FEW_DECADES, _FAR = 20.0, 200.0, 100.0
_MOST_OTHERS = 9


def plots(training: Events, evaluations: Events, baselines: Mapping[str, float], score: Score) -> list[Plot]:
    """The learning curves of a run.

    Args:
      training: scalars of the run's directory.
      evaluations: of its evaluations.
      baselines: scores of simple models, each named after its metric.
      score: what models are judged by.
    """
    losses, of_evaluations = curve(training, _LOSS), curve(evaluations, _LOSS)
    made: list[Plot] = []
    if len(losses[0]) + len(of_evaluations[0]) > 1:
        made.append(_losses(losses, of_evaluations))
    if len(curve(evaluations, score.name)[0]):
        made.append(_score(curve(evaluations, score.name), baselines, score))
    rate = curve(training, _RATE)
    if len(rate[0]) > 1:
        made.append(learning_rate(rate))
    others = _others(training, evaluations, score)
    if others:
        made.append(_grid(others))
    speed = curve(training, _SPEED)
    if len(speed[0]) > 1:
        made.append(_speed(speed))
    return made


def curve(events: Events, tag: str) -> Curve:
    """The values of a tag, by step; empty where there are none.

    Args:
      events: by step.
      tag: of them.
    """
    found = [(step, values[tag]) for step, values in sorted(events.items()) if tag in values]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps, np.int64), np.array(values, np.float64)


def learning_rate(rate: Curve) -> Plot:
    """The learning rate of the steps.

    Args:
      rate: steps and rates.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(*rate, drawstyle="steps-post" if len(rate[0]) < 50 else "default")
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        _count(axes)

    return Plot(title="Learning rate", caption="The step size of the optimizer.", draw=draw)


def smoothed(values: np.ndarray) -> np.ndarray:
    """A running mean over a thirtieth of the curve, of as many values on either side.

    Args:
      values: float [n].
    """
    half = max(len(values) // _WINDOW_SHARE // 2, 1)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    reach = np.minimum(half, np.minimum(index, len(values) - 1 - index))
    return (sums[index + reach + 1] - sums[index - reach]) / (2 * reach + 1)


def _losses(losses: Curve, of_evaluations: Curve) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        steps, values = losses
        if len(values) > _SMOOTHED_FROM:
            axes.plot(steps, values, color="C0", alpha=0.3, linewidth=0.8)
            axes.plot(steps, smoothed(values), color="C0", label="training, smoothed")
        else:
            axes.plot(steps, values, color="C0", label="training")
        if len(of_evaluations[0]):
            axes.plot(*of_evaluations, color="C1", marker="o", markersize=3.5, label="evaluation")
        _scale(axes, np.concatenate([values, of_evaluations[1]]))
        axes.set_xlabel("step")
        axes.legend()
        _count(axes)

    caption = "Of single batches while training, of all examples in evaluations."
    return Plot(title="Loss", caption=caption, draw=draw)


def _score(of_score: Curve, baselines: Mapping[str, float], score: Score) -> Plot:
    prefix = f"{score.name}_"
    beside = {name: value for name, value in baselines.items() if name.startswith(prefix) and np.isfinite(value)}
    ends = [bound for bound in (np.min(of_score[1]), np.max(of_score[1])) if bound > 0]
    near = [value for value in beside.values() if not ends or min(ends) / _FAR <= value <= max(ends) * _FAR]

    def draw(figure_: Figure) -> None:
        axes = figure_.subplots()
        axes.plot(*of_score, marker="o", markersize=3.5, label="this run")
        for index, (name, value) in enumerate(beside.items()):
            label = f"{words(name, score.name)} {figure(value)}"
            style: dict[str, Any] = {"color": f"C{index + 1}", "linestyle": "--", "linewidth": 1.1}
            if value in near:
                axes.axhline(value, label=label, **style)
            else:  # a line there would press all others together
                axes.plot([], label=f"{label}, beyond the axis", **style)
        _scale(axes, np.append(of_score[1], near))
        axes.set_xlim(left=0)
        axes.set_xlabel("step")
        axes.legend()
        _count(axes)

    better = "More is better." if score.maximizes else "Less is better."
    dashed = " Dashed: what simple models reach." if beside else ""
    return Plot(title=score.name, caption=f"At each evaluation. {better}{dashed}", draw=draw)


def _others(training: Events, evaluations: Events, score: Score) -> dict[str, Curve]:
    """The curves of all other tags with several values."""
    shown = {_LOSS, score.name, _SPEED, _RATE, "global_step"}
    found: dict[str, Curve] = {}
    for events in (evaluations, training):
        for tag in sorted({tag for values in events.values() for tag in values} - shown):
            if not tag.startswith((f"{score.name}_", "goodput/")) and tag not in found:
                found[tag] = curve(events, tag)
    return {tag: values for tag, values in found.items() if len(values[0]) > 1}


def _grid(others: Mapping[str, Curve]) -> Plot:
    """Small plots of other scalars, three in a row."""
    shown = dict(list(others.items())[:_MOST_OTHERS])
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)

    def draw(figure: Figure) -> None:
        grid = np.ravel(figure.subplots(rows, columns, squeeze=False))
        for axes, (tag, values) in zip(grid, shown.items(), strict=False):
            axes.plot(*values, marker="o" if len(values[0]) < 30 else "", markersize=2.5, linewidth=1.3)
            axes.set_title(tag, loc="left")
            _count(axes)
        for axes in grid[len(shown) :]:
            axes.set_axis_off()

    left_out = f" {len(others) - len(shown)} more are in the events." if len(others) > len(shown) else ""
    caption = f"Metrics of evaluations and what the model function summarises, by step.{left_out}"
    return Plot(title="Other metrics", caption=caption, draw=draw, wide=True, height=2.1 * rows)


def _speed(speed: Curve) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(*speed)
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        _count(axes)

    return Plot(title="Steps per second", caption="Saves and evaluations included.", draw=draw)


def _scale(axes: Any, values: np.ndarray) -> None:
    """A logarithmic axis for positive values that span orders of magnitude."""
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > _LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_plain)
        axes.yaxis.set_minor_formatter(_plain if finite.max() / finite.min() < _FEW_DECADES else "")


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:g}"


def _count(axes: Any) -> None:
    """Steps as people write them."""
    axes.xaxis.set_major_formatter(_thousands)


def _thousands(value: float, _: int | None = None) -> str:
    return f"{value:,.0f}"
