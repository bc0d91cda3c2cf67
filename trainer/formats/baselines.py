"""Simple forecasts of the evaluation part, in numpy: what a model has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from trainer.formats.source import Part, Source

MOST_WINDOWS = 100_000
_BLOCK_FLOATS = 1 << 21
# Multiply-adds that least squares may cost: a second or two on one core.
_LARGEST_FIT = 2e10


def score(source: Source) -> dict[str, float]:
    """Root mean squared errors over windows, steps and targets, in the units of the targets.

    `rmse_same_as_last` repeats the last value of each target (when targets are among the columns),
    `rmse_seasonal_naive` the last period (when that is known and no longer than the history), `rmse_mean` is the mean
    of the training labels, `rmse_least_squares` an ordinary least squares of each step ahead on the target's own
    history with an intercept (on all columns where the target is none of them), left out where it has too few windows
    or costs too much. The first 100,000 windows of each part count.
    """
    indices = source.target_indices
    scores = {"rmse_mean": _rmse(source.evaluation, _mean(source.train))}
    if indices is not None:
        last = [*indices]
        scores["rmse_same_as_last"] = _rmse_of(
            (values[:, -1:, last], labels) for values, labels in _blocks(source.evaluation, MOST_WINDOWS)
        )
        if source.period is not None and source.period <= source.steps:
            ahead = np.arange(source.horizon) % source.period + source.steps - source.period
            scores["rmse_seasonal_naive"] = _rmse_of(
                (values[:, ahead[:, None], last], labels) for values, labels in _blocks(source.evaluation, MOST_WINDOWS)
            )
    windows = _affordable(source)
    if windows:
        scores["rmse_least_squares"] = _least_squares(source, windows)
    return scores


def _blocks(part: Part, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """At most the first `most` examples, in blocks of bounded size."""
    size = max(1, _BLOCK_FLOATS // max(1, part.steps))
    left = most
    for values, labels in part.blocks(min(size, 4096)):
        yield values[:left], labels[:left]
        left -= len(values)
        if left <= 0:
            return


def _mean(part: Part) -> np.ndarray:
    """float64 [targets]."""
    total, count = np.zeros(1), 0
    for _, labels in _blocks(part, MOST_WINDOWS):
        total = total + labels.sum(axis=(0, 1))
        count += labels.shape[0] * labels.shape[1]
    return np.asarray(total / count)


def _rmse(part: Part, forecast: np.ndarray) -> float:
    return _rmse_of((forecast, labels) for _, labels in _blocks(part, MOST_WINDOWS))


def _rmse_of(pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> float:
    total, count = 0.0, 0
    for forecast, labels in pairs:
        total += float(np.square(labels - forecast).sum())
        count += labels.size
    return math.sqrt(total / count)


def _affordable(source: Source) -> int:
    """How many training windows least squares may use; 0 when it should be left out."""
    unknowns = source.train.steps * _history_columns(source) + 1
    fits = len(source.targets) if source.target_indices is not None else 1
    windows = min(MOST_WINDOWS, int(_LARGEST_FIT / (2 * unknowns**2 * fits)))
    there = sum(len(labels) for _, labels in _blocks(source.train, windows)) if windows > unknowns else 0
    return there if there > unknowns else 0


def _history_columns(source: Source) -> int:
    return 1 if source.target_indices is not None else len(source.columns)


def _least_squares(source: Source, windows: int) -> float:
    fits = len(source.targets)
    triangles: list[np.ndarray] = [np.empty((0, 0))] * fits
    offsets = _offsets(source.train)
    for values, labels in _centred(_blocks(source.train, windows), offsets):
        for target in range(fits):
            system = np.concatenate([_history(source, values, target), labels[:, :, target]], axis=1)
            triangles[target] = _triangle(triangles[target], system)
    weights = [_solved(triangle, source.horizon) for triangle in triangles]
    return _rmse_of(
        (np.stack([_history(source, values, target) @ weights[target] for target in range(fits)], axis=-1), labels)
        for values, labels in _centred(_blocks(source.evaluation, MOST_WINDOWS), offsets)
    )


def _offsets(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """About the mean of each column and of each target, float64 [columns] and [targets].

    Columns far from zero are nearly multiples of the column of ones, which would cost the weights most of their digits.
    """
    values, labels = next(_blocks(part, MOST_WINDOWS))
    return values.mean(axis=(0, 1)), labels.mean(axis=(0, 1))


def _centred(
    blocks: Iterator[tuple[np.ndarray, np.ndarray]], offsets: tuple[np.ndarray, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((values - offsets[0], labels - offsets[1]) for values, labels in blocks)


def _history(source: Source, values: np.ndarray, target: int) -> np.ndarray:
    """float64 [n, unknowns]: the target's own history, or all of it, and a column of ones."""
    indices = source.target_indices
    history = values.reshape(len(values), -1) if indices is None else values[:, :, indices[target]]
    return np.concatenate([history, np.ones((len(values), 1))], axis=1)


def _triangle(above: np.ndarray, system: np.ndarray) -> np.ndarray:
    """R of the QR of all rows so far.

    Normal equations would square the condition number, which noiseless sines make large; QR keeps it.
    """
    return np.asarray(np.linalg.qr(np.concatenate([above, system]) if above.size else system, mode="r"))


def _solved(triangle: np.ndarray, horizon: int) -> np.ndarray:
    """Weights [unknowns, horizon]."""
    return np.asarray(np.linalg.lstsq(triangle[:, :-horizon], triangle[:, -horizon:], rcond=None)[0])
