"""Windows of a series as `tf.data`, for all contenders that have TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from benchmarks.race.contenders import windows_values
from benchmarks.race.contenders.task import Task
from benchmarks.race.contenders.windows_values import HORIZON, LOOKBACK


def dataset(task: Task, batches: int | None = None) -> Callable[[], tf.data.Dataset]:
    """An input function of pairs float32 [batch, 336, columns] and [batch, 96, columns]; for ever, or so many once."""
    series, order = windows_values.series(task), windows_values.order(task)

    def cut(starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        windows = tf.gather(tf.constant(series), starts[:, None] + tf.range(LOOKBACK + HORIZON))
        return windows[:, :LOOKBACK], windows[:, LOOKBACK:]

    def input_fn() -> tf.data.Dataset:
        starts = tf.data.Dataset.from_tensor_slices(order)
        starts = starts.repeat() if batches is None else starts.take(batches)
        return starts.map(cut).prefetch(2)

    return input_fn


def trend_of(history: tf.Tensor) -> tf.Tensor:
    """The moving average of histories [batch, 336, columns], whose ends are repeated."""
    width = windows_values.TREND_WIDTH
    first, last = (tf.repeat(end, width // 2, axis=1) for end in (history[:, :1], history[:, -1:]))
    return tf.nn.avg_pool1d(tf.concat([first, history, last], axis=1), width, strides=1, padding="VALID")
