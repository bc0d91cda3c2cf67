"""`evaluate` and `predict` of Keras 3, with many steps an execution, compiled by XLA."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from benchmarks.race.contenders import inference
from benchmarks.race.contenders.task import Figures, Task


def made(task: Task) -> keras.Model:
    """Compiled, with the weights of all contenders."""
    model = keras.Sequential([keras.Input((inference.COLUMNS,))])
    for number, size in enumerate(inference.SIZES):
        model.add(keras.layers.Dense(size, activation="relu" if number < len(inference.SIZES) - 1 else None))
    model.set_weights([weight for layer in inference.weights() for weight in layer])
    model.compile(
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError()],
        steps_per_execution=task["steps_per_call"],
        jit_compile=True,
    )
    return model


def dataset(*arrays: np.ndarray) -> tf.data.Dataset:
    """Their batches."""
    return tf.data.Dataset.from_tensor_slices(arrays).prefetch(4)


def evaluate(task: Task) -> Figures:
    """A second call, when everything is traced."""
    model, batches = made(task), dataset(*inference.rows(task))
    model.evaluate(batches.take(2 * task["steps_per_call"]), verbose=0)
    began = task.clock()
    loss, _ = model.evaluate(batches, verbose=0)
    return Figures(rate=task["rows"] / (task.clock() - began), loss=loss)


def predict(task: Task) -> Figures:
    """A second call, when everything is traced."""
    model, batches = made(task), dataset(inference.rows(task)[0])
    model.predict(batches.take(2 * task["steps_per_call"]), verbose=0)
    began = task.clock()
    predictions = model.predict(batches, verbose=0)
    return Figures(rate=task["rows"] / (task.clock() - began), loss=inference.mean_square(predictions))
