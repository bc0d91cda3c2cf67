"""Each window scaled by its own mean and deviation, and its forecast scaled back (RevIN: Kim et al., ICLR 2022)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_EPSILON = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstanceNorm:
    """How the windows of a batch were scaled.

    Attributes:
      mean: float32 [batch, 1, channels].
      deviation: float32 [batch, 1, channels], √(variance + 1e-5).
      gain: float32 [channels], which is learnt; None for 1.
      offset: float32 [channels], likewise; None for 0.
    """

    mean: tf.Tensor
    deviation: tf.Tensor
    gain: tf.Variable | None = None
    offset: tf.Variable | None = None

    @classmethod
    def of(cls, history: tf.Tensor, *, learnt: bool) -> InstanceNorm:
        """For windows, float32 [batch, steps, channels]; `learnt` adds the gain and offset of the paper."""
        import tensorflow as tf

        mean, variance = tf.nn.moments(history, axes=[1], keepdims=True)
        size = history.shape[2]
        return cls(
            mean=mean,
            deviation=tf.sqrt(variance + _EPSILON),
            gain=tf.Variable(tf.ones([size]), name="instance_norm/gain") if learnt else None,
            offset=tf.Variable(tf.zeros([size]), name="instance_norm/offset") if learnt else None,
        )

    def scaled(self, history: tf.Tensor) -> tf.Tensor:
        """(x - mean) / deviation · gain + offset: float32 [batch, steps, channels]."""
        scaled = (history - self.mean) / self.deviation
        return scaled if self.gain is None else scaled * self.gain + self.offset

    def restored(self, forecast: tf.Tensor) -> tf.Tensor:
        """(y - offset) / gain · deviation + mean: float32 [batch, horizon, channels]."""
        if self.gain is not None:
            forecast = (forecast - self.offset) / (self.gain + _EPSILON**2)
        return forecast * self.deviation + self.mean
