"""EDIT ME: the input functions of the job.

Each yields `({"values": [batch, steps, columns]}, labels [batch, horizon, targets])`, in the units of the files and of
the type that the schema says; change what they return to train on other data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.settings import MEMORY_LIMIT, ForecastData
from trainer.job import layout

# Whatever takes a while to import is imported inside the functions: --help and usage errors are answered without it.
if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator.contract.export import ServingInputReceiver
    from trainer.formats.files.download_cache import DownloadCache
    from trainer.formats.source import Source


def describe(
    data: ForecastData,
    output_dir: str | None = None,
    cache: DownloadCache | None = None,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Source:
    """Reads and checks the data, without TensorFlow; the functions below are given what it returns as `schema`.

    Args:
      data: which files, and how they are to be read.
      output_dir: of the run; the course's sine waves are written as CSV below it where `data` names no files, and which
        rows could not be read, where these are skipped.
      cache: where copies of files in buckets go; None makes one for them.
      memory_limit: bytes of text up to which a part of the data is held in memory, and streamed above.

    Raises:
      UsageError: settings that contradict each other.
      DataError: the first fault in the data, with file and line.
    """
    from trainer.formats import reading, sines
    from trainer.formats.text import bad_rows

    source = reading.read(data, memory_limit, cache)
    if output_dir:
        bad_rows.write(output_dir, source.left_out)
    if output_dir and not data.train_data_paths:
        sines.generate(layout.join(output_dir, "data"), data.sequence_length)
    return source


def train_input_fn(
    schema: Source, data: ForecastData, input_context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Shuffled full batches of `train_batch_size`, for ever or for `num_epochs`; the same ones after a restart.

    Args:
      schema: what `describe` returned.
      data: their settings.
      input_context: which of several processes this one is, each of which takes its part; None where there is one.
    """
    from trainer.formats.pipeline import datasets

    return datasets.training(schema.train, data, input_context)


def eval_input_fn(schema: Source, data: ForecastData) -> tf.data.Dataset:
    """The evaluation part once, in order; the validation part of a series that is split."""
    from trainer.formats.pipeline import datasets

    return datasets.evaluation(schema.evaluation, data.eval_batch_size)


def test_input_fn(schema: Source, data: ForecastData) -> tf.data.Dataset | None:
    """The test part once, in order; None when the data have none (only a series split in three has one)."""
    from trainer.formats.pipeline import datasets

    return None if schema.test is None else datasets.evaluation(schema.test, data.eval_batch_size)


def serving_input_receiver_fn(schema: Source) -> ServingInputReceiver:
    """The dense `values`, or upstream of them CSV rows (serialized examples for TFRecord data)."""
    from trainer.estimator.contract.export import ServingInputReceiver
    from trainer.formats import serving

    features, alternatives = serving.receiver(schema, schema.format)
    return ServingInputReceiver(features, features, alternatives)
