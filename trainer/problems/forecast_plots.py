"""What a report draws of a forecast: windows, errors by horizon and by target, residuals, the schedule of the rate."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats.schema import Schema
from trainer.reporting import regression
from trainer.reporting.plot import Examples, Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_TARGETS, _LEAST_HISTORY, _HISTORY_TO_HORIZON, _STRETCH = 3, 24, 2, 200
_QUANTILES = {"easy": 0.1, "typical": 0.5, "hard": 0.9}
_MOST_BARS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts beside what happened, in the units of the files.

    Attributes:
      history: [n, steps, columns].
      truth: [n, horizon, targets].
      forecast: likewise.
      last: the last known value of each target, [n, 1, targets]; None where targets are not among the columns.
      scale: of each target, by which errors of different targets are made alike; ones for a single target.
      examples: that these are of.
      schema: of the data.
    """

    history: np.ndarray
    truth: np.ndarray
    forecast: np.ndarray
    last: np.ndarray | None
    scale: np.ndarray
    examples: Examples
    schema: Schema

    @property
    def errors(self) -> np.ndarray:
        """Forecast minus truth, scaled: [n, horizon, targets]."""
        return (self.forecast - self.truth) / self.scale

    @property
    def naive_errors(self) -> np.ndarray | None:
        """Of repeating the last value."""
        return None if self.last is None else (self.last - self.truth) / self.scale

    @property
    def unit(self) -> str:
        """Of errors, in words."""
        schema = self.schema
        if len(schema.targets) == 1:
            return f"in units of {schema.targets[0]}"
        return "in deviations of each target" if schema.standardized else "in the units of the files"


def plots(examples: Examples, schema: Schema) -> list[Plot]:
    """The plots of forecasts.

    Args:
      examples: of the evaluation, with features {"values": [n, steps, columns]}, labels [n, horizon, targets] and
        predictions {"forecast": likewise}.
      schema: of the data.
    """
    one = _forecasts(examples, schema)
    made = [_windows(one)]
    if schema.horizon == 1:
        made = [_stretch(one)]
    else:
        made.append(_by_horizon(one))
    if len(schema.targets) > 1:
        made.append(_by_target(one))
    made.append(regression.residuals(one.errors, one.unit))
    if schema.horizon == 1 and len(schema.targets) == 1:
        made += regression.plots(one.truth, one.forecast, schema.targets[0])[::2]
    return [*made, _over_time(one)]


def _forecasts(examples: Examples, schema: Schema) -> Forecasts:
    indices = schema.target_indices
    values = np.asarray(examples.features["values"], np.float64)
    scale = np.ones(len(schema.targets))
    if indices is not None and len(schema.targets) > 1:
        scale = np.array([schema.scale[index] for index in indices])
    return Forecasts(
        history=values,
        truth=np.asarray(examples.labels, np.float64),
        forecast=np.asarray(examples.predictions["forecast"], np.float64),
        last=None if indices is None else values[:, -1:][:, :, list(indices)],
        scale=scale,
        examples=examples,
        schema=schema,
    )


def _rmse(errors: np.ndarray, axis: Any) -> np.ndarray:
    return np.sqrt(np.mean(np.square(errors), axis=axis))


