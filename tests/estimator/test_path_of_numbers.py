"""One process on real data: the losses that full-batch gradient descent has to show, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import etth1
from trainer.estimator import Estimator, EstimatorSpec, RunConfig
from trainer.estimator.saving.events import read_scalars


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    kernel = tf.Variable(tf.zeros([96, 24]), name="kernel")
    bias = tf.Variable(tf.zeros([24]), name="bias")
    forecast = features @ kernel + bias
    loss = tf.reduce_mean(tf.square(forecast - labels))
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.05).minimize(loss)
    return EstimatorSpec(mode, predictions=forecast, loss=loss, train_op=train_op)


def test_the_losses_on_etth1_are_the_published_ones(tmp_path: Path) -> None:
    data = tuple(part.astype(np.float32) for part in etth1.rows())
    config = RunConfig(save_summary_steps=1, save_checkpoints_steps=1000)
    estimator = Estimator(model_fn, tmp_path, config)
    estimator.train(lambda: tf.data.Dataset.from_tensors(data).repeat(), max_steps=201)
    written = read_scalars(str(tmp_path))
    for step, loss in etth1.LOSSES.items():
        assert written[step + 1]["loss"] == pytest.approx(loss, abs=1e-4)
