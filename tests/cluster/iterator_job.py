"""A program of TensorFlow 1: an input function with an iterator and a lookup table, in whatever cluster there is.

The sum of what the words of every batch stand for goes into a variable, which shows which batches were seen.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import trainer.compat.v1 as tf
from trainer.estimator import Estimator, EstimatorSpec, EvalSpec, RunConfig, TrainSpec, train_and_evaluate


def input_fn() -> Any:
    dataset = tf.data.Dataset.from_tensor_slices(["one", "two", "two", "one"]).repeat().batch(2)
    iterator = dataset.make_initializable_iterator()
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    words = iterator.get_next()
    numbers = tf.lookup.index_table_from_tensor(["zero", "one", "two"]).lookup(words)
    return {"words": words}, tf.cast(numbers, tf.float32)


def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    seen = tf.get_variable("seen", [], initializer=tf.zeros_initializer())
    loss = seen * tf.reduce_sum(labels)
    train_op = tf.train.GradientDescentOptimizer(-1.0).minimize(loss, tf.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", required=True)
    estimator = Estimator(model_fn, parser.parse_args(argv).output_dir, RunConfig(save_summary_steps=None))
    train_and_evaluate(estimator, TrainSpec(input_fn, max_steps=10), EvalSpec(input_fn, steps=1))


if __name__ == "__main__":
    main(sys.argv[1:])