def _windows(one: Forecasts) -> Plot:
    """An easy, a typical and a hard window of the first targets."""
    schema = one.schema
    order = np.argsort(_rmse(one.errors, (1, 2)), kind="stable")
    chosen = {name: int(order[int(share * (len(order) - 1))]) for name, share in _QUANTILES.items()}
    targets = range(min(len(schema.targets), _MOST_TARGETS))
    history = min(schema.steps, max(_HISTORY_TO_HORIZON * schema.horizon, _LEAST_HISTORY))

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(targets), len(chosen), squeeze=False, sharex=True)
        for row, target in zip(grid, targets, strict=True):
            for axes, (name, index) in zip(row, chosen.items(), strict=True):
                _window(axes, one, index, target, history)
                number = one.examples.numbers[index] + 1
                axes.set_title(f"{schema.targets[target]}: {name}, window {number:,}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("steps from the end of what is known")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3)

    few = "" if len(schema.targets) == len(targets) else f" The first {len(targets)} of {len(schema.targets)} targets."
    caption = (
        f"Of {one.examples.words}, by their error: better than nine in ten, the one in the middle, worse than nine in "
        f"ten. In the units of the files.{few}"
    )
    return Plot(title="Forecast and truth", caption=caption, draw=draw, wide=True, height=0.5 + 2.0 * len(targets))


def _window(axes: Any, one: Forecasts, index: int, target: int, history: int) -> None:
    """History, truth and forecast of one target of one example."""
    indices, ahead = one.schema.target_indices, np.arange(1, one.schema.horizon + 1)
    truth, forecast = one.truth[index, :, target], one.forecast[index, :, target]
    if indices is not None:
        known = one.history[index, -history:, indices[target]]
        axes.plot(np.arange(1 - len(known), 1), known, color="#66727f", linewidth=1.0, label="history")
        truth, forecast, ahead = np.append(known[-1], truth), np.append(known[-1], forecast), np.append(0, ahead)
    axes.axvline(0, color="#66727f", linewidth=0.6, linestyle=":")
    axes.plot(ahead, truth, color="C1", linewidth=1.3, label="truth")
    axes.plot(ahead, forecast, color="C0", linewidth=1.8, label="forecast")


def _stretch(one: Forecasts) -> Plot:
    """One step ahead, example by example, over a stretch without gaps, which is where numbers follow each other."""
    numbers = one.examples.numbers
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    start = max(int(breaks[-1]) + 1 if len(breaks) else 0, len(numbers) - _STRETCH)
    part = slice(start, len(numbers))
    targets = range(min(len(one.schema.targets), _MOST_TARGETS))

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(targets), 1, squeeze=False, sharex=True)[:, 0]
        for axes, target in zip(grid, targets, strict=True):
            axes.plot(numbers[part] + 1, one.truth[part, 0, target], color="C1", linewidth=1.2, label="truth")
            axes.plot(numbers[part] + 1, one.forecast[part, 0, target], color="C0", linewidth=1.5, label="forecast")
            axes.set_ylabel(one.schema.targets[target])
        grid[-1].set_xlabel("example of the evaluation")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)

    caption = f"One step ahead, the last {len(numbers) - start} examples of the evaluation, in the units of the files."
    return Plot(title="Forecast and truth", caption=caption, draw=draw, wide=True, height=0.6 + 2.2 * len(targets))


def _by_horizon(one: Forecasts) -> Plot:
    naive = one.naive_errors

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ahead = np.arange(1, one.schema.horizon + 1)
        axes.plot(
            ahead, _rmse(one.errors, (0, 2)), marker="o" if len(ahead) < 30 else "", markersize=3, label="forecast"
        )
        if naive is not None:
            axes.plot(ahead, _rmse(naive, (0, 2)), linestyle="--", linewidth=1.1, label="same as last")
        axes.set(xlabel="steps ahead", ylabel="RMSE")
        axes.set_ylim(bottom=0)
        axes.legend()

    caption = f"Root mean squared error at each step ahead, {one.unit}."
    return Plot(title="Error by horizon", caption=caption, draw=draw)


def _by_target(one: Forecasts) -> Plot:
    errors, naive = _rmse(one.errors, (0, 1)), one.naive_errors
    shown = np.argsort(-errors, kind="stable")[:_MOST_BARS]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(shown))
        axes.barh(places - 0.2, errors[shown], 0.38, label="forecast", color="C0")
        if naive is not None:
            axes.barh(places + 0.2, _rmse(naive, (0, 1))[shown], 0.38, label="same as last", color="C1", alpha=0.6)
        axes.set_yticks(places, [one.schema.targets[index] for index in shown])
        axes.invert_yaxis()
        axes.set_xlabel("RMSE")
        axes.legend()

    few = "" if len(shown) == len(errors) else f" The {len(shown)} of {len(errors)} with the largest."
    return Plot(title="Error by target", caption=f"Root mean squared error, {one.unit}.{few}", draw=draw)


def _over_time(one: Forecasts) -> Plot:
    """Where in the evaluation errors are large: means of up to 200 neighbouring examples."""
    groups = np.array_split(np.arange(len(one.errors)), min(200, len(one.errors)))
    naive = one.naive_errors
    places = [float(one.examples.numbers[part].mean()) + 1 for part in groups]

    def means(errors: np.ndarray) -> list[float]:
        return [float(_rmse(errors[part], None)) for part in groups]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        if naive is not None:
            axes.plot(places, means(naive), color="C1", linewidth=0.9, alpha=0.7, label="same as last")
        axes.plot(places, means(one.errors), color="C0", linewidth=1.3, label="forecast")
        axes.set(xlabel="example of the evaluation, in its order", ylabel="RMSE")
        axes.set_ylim(bottom=0)
        axes.legend()

    caption = f"Where in the evaluation part errors are large, {one.unit}."
    return Plot(title="Error by place", caption=caption, draw=draw, wide=True, height=2.4)
