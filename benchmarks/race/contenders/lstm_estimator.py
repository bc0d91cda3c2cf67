"""The course's LSTM by its model function: tf.estimator or `trainer.estimator`, as the interpreter has it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks import sines
from benchmarks.model_functions import course_lstm, tf_estimator
from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.estimator_clock import loss_after, steps_per_second
from benchmarks.race.contenders.task import Figures, Task

InputFunction = Callable[[], tf.data.Dataset]


def estimator(task: Task, model_dir: str, **settings: Any) -> Any:
    """One of the course's model function."""
    params = {"optimizer": "sgd", "learning_rate": lstm_values.LEARNING_RATE, "size": task["units"]}
    config = tf_estimator.RunConfig(model_dir=model_dir, **settings)
    return tf_estimator.Estimator(course_lstm, config=config, params=params)


def train(task: Task, input_fn: InputFunction) -> Figures:
    """Trained on what an input function gives; checked on the rows of the file."""
    loss = None
    if task["check"]:
        eval_fn = sines.in_order(lstm_values.sequences(task), task["batch_size"], 1)
        loss = loss_after(task, estimator(task, tempfile.mkdtemp()), input_fn, eval_fn)
    timed = estimator(task, tempfile.mkdtemp(), save_checkpoints_steps=task["steps"])
    return Figures(rate=steps_per_second(task, timed, input_fn), loss=loss)


def from_csv(task: Task) -> Figures:
    """Lines in the order of the file, batched, then decoded, as tf.data's guide has it."""
    return train(task, sines.csv_in_order(task["csv"], task["batch_size"]))


def from_memory(task: Task) -> Figures:
    """The rows as arrays: `from_tensor_slices`."""
    return train(task, sines.in_order(lstm_values.sequences(task), task["batch_size"], None))
