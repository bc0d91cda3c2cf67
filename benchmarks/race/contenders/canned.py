"""Canned Estimators of both versions: tf.estimator or `trainer.estimator`, as the interpreter has it."""

from __future__ import annotations

import tempfile

import tensorflow as tf

from benchmarks import sines
from benchmarks.canned_models import CANNED, with_categories
from benchmarks.model_functions import tf_estimator
from benchmarks.race.contenders.estimator_clock import steps_per_second
from benchmarks.race.contenders.task import Figures, Task

_ROWS, _BATCH_SIZE = 2_000, 20


def train(task: Task) -> Figures:
    """Sine waves with categories, which are read from a saved dataset and then held in memory."""
    batches = with_categories(sines.in_order(sines.waves(_ROWS, seed=1), _BATCH_SIZE, 1)())
    with tempfile.TemporaryDirectory() as home:
        rows = home + "/rows"
        batches.save(rows)
        config = tf_estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=task["steps"])
        made = CANNED[task["model"]](home + "/model", config, {"optimizer": task["optimizer"]})
        rate = steps_per_second(task, made, lambda: tf.data.Dataset.load(rows).cache().repeat().prefetch(2))
    return Figures(rate=rate)
