"""One process on real data: the losses that full-batch gradient descent has to show, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, RunConfig
from trainer.estimator.reporting import read_scalars

ETT = Path(__file__).parents[2] / ".." / "shared" / "data" / "ett" / "ETTh1.csv"
LOSSES = {
    0: 1.096443,
    1: 0.585574,
    2: 0.398568,
    5: 0.293939,
    10: 0.284094,
    20: 0.275831,
    50: 0.258127,
    100: 0.242116,
    200: 0.228971,
}


def windows() -> tuple[np.ndarray, np.ndarray]:
    """The first 256 windows 96 → 24 of ETTh1, each column a row, standardised by the training rows."""
    if not ETT.exists():
        pytest.skip("../shared/data/ett/ETTh1.csv is not here: its licence keeps it out of the project")
    rows = np.genfromtxt(ETT, delimiter=",", skip_header=1)[:, 1:]
    rows = (rows - rows[:8640].mean(0)) / rows[:8640].std(0)
    cut = np.stack([rows[start : start + 120].T for start in range(256)]).reshape(-1, 120).astype(np.float32)
    return cut[:, :96], cut[:, 96:]


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    kernel = tf.Variable(tf.zeros([96, 24]), name="kernel")
    bias = tf.Variable(tf.zeros([24]), name="bias")
    forecast = features @ kernel + bias
    loss = tf.reduce_mean(tf.square(forecast - labels))
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.05).minimize(loss)
    return EstimatorSpec(mode, predictions=forecast, loss=loss, train_op=train_op)


def test_the_losses_on_etth1_are_the_published_ones(tmp_path: Path) -> None:
    data = windows()
    config = RunConfig(save_summary_steps=1, save_checkpoints_steps=1000)
    estimator = Estimator(model_fn, tmp_path, config)
    estimator.train(lambda: tf.data.Dataset.from_tensors(data).repeat(), max_steps=201)
    written = read_scalars(str(tmp_path))
    for step, loss in LOSSES.items():
        assert written[step + 1]["loss"] == pytest.approx(loss, abs=1e-4)
