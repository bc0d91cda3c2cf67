"""The course's LSTM in Keras 3: `fit` with many steps an execution, unrolled and compiled by XLA, its best setting."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from benchmarks import sines
from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second

Dataset = tf.data.Dataset


def from_csv(task: Task) -> Figures:
    """Lines in the order of the file, batched, then decoded."""
    return train(task, sines.csv_in_order(task["csv"], task["batch_size"])())


def from_memory(task: Task) -> Figures:
    """The rows as arrays: `from_tensor_slices`."""
    return train(task, sines.in_order(lstm_values.sequences(task), task["batch_size"], None)().prefetch(2))


def train(task: Task, dataset: Dataset) -> Figures:
    """Trained by `fit`; the loss of `evaluate` after the steps that all make."""
    dataset = dataset.map(as_sequence)
    loss = None
    if task["check"]:
        model = made(task)
        model.fit(dataset, steps_per_epoch=task["check_steps"], verbose=0)
        histories, labels = lstm_values.batches(task)
        width = histories.shape[-1]
        loss = model.evaluate(histories.reshape(-1, width, 1), labels.reshape(-1, 1), task["batch_size"], verbose=0)
    model = made(task)
    return Figures(
        rate=steps_per_second(task, lambda steps: model.fit(dataset, steps_per_epoch=steps, verbose=0)), loss=loss
    )


def as_sequence(features: dict[str, tf.Tensor], label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """float32 [batch, 9, 1] and [batch, 1]."""
    return features[sines.FEATURE][..., None], label


def made(task: Task) -> keras.Model:
    """Compiled, with the initial weights of all contenders."""
    start = lstm_values.begin(task["units"])
    kernel, bias = start.in_order((lstm_values.ENTER, lstm_values.FORGET, lstm_values.CANDIDATE, lstm_values.LEAVE))
    shape = (sines.SEQUENCE_LENGTH - sines.N_OUTPUTS, 1)
    lstm = keras.layers.LSTM(task["units"], unroll=task["unroll"])
    model = keras.Sequential([keras.Input(shape), lstm, keras.layers.Dense(sines.N_OUTPUTS)])
    model.set_weights([kernel[:1], kernel[1:], bias, start.weight, np.asarray(start.shift)])
    model.compile(
        optimizer=keras.optimizers.SGD(lstm_values.LEARNING_RATE),
        loss="mse",
        steps_per_execution=task["steps_per_call"],
        jit_compile=task["jit"],
    )
    return model
