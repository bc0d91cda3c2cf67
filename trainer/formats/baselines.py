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
    """Errors over windows, steps and targets: rmse, mae and mse in the units of the targets; and where the data are
    standardised mse_standardized, mae_standardized and rmse_standardized. Each is named after its forecast.

    `rmse_same_as_last` repeats the last value of each target (when targets are among the columns),
    `rmse_seasonal_naive` the last period (when that is known and no longer than the history), `rmse_mean` is the mean
    of the training labels, `rmse_least_squares` an ordinary least squares of each step ahead on the target's own
    history with an intercept (on all columns where the target is none of them), left out where it has too few windows
    or costs too much. The first 100,000 windows of each part count.
    """
    indices = source.target_indices
    mean = _mean(source.train)
    errors = {"mean": _errors((mean, labels) for _, labels in _blocks(source.evaluation, MOST_WINDOWS))}
    if indices is not None:
        last = [*indices]
        errors["same_as_last"] = _errors(
            (values[:, -1:, last], labels) for values, labels in _blocks(source.evaluation, MOST_WINDOWS)
        )
        if source.period is not None and source.period <= source.steps:
            ahead = np.arange(source.horizon) % source.period + source.steps - source.period
            errors["seasonal_naive"] = _errors(
                (values[:, ahead[:, None], last], labels) for values, labels in _blocks(source.evaluation, MOST_WINDOWS)
            )
    windows = _affordable(source)
    if windows:
        errors["least_squares"] = _least_squares(source, windows)
    return {name: value for forecast, found in errors.items() for name, value in _named(forecast, found, source)}


def _named(forecast: str, errors: np.ndarray, source: Source) -> Iterator[tuple[str, float]]:
    """The scores of a forecast, from its mean squared and mean absolute errors [2, targets]."""
    yield f"rmse_{forecast}", math.sqrt(errors[0].mean())
    yield f"mae_{forecast}", float(errors[1].mean())
    yield f"mse_{forecast}", float(errors[0].mean())
    if source.standardized and source.target_indices is not None:
        scale = np.array([source.scale[index] for index in source.target_indices])
        yield f"mse_standardized_{forecast}", float((errors[0] / scale**2).mean())
        yield f"mae_standardized_{forecast}", float((errors[1] / scale).mean())
        yield f"rmse_standardized_{forecast}", math.sqrt((errors[0] / scale**2).mean())


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


def _errors(pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Mean squared and mean absolute errors of each target, float64 [2, targets], of forecasts and labels."""
    total, count = np.zeros((2, 1)), 0
    for forecast, labels in pairs:
        wrong = labels - forecast
        sums = (each.sum(axis=(0, 1), dtype=np.float64) for each in (np.square(wrong), np.abs(wrong)))
        total = total + np.stack(list(sums))
        count += labels.shape[0] * labels.shape[1]
    return np.asarray(total / count)


def _affordable(source: Source) -> int:
    """How many training windows least squares may use; 0 when it should be left out."""
    unknowns = source.train.steps * _history_columns(source) + 1
    fits = len(source.targets) if source.target_indices is not None else 1
    windows = min(MOST_WINDOWS, int(_LARGEST_FIT / (2 * unknowns**2 * fits)))
    there = sum(len(labels) for _, labels in _blocks(source.train, windows)) if windows > unknowns else 0
    return there if there > unknowns else 0


def _history_columns(source: Source) -> int:
    return 1 if source.target_indices is not None else len(source.columns)


def _least_squares(source: Source, windows: int) -> np.ndarray:
    fits = len(source.targets)
    triangles: list[np.ndarray] = [np.empty((0, 0))] * fits
    offsets = _offsets(source.train)
    for values, labels in _centred(_blocks(source.train, windows), offsets):
        for target in range(fits):
            system = np.concatenate([_history(source, values, target), labels[:, :, target]], axis=1)
            triangles[target] = _triangle(triangles[target], system)
    weights = [_solved(triangle, source.horizon) for triangle in triangles]
    return _errors(
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
