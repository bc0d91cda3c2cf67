"""The course's LSTM in plain TensorFlow, without a package around it: what hooks, saves and summaries cost ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from benchmarks import sines
from benchmarks.model_functions import LstmCell
from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second

Features = dict[str, tf.Tensor]


class Model:
    """The model of `course_lstm` with nothing around it: four variables and a step of gradient descent."""

    def __init__(self, units: int) -> None:
        start = lstm_values.begin(units)
        self.cell = LstmCell(units)
        self.weights = [tf.Variable(value) for value in (start.kernel, start.bias, start.weight, start.shift)]

    def loss(self, features: Features, labels: tf.Tensor) -> tf.Tensor:
        """float32 [] of features float32 [batch, 9] and labels [batch, 1]."""
        kernel, bias, weight, shift = self.weights
        rows = features[sines.FEATURE]
        state = self.cell.zero_state(tf.shape(rows)[0], tf.float32)
        for inputs in tf.split(rows, rows.shape[1], 1):
            hidden, state = self.cell.advance(inputs, state, kernel, bias)
        return tf.reduce_mean(tf.square(tf.matmul(hidden, weight) + shift - labels))

    def step(self, features: Features, labels: tf.Tensor) -> tf.Tensor:
        """One update; returns the loss before it, float32 []."""
        with tf.GradientTape() as tape:
            loss = self.loss(features, labels)
        for variable, gradient in zip(self.weights, tape.gradient(loss, self.weights), strict=True):
            variable.assign_sub(lstm_values.LEARNING_RATE * gradient)
        return loss


Trainer = Callable[[int], object]
"""Makes so many steps."""


def measured(task: Task, begin: Callable[[Model], Trainer]) -> Figures:
    """Both halves with models of their own."""
    loss = None
    if task["check"]:
        model = Model(task["units"])
        begin(model)(task["check_steps"])
        rows = lstm_values.sequences(task)
        loss = float(model.loss({sines.FEATURE: rows[:, : -sines.N_OUTPUTS]}, rows[:, -sines.N_OUTPUTS :]))
    return Figures(rate=steps_per_second(task, begin(Model(task["units"]))), loss=loss)


def dataset(task: Task) -> tf.data.Dataset:
    """Batches from the CSV, or from memory."""
    if task.get("memory"):
        return sines.in_order(lstm_values.sequences(task), task["batch_size"], None)().prefetch(2)
    return sines.csv_in_order(task["csv"], task["batch_size"])()


def call_a_step(task: Task) -> Figures:
    """A `tf.function` call for each step."""

    def begin(model: Model) -> Trainer:
        step, iterator = tf.function(model.step), iter(dataset(task))

        def train(steps: int) -> None:
            for _ in range(steps):
                loss = step(*next(iterator))
            float(loss)

        return train

    return measured(task, begin)


def xla_loop(task: Task) -> Figures:
    """Many steps in one XLA program over a stack of batches: the same loop as ours, and nothing else."""

    def begin(model: Model) -> Trainer:
        stacks: Iterator[Any] = iter(dataset(task).batch(task["steps_per_call"], drop_remainder=True).prefetch(2))

        @tf.function(jit_compile=True)
        def loop(features: Features, labels: tf.Tensor) -> tf.Tensor:
            loss = tf.constant(0.0)
            for index in tf.range(task["steps_per_call"]):
                loss = model.step({name: stack[index] for name, stack in features.items()}, labels[index])
            return loss

        def train(steps: int) -> None:
            for _ in range(steps // task["steps_per_call"]):
                loss = loop(*next(stacks))
            float(loss)

        return train

    return measured(task, begin)
