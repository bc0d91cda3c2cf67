"""Input functions as other people write them, in tf.estimator or `trainer.estimator`, as the interpreter has it.

The model is the course's LSTM of 3 units, which is so small that the input decides. Shuffling has a seed, so that both
packages must make the same batches and come to the same loss.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from benchmarks import sines
from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.estimator_clock import loss_after, steps_per_second
from benchmarks.race.contenders.lstm_estimator import estimator
from benchmarks.race.contenders.task import Figures, Task

SEED = 7
_WIDTH = sines.SEQUENCE_LENGTH - sines.N_OUTPUTS
Reader = Callable[[Task], tf.data.Dataset]


def measured(task: Task, reader: Reader) -> Figures:
    """Trained on what a function of other people gives."""
    loss, input_fn = None, functools.partial(reader, task)
    if task["check"]:
        checked = estimator(task, tempfile.mkdtemp(), tf_random_seed=1)
        eval_fn = sines.in_order(lstm_values.sequences(task), task["batch_size"], 1)
        loss = loss_after(task, checked, input_fn, eval_fn)
    timed = estimator(task, tempfile.mkdtemp(), tf_random_seed=1, save_checkpoints_steps=task["steps"])
    return Figures(rate=steps_per_second(task, timed, input_fn), loss=loss)


def course(task: Task) -> Figures:
    """The course's own: a line is decoded at a time, then shuffled and batched."""
    return measured(task, lambda task: sines.course_csv(task["csv"], task["batch_size"], SEED)())


def single_examples(task: Task) -> Figures:
    """`parse_single_example` in a map before the batch, as most programs on TFRecord have it."""
    features = {
        sines.FEATURE: tf.io.FixedLenFeature([_WIDTH], tf.float32),
        "label": tf.io.FixedLenFeature([sines.N_OUTPUTS], tf.float32),
    }

    def parse(record: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        parsed = tf.io.parse_single_example(record, features)
        label = parsed.pop("label")
        return parsed, label

    def reader(task: Task) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(task["records"]).map(parse)
        return records.shuffle(10 * task["batch_size"], SEED).repeat().batch(task["batch_size"]).prefetch(1)

    return measured(task, reader)


def generator(task: Task) -> Figures:
    """A Python generator of rows."""
    rows = lstm_values.sequences(task)
    signature = ({sines.FEATURE: tf.TensorSpec([_WIDTH], tf.float32)}, tf.TensorSpec([sines.N_OUTPUTS], tf.float32))

    def examples() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        for row in rows:
            yield {sines.FEATURE: row[:_WIDTH]}, row[_WIDTH:]

    def reader(task: Task) -> tf.data.Dataset:
        dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
        return dataset.repeat().batch(task["batch_size"]).prefetch(1)

    return measured(task, reader)
