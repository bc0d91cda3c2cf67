"""EDIT ME: the input functions of the job.

Each yields `({"values": [batch, steps, columns]}, labels [batch, horizon, targets])`, float32 in the units of the
files; change what they return to train on other data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats import baselines as simple_forecasts
from trainer.formats import pipelines, reading, serving, sines
from trainer.formats.reading import MEMORY_LIMIT
from trainer.job.config import DataConfig
from trainer.job.errors import JobError
from trainer.job.schema import Schema

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator.contract.export import ServingInputReceiver


def describe(data: DataConfig, generated_dir: str | None = None, *, memory_limit: int = MEMORY_LIMIT) -> Schema:
    """Reads and checks the data, without TensorFlow; what was read is kept for the functions below.

    Args:
      generated_dir: where the course's sine waves are written as CSV when `data` names no files; None writes nothing.
      memory_limit: bytes of text up to which a part of the data is held in memory, and streamed above.

    Raises:
      UsageError: settings that contradict each other.
      DataError: the first fault in the data, with file and line.
    """
    schema = reading.read(data, memory_limit).schema
    if generated_dir and not data.train_data_paths:
        sines.generate(generated_dir, data.sequence_length)
    return schema


def train_input_fn(
    data: DataConfig, input_context: tf.distribute.InputContext | None = None, *, memory_limit: int = MEMORY_LIMIT
) -> tf.data.Dataset:
    """Shuffled full batches of `train_batch_size`, for ever or for `num_epochs`; the same ones after a restart."""
    return pipelines.training(reading.read(data, memory_limit).train, data, input_context)


def eval_input_fn(data: DataConfig, *, memory_limit: int = MEMORY_LIMIT) -> tf.data.Dataset:
    """The evaluation part once, in order; the validation part of a series that is split."""
    return pipelines.evaluation(reading.read(data, memory_limit).evaluation, data.eval_batch_size)


def test_input_fn(data: DataConfig, *, memory_limit: int = MEMORY_LIMIT) -> tf.data.Dataset | None:
    """The test part once, in order; None when the data have none (only a series split in three has one)."""
    test = reading.read(data, memory_limit).test
    return None if test is None else pipelines.evaluation(test, data.eval_batch_size)


def serving_input_receiver_fn(data: DataConfig, *, memory_limit: int = MEMORY_LIMIT) -> ServingInputReceiver:
    """The dense `values`, or upstream of them CSV rows (serialized examples for TFRecord data)."""
    from trainer.estimator.contract.export import ServingInputReceiver

    source = reading.read(data, memory_limit)
    features, alternatives = serving.receiver(source.schema, source.format)
    return ServingInputReceiver(features, features, alternatives)


def baselines(data: DataConfig, *, memory_limit: int = MEMORY_LIMIT) -> dict[str, float]:
    """Root mean squared errors of simple forecasts on the evaluation part: same as last, mean, least squares."""
    return simple_forecasts.score(reading.read(data, memory_limit))


def locate_fault(data: DataConfig, said: str, *, memory_limit: int = MEMORY_LIMIT) -> JobError | None:
    """The fault in streamed data behind an InvalidArgumentError that `said` something in training; None without one."""
    return reading.locate_fault(data, said, memory_limit)
