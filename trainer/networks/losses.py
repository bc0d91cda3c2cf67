"""What training brings down, by flags: the squared error, the absolute error, or the error of a quantile."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import tensorflow as tf


class Loss(enum.Enum):
    SQUARED = "squared"
    ABSOLUTE = "absolute"
    QUANTILE = "quantile"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What training brings down."""

    loss: Loss = setting(
        Loss.SQUARED,
        "squared (forecasts are means), absolute (medians), or quantile (that of --quantile)",
        choices=Loss,
    )
    quantile: float | None = setting(None, "which share of the values is to be below the forecast; default: 0.5")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantile is None:
            return
        if self.loss is not Loss.QUANTILE:
            got = f"--quantile={self.quantile:g} with --loss={self.loss.value}, which has no use for it"
            raise UsageError(got, "--loss=quantile", "Add it, or drop --quantile")
        if not 0 < self.quantile < 1:
            raise UsageError(f"--quantile={self.quantile:g}", "above 0 and below 1", "Try --quantile=0.9")


def of_errors(errors: tf.Tensor, params: Settings) -> tf.Tensor:
    """The loss of each error, which is label minus forecast.

    Args:
      errors: float [...], standardised.
      params: says the loss: e², |e|, or max(q e, (q - 1) e) (Koenker & Bassett 1978).

    Returns:
      float of the same shape.
    """
    import tensorflow as tf

    match params.loss:
        case Loss.SQUARED:
            return tf.square(errors)
        case Loss.ABSOLUTE:
            return tf.abs(errors)
        case Loss.QUANTILE:
            quantile = 0.5 if params.quantile is None else params.quantile
            return tf.maximum(quantile * errors, (quantile - 1.0) * errors)
