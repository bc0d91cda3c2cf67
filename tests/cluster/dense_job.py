"""A job of a person's own: one dense layer from zero, a full batch at every step, in whatever cluster TF_CONFIG names.

Every process that trains notes its losses in `losses-ROLE-INDEX.json`, and says where its variables are.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.estimator import (
    Estimator,
    EstimatorSpec,
    EvalSpec,
    ModeKeys,
    RunConfig,
    RunContext,
    RunValues,
    TrainingHook,
    TrainSpec,
    train_and_evaluate,
)
from trainer.job.errors import JobError


def options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--rows", required=True, help="npz with x and y")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--optimizer", choices=["sgd", "adam", "adam_v1"], default="sgd")
    parser.add_argument("--push_every", type=int, default=1)
    parser.add_argument("--shares", type=int, nargs="*", help="rows of each process; without it they are dealt out")
    parser.add_argument("--devices", type=int, default=1, help="logical CPUs of each process, which share its rows")
    parser.add_argument("--stop_early_at", type=int)
    return parser.parse_args(argv)


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    zeros = tf.compat.v1.zeros_initializer()
    with tf.compat.v1.variable_scope(tf.compat.v1.get_variable_scope()) as scope:
        scope.set_caching_device(lambda op: op.device)  # as static_rnn does
        kernel = tf.compat.v1.get_variable("kernel", [features.shape[1], labels.shape[1]], initializer=zeros)
        bias = tf.compat.v1.get_variable("bias", [labels.shape[1]], initializer=zeros)
    loss = tf.reduce_mean((features @ kernel + bias - labels) ** 2)
    if mode != ModeKeys.TRAIN:
        return EstimatorSpec(mode, loss=loss)
    print("kernel on", kernel.device, "bias on", bias.device, flush=True)
    gradients = zip(tf.gradients(loss, [kernel, bias]), [kernel, bias], strict=True)
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.05)
    if params["optimizer"] == "adam":
        optimizer = keras.optimizers.Adam(0.01)
    if params["optimizer"] == "adam_v1":
        rate = tf.compat.v1.train.exponential_decay(0.01, tf.compat.v1.train.get_global_step(), 20, 0.5)
        optimizer = tf.compat.v1.train.AdamOptimizer(rate)
    return EstimatorSpec(mode, loss=loss, train_op=optimizer.apply_gradients(gradients))


class Losses(TrainingHook):
    """Collects the loss of every step, and may end training."""

    def __init__(self, file: Path, stop_early_at: int | None) -> None:
        self._file, self._stop_at = file, stop_early_at
        self._losses: list[float] = []

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self._losses += [float(loss) for loss in run_values.losses]
        if self._stop_at is not None and run_values.global_step >= self._stop_at:
            run_context.request_stop("the test asks for it")

    def end(self, run_context: RunContext) -> None:
        self._file.write_text(json.dumps(self._losses))


def full_batches(rows: str, shares: list[int] | None, devices: int) -> Callable[..., tf.data.Dataset]:
    """An input function whose every batch is all that its process has, or a share of that for each of its devices."""
    arrays = np.load(rows)
    x, y = arrays["x"].astype(np.float32), arrays["y"].astype(np.float32)

    def input_fn(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
        index, count = input_context.input_pipeline_id, input_context.num_input_pipelines
        mine = slice(index, None, count)
        if shares and count > 1:
            mine = slice(sum(shares[:index]), sum(shares[: index + 1]))
        mine_alone = tf.data.Dataset.from_tensor_slices((x[mine], y[mine]))
        return mine_alone.batch(len(x[mine]) // devices, drop_remainder=True).repeat()

    return input_fn


def main(argv: list[str]) -> None:
    chosen = options(argv)
    if chosen.devices > 1:
        devices = [tf.config.LogicalDeviceConfiguration()] * chosen.devices
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    config = RunConfig(save_checkpoints_steps=1000, save_summary_steps=None, push_every=chosen.push_every)
    estimator = Estimator(model_fn, chosen.output_dir, config, {"optimizer": chosen.optimizer})
    chosen.output_dir.mkdir(exist_ok=True)
    name = f"losses-{config.task_type}-{config.task_id}.json"
    stop_early_at = chosen.stop_early_at if config.is_chief else None
    input_fn = full_batches(chosen.rows, chosen.shares, chosen.devices)
    train_spec = TrainSpec(input_fn, chosen.steps, [Losses(chosen.output_dir / name, stop_early_at)])
    train_and_evaluate(estimator, train_spec, EvalSpec(input_fn, steps=1))


if __name__ == "__main__":
    code = 0
    try:
        main(sys.argv[1:])
    except JobError as error:
        print(error, flush=True)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)
