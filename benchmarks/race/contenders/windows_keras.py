"""DLinear in Keras 3: layers, Adam, and `fit` with many steps an execution, compiled by XLA."""

from __future__ import annotations

import keras

from benchmarks.race.contenders import windows_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second
from benchmarks.race.contenders.windows_data import dataset
from benchmarks.race.contenders.windows_values import CHECKED_BATCHES, HORIZON, LOOKBACK, START, TREND_WIDTH


@keras.saving.register_keras_serializable()
class Trend(keras.layers.Layer):
    """The moving average of [batch, 336, columns], whose ends are repeated."""

    def call(self, history: keras.KerasTensor) -> keras.KerasTensor:
        half = TREND_WIDTH // 2
        ends = keras.ops.repeat(history[:, :1], half, 1), keras.ops.repeat(history[:, -1:], half, 1)
        padded = keras.ops.concatenate([ends[0], history, ends[1]], 1)
        return keras.ops.average_pool(padded, TREND_WIDTH, 1)


def along_time() -> keras.Sequential:
    """A linear map from [batch, 336, columns] to [batch, 96, columns]."""
    start = keras.initializers.Constant(START)
    dense = keras.layers.Dense(HORIZON, kernel_initializer=start)
    return keras.Sequential([keras.layers.Permute((2, 1)), dense, keras.layers.Permute((2, 1))])


def made(task: Task) -> keras.Model:
    """Compiled."""
    history = keras.Input((LOOKBACK, windows_values.series(task).shape[1]))
    trend = Trend()(history)
    model = keras.Model(history, along_time()(history - trend) + along_time()(trend))
    model.compile(
        optimizer=keras.optimizers.Adam(windows_values.LEARNING_RATE, epsilon=1e-8),
        loss="mse",
        steps_per_execution=task["steps_per_call"],
        jit_compile=True,
    )
    return model


def train(task: Task) -> Figures:
    """By `fit`; the loss by `evaluate`."""
    loss, batches = None, dataset(task)()
    if task["check"]:
        model = made(task)
        model.fit(batches, steps_per_epoch=task["check_steps"], verbose=0)
        loss = model.evaluate(dataset(task, CHECKED_BATCHES)(), verbose=0)
    model = made(task)
    rate = steps_per_second(task, lambda steps: model.fit(batches, steps_per_epoch=steps, verbose=0))
    return Figures(rate=rate, loss=loss)
