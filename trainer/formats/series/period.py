"""After how many rows a series repeats itself, and how far its values are from those a period before."""

from __future__ import annotations

import logging

import numpy as np

_log = logging.getLogger(__name__)
_LEAST_CORRELATION = 0.1
_DEVIATIONS = 5.0
"""Of the autocorrelation of noise, 1 / √rows, that a peak has to be above."""
_NEARLY = 0.8
"""Of the highest peak, that of a shorter period."""
_LEAST_REPEATS = 3
"""A period has to be seen so often to be believed."""


def found(columns: np.ndarray, most: int) -> int | None:
    """The lag, from 2 up, at which changes from row to row are most alike; None where none stands out.

    Changes, and not the values, because a trend makes values alike at every lag. The lag has to be a peak of the mean
    autocorrelation of the columns, and higher than noise has it; of nearly equal ones, as multiples of a period are,
    the shortest counts whose multiples are high too.

    Args:
      columns: float64 [rows, columns], in the order of time; nan for no value.
      most: the largest lag.
    """
    most = min(most, len(columns) // _LEAST_REPEATS)
    if most < 2:
        return None
    correlation = _autocorrelation(np.diff(columns, axis=0), most + 1)
    least = max(_LEAST_CORRELATION, _DEVIATIONS * len(columns) ** -0.5)
    inner = correlation[2:-1]
    peaks = 2 + np.flatnonzero((inner > correlation[1:-2]) & (inner >= correlation[3:]) & (inner >= least))
    if not len(peaks):
        return None
    period = _shortest(peaks, correlation)
    _log.info("The series repeats itself after %d rows, as far as can be seen (--period says otherwise).", period)
    return period


def _shortest(peaks: np.ndarray, correlation: np.ndarray) -> int:
    """Of peaks nearly as high as the highest, the first whose multiples up to that one are high as well.

    Args:
      peaks: integers [peaks], lags in ascending order.
      correlation: float64 [lags].
    """
    top = peaks[correlation[peaks].argmax()]
    highest = correlation[top]
    for peak in peaks[peaks < top]:
        is_high = correlation[peak] >= _NEARLY * highest
        if is_high and (correlation[peak : top + 1 : peak] >= highest / 2).all():
            return int(peak)
    return int(top)


def _autocorrelation(changes: np.ndarray, most: int) -> np.ndarray:
    """The mean over the columns at the lags 0 to `most`: float64 [most + 1]; of changes, float64 [rows, columns]."""
    is_known = ~np.isnan(changes)
    plain = np.where(is_known, changes, 0.0)
    centred = np.where(is_known, plain - plain.sum(axis=0) / np.maximum(1, is_known.sum(axis=0)), 0.0)
    power = np.abs(np.fft.rfft(centred, n=2 * len(centred), axis=0)) ** 2
    products = np.fft.irfft(power, axis=0)[: most + 1]
    varied = products[:, products[0] > 0]
    return np.asarray((varied / varied[0]).mean(axis=1)) if varied.shape[1] else np.zeros(most + 1)


def naive_errors(series: list[np.ndarray], period: int) -> tuple[float, ...]:
    """Mean distance of each column's values from those a period before, which MASE divides by (Hyndman & Koehler 2006).

    Args:
      series: of training, float64 [rows, columns] each; nan for no value.
      period: rows between two values; 1 for the value before.

    Returns:
      One value a column; empty where no series is longer than the period.
    """
    apart = [np.abs(each[period:] - each[:-period]) for each in series if len(each) > period]
    if not apart:
        return ()
    distances = np.concatenate(apart)
    known = ~np.isnan(distances)
    if not known.any(axis=0).all():
        return ()
    return tuple((np.where(known, distances, 0.0).sum(axis=0) / known.sum(axis=0)).tolist())
