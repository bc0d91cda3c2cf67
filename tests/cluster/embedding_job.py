"""A job with a large table: ids look up rows of it, whose means are to be the labels, in whatever cluster there is.

The process that trains notes its losses in `losses-ROLE-INDEX.json`, and in `traffic.json` what went over the network
meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import traffic
from tests.cluster.dense_job import Losses
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

V1 = tf.compat.v1


def options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--ids", type=int, default=50, help="in a batch")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--table", choices=["partitioned", "variable", "keras"], default="variable")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), default="adagrad")
    parser.add_argument("--initial", choices=list(INITIAL), default="ones")
    parser.add_argument("--parts", type=int, help="of every table, however small it is")
    parser.add_argument("--push_every", type=int, default=1)
    parser.add_argument("--steps_per_call", type=int, help="at most; by default as many as the package finds good")
    parser.add_argument("--save_steps", type=int, default=1000)
    return parser.parse_args(argv)


OPTIMIZERS = {
    "sgd": lambda: V1.train.GradientDescentOptimizer(0.5),
    "adagrad": lambda: V1.train.AdagradOptimizer(0.5),
    "adam": lambda: V1.train.AdamOptimizer(0.05),
    "ftrl": lambda: V1.train.FtrlOptimizer(0.5),
    "keras_adam": lambda: keras.optimizers.Adam(0.05),
}


INITIAL = {
    "ones": (V1.ones_initializer(), "ones", tf.ones),
    "uniform": (V1.random_uniform_initializer(-0.05, 0.05), "uniform", lambda shape: tf.random.uniform(shape) * 0.1),
}


def looked_up(ids: tf.Tensor, params: argparse.Namespace) -> tf.Tensor:
    shape = [params.rows, params.width]
    of_v1, of_keras, of_tensorflow = INITIAL[params.initial]
    match params.table:
        case "partitioned":
            partitioner = V1.fixed_size_partitioner(2)
            table = V1.get_variable("table", shape, initializer=of_v1, partitioner=partitioner)
            return V1.nn.embedding_lookup(table, ids)
        case "variable":
            table = tf.Variable(lambda: of_tensorflow(shape), name="table")
            return tf.nn.embedding_lookup(table, ids)
        case _:
            return keras.layers.Embedding(*shape, embeddings_initializer=of_keras, name="table")(ids)


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str, params: argparse.Namespace) -> EstimatorSpec:
    rows = looked_up(features, params)
    scale = V1.get_variable("scale", [params.width], initializer=V1.ones_initializer())
    loss = tf.reduce_mean((tf.reduce_mean(rows * scale, 1) - labels) ** 2)
    if mode != ModeKeys.TRAIN:
        return EstimatorSpec(mode, loss=loss)
    optimizer = OPTIMIZERS[params.optimizer]()
    variables = V1.trainable_variables()
    gradients = zip(tf.gradients(loss, variables), variables, strict=True)
    return EstimatorSpec(mode, loss=loss, train_op=optimizer.apply_gradients(gradients))


def batches(params: argparse.Namespace) -> tf.data.Dataset:
    """The same batches in every process: ids, and what their rows shall be."""
    rng = np.random.default_rng(7)
    ids = rng.integers(0, params.rows, [200, params.ids])
    return tf.data.Dataset.from_tensor_slices((ids, (ids % 5).astype(np.float32))).repeat()


class Traffic(TrainingHook):
    """Notes, between device calls, the step, the seconds, and the bytes that the job's processes sent each other."""

    def __init__(self, file: Path, addresses: list[str]) -> None:
        self._file, self._ports = file, {int(address.rpartition(":")[2]) for address in addresses}
        self._noted: list[tuple[int, float, int]] = []

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self._noted.append((run_values.global_step, time.monotonic(), traffic.carried(self._ports)))

    def end(self, run_context: RunContext) -> None:
        self._file.write_text(json.dumps(self._noted))


def run_config(chosen: argparse.Namespace) -> RunConfig:
    config = RunConfig(
        save_checkpoints_steps=chosen.save_steps,
        save_summary_steps=None,
        push_every=chosen.push_every,
        steps_per_loop=chosen.steps_per_call,
        tf_random_seed=1,
    )
    if chosen.parts is None or not (config.is_chief and config.distribution == "ps"):
        return config
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        config.cluster_spec, task_type="chief", task_id=0, rpc_layer="grpc"
    )
    partitioner = tf.distribute.experimental.partitioners.FixedShardsPartitioner(chosen.parts)
    strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=partitioner)
    return config.replace(train_distribute=strategy)


def main(argv: list[str]) -> None:
    chosen = options(argv)
    config = run_config(chosen)
    estimator = Estimator(model_fn, chosen.output_dir, config, params=chosen)
    chosen.output_dir.mkdir(exist_ok=True)
    losses = Losses(chosen.output_dir / f"losses-{config.task_type}-{config.task_id}.json", None)
    addresses = [address for those in config.cluster_spec.as_dict().values() for address in those]
    carried = Traffic(chosen.output_dir / "traffic.json", addresses)
    input_fn: Any = lambda input_context: batches(chosen)  # noqa: E731
    train_and_evaluate(estimator, TrainSpec(input_fn, chosen.steps, [losses, carried]), EvalSpec(input_fn, steps=1))


if __name__ == "__main__":
    code = 0
    try:
        main(sys.argv[1:])
    except JobError as error:
        print(error, flush=True)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)
