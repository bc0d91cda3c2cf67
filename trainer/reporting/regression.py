"""Plots of a regression: predicted against true values, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.job.score_table import figure as shown
from trainer.reporting.plot import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 1500
_TAILS, _SAME = 0.5, 1e-6
"""Percent of residuals on either side that a histogram leaves out, and what is but a rounding error in it."""


def plots(labels: np.ndarray, predictions: np.ndarray, unit: str = "") -> list[Plot]:
    """The plots of a regression.

    Args:
      labels: float [n].
      predictions: float [n].
      unit: what the numbers are, for the axes: the name of the column.
    """
    labels, predictions = np.ravel(labels).astype(float), np.ravel(predictions).astype(float)
    return [
        _against_true(labels, predictions, unit),
        residuals(predictions - labels, unit),
        _spread(labels, predictions, unit),
    ]


def residuals(errors: np.ndarray, unit: str = "") -> Plot:
    """How errors are distributed.

    Args:
      errors: float [n], prediction minus truth.
      unit: what the numbers are.
    """
    errors = np.ravel(errors)[np.isfinite(np.ravel(errors))]
    mean, deviation = (float(errors.mean()), float(errors.std())) if len(errors) else (0.0, 0.0)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.hist(errors, bins=_bins(len(errors)), range=_range(errors), color="C0", alpha=0.65)
        axes.axvline(0, color="#66727f", linewidth=0.8, linestyle=":")
        axes.axvline(mean, color="C1", linewidth=1.4, label=f"mean {shown(mean)}, deviation {shown(deviation)}")
        axes.set(xlabel=f"error {unit}".strip(), ylabel="count")
        axes.legend()

    caption = "Prediction minus truth; the outermost percent is left out. A mean beside 0 is a bias."
    return Plot(title="Residuals", caption=caption, draw=draw)


def _against_true(labels: np.ndarray, predictions: np.ndarray, unit: str) -> Plot:
    chosen = spread(len(labels), _MOST_POINTS)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _points(axes, labels[chosen], predictions[chosen])
        both = np.concatenate([labels[chosen], predictions[chosen]])
        ends = [float(np.nanmin(both)), float(np.nanmax(both))]
        axes.plot(ends, ends, color="C1", linewidth=1.1, linestyle="--")
        axes.set(xlabel=f"true {unit}".strip(), ylabel=f"predicted {unit}".strip())

    caption = "On the dashed line a prediction is right."
    return Plot(title="Predicted against true", caption=caption, draw=draw)


def _spread(labels: np.ndarray, predictions: np.ndarray, unit: str) -> Plot:
    """Errors by what was predicted, with their middle and its band."""
    order = np.argsort(predictions, kind="stable")
    groups = [part for part in np.array_split(order, min(20, max(len(order) // 10, 1))) if len(part)]
    errors = predictions - labels
    places = np.array([np.median(predictions[part]) for part in groups])
    bands = np.array([np.percentile(errors[part], [10, 50, 90]) for part in groups])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        chosen = spread(len(labels), _MOST_POINTS)
        _points(axes, predictions[chosen], errors[chosen])
        axes.axhline(0, color="#66727f", linewidth=0.8, linestyle=":")
        axes.plot(places, bands[:, 1], color="C1", label="median")
        axes.fill_between(places, bands[:, 0], bands[:, 2], color="C1", alpha=0.18, label="80 % of the errors")
        axes.set(xlabel=f"predicted {unit}".strip(), ylabel="error")
        axes.legend()

    caption = "A median that leaves 0, or a band that widens, is what the model has not learnt."
    return Plot(title="Errors by prediction", caption=caption, draw=draw)


def _points(axes: Any, x: np.ndarray, y: np.ndarray) -> None:
    """A cloud of points, which is the paler, the more there are."""
    is_dense = len(x) > 300
    axes.plot(x, y, "o", markersize=2.2 if is_dense else 3.5, alpha=0.4 if is_dense else 0.7, markeredgewidth=0)


def _range(errors: np.ndarray) -> tuple[float, float]:
    """What a histogram shows: without the tails, and of errors that are all the same what is around them."""
    if not len(errors):
        return -1.0, 1.0
    low, high = (float(end) for end in np.percentile(errors, [_TAILS, 100 - _TAILS]))
    if high - low > _SAME * max(abs(low), abs(high)):
        return low, high
    reach = abs(low) or 1.0
    return low - reach, high + reach


def _bins(count: int) -> int:
    return int(np.clip(2 * np.sqrt(count), 8, 50))


def spread(count: int, most: int) -> np.ndarray:
    """Numbers of at most so many of `count` examples, evenly spread: int [n]."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) if count else np.zeros(0, int)
