"""A job of tf.estimator's time, in whatever cluster there is: a canned DNNClassifier or a model of `tf.layers`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import trainer.compat.v1 as tf
from trainer.job.errors import JobError


def rows() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Points of the plane, and the class of each: whether it is to the right, seen through a word beside it."""
    random = np.random.default_rng(3)
    points = random.normal(size=(400, 2)).astype(np.float32)
    turned = random.integers(2, size=400)
    return {"point": points, "word": np.take(["as is", "turned"], turned)}, (points[:, 0] > 0) ^ (turned == 1)


def input_fn() -> Any:
    features, classes = rows()
    examples = tf.data.Dataset.from_tensor_slices((features, classes.astype(np.int64)))
    return tf.data.make_one_shot_iterator(examples.repeat().batch(100)).get_next()


def model_fn(features: Any, labels: Any, mode: str) -> Any:
    turned = tf.cast(tf.equal(features["word"], "turned"), tf.float32)[:, None]
    net = tf.layers.dense(tf.concat([features["point"], turned], 1), 16, activation=tf.nn.relu)
    net = tf.layers.batch_normalization(net, momentum=0.8, training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = tf.layers.dense(net, 2)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        train_op = tf.train.AdamOptimizer(0.02).minimize(loss, tf.train.get_global_step())
    metrics = {"accuracy": tf.metrics.accuracy(labels, tf.argmax(logits, 1))}
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def canned(config: Any) -> Any:
    word = tf.feature_column.categorical_column_with_vocabulary_list("word", ["as is", "turned"])
    columns = [tf.feature_column.numeric_column("point", shape=2), tf.feature_column.embedding_column(word, 2)]
    return tf.estimator.DNNClassifier([16, 8], columns, optimizer="Adagrad", config=config)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--model", choices=["canned", "layers"], required=True)
    chosen = parser.parse_args(argv)
    # Short calls: to build a graph of many steps would take longer than to make the few of this job.
    config = tf.estimator.RunConfig(
        str(chosen.output_dir), tf_random_seed=1, save_checkpoints_steps=1000, steps_per_loop=10
    )
    old = canned(config) if chosen.model == "canned" else tf.estimator.Estimator(model_fn, config=config)
    spec = tf.estimator.TrainSpec(input_fn, max_steps=200)
    tf.estimator.train_and_evaluate(old, spec, tf.estimator.EvalSpec(input_fn, steps=4, start_delay_secs=0))


if __name__ == "__main__":
    code = 0
    try:
        main(sys.argv[1:])
    except JobError as error:
        print(error, flush=True)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)
