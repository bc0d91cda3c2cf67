"""DLinear: trend and remainder, a linear map each (Zeng et al., AAAI 2023, arXiv 2205.13504, section 4.1)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError
from trainer.networks import channels, n_linear
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about DLinear."""

    trend_width: int = setting(
        25, "rows, an odd number, whose average is the trend of dlinear", positive="an odd number from 1 up"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trend_width % 2 == 0:
            do = f"Set --trend_width={self.trend_width + 1}"
            raise UsageError(f"--trend_width={self.trend_width}", "an odd number from 1 up", do)


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """t = moving average of x; y = W₁ (x - t) + b₁ + W₂ t + b₂ for each target, with the same weights for all.

    W is [horizon, steps] and b [horizon]; in the moving average the ends of x are repeated.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: with the width of the moving average.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    history = channels.of_targets(values, schema)
    trend = moving_average(history, params.trend_width)
    remainder = channels.along_time(history - trend, schema.horizon, "remainder")
    return remainder + channels.along_time(trend, schema.horizon, "trend")


def moving_average(history: tf.Tensor, width: int) -> tf.Tensor:
    """The average of the rows around each.

    Args:
      history: float32 [batch, steps, channels], whose ends are repeated.
      width: how many rows, an odd number.

    Returns:
      float32 [batch, steps, channels].
    """
    import tensorflow as tf

    first, last = (tf.repeat(end, width // 2, axis=1) for end in (history[:, :1], history[:, -1:]))
    return tf.nn.avg_pool1d(tf.concat([first, history, last], axis=1), width, strides=1, padding="VALID")


PRESETS = {
    name.replace("nlinear", "dlinear"): {**preset, "model": "dlinear"}
    for name, preset in n_linear.NETWORK.presets.items()
}
NETWORK = Network(name="dlinear", outputs=forecast, settings=Settings, check=channels.check, presets=PRESETS)
