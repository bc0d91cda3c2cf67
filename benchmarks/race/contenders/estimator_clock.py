"""Times the steps of an Estimator of either package, between two checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.race.contenders.task import Task


class Stopwatch(tf.compat.v1.train.CheckpointSaverListener):
    """Notes when the save of each step begins and ends."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.began: dict[int, float] = {}
        self.ended: dict[int, float] = {}

    def before_save(self, *arguments: Any) -> None:  # tf.estimator passes its session before the step
        self.began[int(arguments[-1])] = self.clock()

    def after_save(self, *arguments: Any) -> None:
        self.ended[int(arguments[-1])] = self.clock()


def steps_per_second(task: Task, estimator: Any, input_fn: Callable[..., Any]) -> float:
    """Of the second half of `2 * task['steps']` steps from scratch, saved after each half."""
    steps, watch = task["steps"], Stopwatch(task.clock)
    estimator.train(input_fn, steps=2 * steps, saving_listeners=[watch])
    return steps / (watch.began[2 * steps] - watch.ended[steps])


def loss_after(task: Task, estimator: Any, input_fn: Callable[..., Any], eval_fn: Callable[..., Any]) -> float:
    """The mean loss on evaluation batches, after `task['check_steps']` steps from scratch."""
    estimator.train(input_fn, steps=task["check_steps"])
    return float(estimator.evaluate(eval_fn)["loss"])
