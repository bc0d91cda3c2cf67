"""Mean and deviation of columns, and which precision their values need."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from trainer.formats.schema import Schema

_log = logging.getLogger(__name__)

FLOAT32_RATIO = 1e3
"""Mean over deviation up to which float32 keeps a value to a ten-thousandth of the deviation."""
TOLD_RATIO = 1e5
_CONSTANT = 8 * float(np.finfo(np.float64).eps)
"""Values that differ by so much of themselves differ by rounding: the column is constant."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """What the rows of training say about each column.

    Attributes:
      mean: one value a column.
      scale: population deviation of each column; 1 for a constant column.
      constant: for each column whether it has one value alone.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    constant: tuple[bool, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many deviations the mean is away from zero; 0 for a constant column."""
        columns = zip(self.mean, self.scale, self.constant, strict=True)
        return tuple(0.0 if constant else abs(mean) / scale for mean, scale, constant in columns)

    @property
    def dtype(self) -> str:
        """The type in which the values are to travel until the mean is subtracted."""
        return "float64" if max(self.ratios) > FLOAT32_RATIO else "float32"

    def scales(self, *, standardize: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Means and scales for the schema: zeros and ones where values are not standardised."""
        if standardize:
            return self.mean, self.scale
        return (0.0,) * len(self.mean), (1.0,) * len(self.scale)


def of(table: np.ndarray) -> Moments:
    """The moments of each column.

    Args:
      table: float64 [rows, columns]; nan stands for no value.
    """
    known = np.ma.masked_invalid(table, copy=False) if np.isnan(table).any() else table
    mean, deviation = np.asarray(known.mean(axis=0)), np.asarray(known.std(axis=0))
    lowest, highest = np.asarray(known.min(axis=0)), np.asarray(known.max(axis=0))
    constant = highest - lowest <= np.maximum(np.abs(lowest), np.abs(highest)) * _CONSTANT
    return Moments(
        mean=tuple(mean.tolist()),
        scale=tuple(np.where(constant, 1.0, deviation).tolist()),
        constant=tuple(constant.tolist()),
    )


def tell(schema: Schema, moments: Moments, *, stored_as_float32: bool = False) -> None:
    """Says which columns lie so far from zero that float32 would lose what they have to say.

    Args:
      schema: of the data.
      moments: of its columns.
      stored_as_float32: the files hold no more than that.
    """
    for name, mean, scale, ratio in zip(schema.columns, moments.mean, moments.scale, moments.ratios, strict=True):
        if ratio <= TOLD_RATIO:
            continue
        if stored_as_float32:
            effect = "the files hold float32, which has lost part of that: write the differences from a constant"
        elif schema.standardized:
            effect = "values stay float64 until the mean is subtracted, and the export takes float64"
        else:
            effect = "networks work in float32, which loses part of that: set --standardize"
        _log.warning(
            "Column %s: its mean %.10g is %.2g times its deviation %.3g; %s.", name, mean, ratio, scale, effect
        )
