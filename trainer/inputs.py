"""EDIT ME: the input functions of the job.

Each yields `({"values": [batch, steps, columns]}, labels [batch, horizon, targets])`, float32 in the units of the
files; change what they return to train on other data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats import baselines as simple_forecasts
from trainer.formats import pipelines, reading, serving, sines
from trainer.formats.reading import MEMORY_LIMIT
from trainer.formats.source import Source
from trainer.job.config import DataConfig
from trainer.job.errors import JobError

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator.contract.export import ServingInputReceiver


def describe(data: DataConfig, generated_dir: str | None = None, *, memory_limit: int = MEMORY_LIMIT) -> Source:
    """Reads and checks the data, without TensorFlow; the functions below are given what it returns.

    Args:
      data: which files, and how they are to be read.
      generated_dir: where the course's sine waves are written as CSV when `data` names no files; None writes nothing.
      memory_limit: bytes of text up to which a part of the data is held in memory, and streamed above.

    Raises:
      UsageError: settings that contradict each other.
      DataError: the first fault in the data, with file and line.
    """
    source = reading.read(data, memory_limit)
    if generated_dir and not data.train_data_paths:
        sines.generate(generated_dir, data.sequence_length)
    return source


def train_input_fn(
    source: Source, data: DataConfig, input_context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Shuffled full batches of `train_batch_size`, for ever or for `num_epochs`; the same ones after a restart.

    Args:
      source: the data.
      data: their settings.
      input_context: which of several processes this one is, each of which takes its part; None where there is one.
    """
    return pipelines.training(source.train, data, input_context)


def eval_input_fn(source: Source, data: DataConfig) -> tf.data.Dataset:
    """The evaluation part once, in order; the validation part of a series that is split."""
    return pipelines.evaluation(source.evaluation, data.eval_batch_size)


def test_input_fn(source: Source, data: DataConfig) -> tf.data.Dataset | None:
    """The test part once, in order; None when the data have none (only a series split in three has one)."""
    return None if source.test is None else pipelines.evaluation(source.test, data.eval_batch_size)


def serving_input_receiver_fn(source: Source) -> ServingInputReceiver:
    """The dense `values`, or upstream of them CSV rows (serialized examples for TFRecord data)."""
    from trainer.estimator.contract.export import ServingInputReceiver

    features, alternatives = serving.receiver(source.schema, source.format)
    return ServingInputReceiver(features, features, alternatives)


def baselines(source: Source) -> dict[str, float]:
    """Root mean squared errors of simple forecasts on the evaluation part: same as last, mean, least squares."""
    return simple_forecasts.score(source)


def locate_fault(source: Source, message: str) -> JobError | None:
    """The fault in streamed data behind an InvalidArgumentError of training with this message; None without one."""
    return reading.locate_fault(source, message)
