"""TFRecord files of `tf.train.Example`: each feature column a list of floats, each target column another."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError

from trainer.formats import moments
from trainer.formats.contents import HEAD_BYTES, is_gzip, plain_bytes
from trainer.formats.records import example_class, feature_floats, first_records, parsed, read_records
from trainer.formats.schema import Schema
from trainer.formats.sequences import check_lookback, standardizes
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Part, Source
from trainer.formats.streams import Stream
from trainer.formats.windows import Windows
from trainer.job.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

# Records are read by Python, several times slower than text: from here on TensorFlow streams them.
LARGEST_READ_BYTES = 1 << 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordStream(Stream):
    """Records of TFRecord files.

    Attributes:
      columns: names of the features, `steps` floats each.
      targets: names of the labels, `horizon` floats each.
    """

    columns: tuple[str, ...]
    targets: tuple[str, ...]

    def open_file(self, path: Any, compression: Any) -> tf.data.Dataset:
        import tensorflow as tf

        return tf.data.TFRecordDataset(path, compression_type=compression)

    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        values = parse_examples(examples, self.columns, self.steps)
        labels = parse_examples(examples, self.targets, self.horizon)
        message = "a value is not finite"
        labels = tf.debugging.assert_all_finite(labels, message)
        values = tf.debugging.assert_all_finite(values, message)
        return {"values": tf.cast(values, self.dtype)}, tf.cast(labels, self.dtype)

    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path in self.paths:
            records = enumerate(read_records(path), 1)
            while block := list(itertools.islice(records, size)):
                yield self.tables(path, block)

    def tables(self, path: str, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        """float64 ([n, steps, columns], [n, horizon, targets]) of numbered records; DataError at a fault."""
        try:
            return self._fast(numbered)
        except (ValueError, DecodeError):
            return self._precise(path, numbered)

    def _fast(self, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        """Tells nothing of a fault but that there is one, by ValueError or DecodeError."""
        read = example_class().FromString
        features = [read(record).features.feature for _, record in numbered]
        values = _floats(features, self.columns, self.steps)
        return values, _floats(features, self.targets, self.horizon)

    def _precise(self, path: str, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        values = np.empty((len(numbered), self.steps, len(self.columns)))
        labels = np.empty((len(numbered), self.horizon, len(self.targets)))
        for row, (number, record) in enumerate(numbered):
            place = f"{path}, record {number}"
            example = parsed(record, place)
            for column, name in enumerate(self.columns):
                values[row, :, column] = feature_floats(example, name, self.steps, place)
            for column, name in enumerate(self.targets):
                labels[row, :, column] = feature_floats(example, name, self.horizon, place)
        return values, labels


def _floats(features: list[Any], names: tuple[str, ...], length: int) -> np.ndarray:
    """float64 [n, length, names]; ValueError for a missing feature, another type or length, or no finite value."""
    lists = [[feature[name].float_list.value[:] for name in names] for feature in features]
    table = np.array(lists)
    if table.shape != (len(features), len(names), length) or not np.isfinite(table).all():
        raise ValueError("another shape, or a value that is not finite")
    return np.ascontiguousarray(table.transpose(0, 2, 1))


def parse_examples(examples: Any, names: tuple[str, ...], length: int) -> Any:
    """The values of serialized examples, in a TensorFlow graph.

    Args:
      examples: string [batch].
      names: of the features.
      length: how many values each feature has.

    Returns:
      float32 [batch, length, names].
    """
    import tensorflow as tf

    features = tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([length], tf.float32) for name in names})
    return tf.stack([features[name] for name in names], axis=-1)


def source(data: ForecastData, train: tuple[str, ...], evaluation: tuple[str, ...], memory_limit: int) -> Source:
    """Reads the records; of a part that is streamed only the first ones of each file.

    Args:
      data: the settings.
      train: the files to train on.
      evaluation: those to evaluate on.
      memory_limit: bytes up to which a part is held in memory, LARGEST_READ_BYTES at most; above that it is streamed.

    Raises:
      UsageError: a setting that examples do not have.
      DataError: the first fault in the files.
    """
    check_lookback(data, DataFormat.EXAMPLES)
    limit = min(memory_limit, LARGEST_READ_BYTES)
    parts = _part(data, train, limit), _part(data, evaluation, limit)
    columns, targets = _columns(data)
    measured = moments.of(parts[0].first_values if isinstance(parts[0], Stream) else parts[0].values)
    mean, scale = measured.scales(standardize=standardizes(data, parts[0]))
    schema = Schema(
        steps=data.sequence_length - data.horizon,
        columns=columns,
        horizon=data.horizon,
        targets=targets,
        mean=mean,
        scale=scale,
        dtype=measured.dtype,
    )
    moments.tell(schema, measured, stored_as_float32=True)
    return Source.of(schema, format=DataFormat.EXAMPLES, train=parts[0], evaluation=parts[1])


def _columns(data: ForecastData) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return data.feature_columns or ("values",), data.target_columns or ("labels",)


def _part(data: ForecastData, paths: tuple[str, ...], limit: int) -> Part:
    columns, targets = _columns(data)
    stream = RecordStream(
        paths=paths,
        compressed=tuple(is_gzip(path) for path in paths),
        steps=data.sequence_length - data.horizon,
        horizon=data.horizon,
        columns=columns,
        targets=targets,
        first_values=np.empty((0, len(columns))),
    )
    if sum(plain_bytes(path) for path in paths) > limit:
        first = [_first_values(stream, path) for path in paths]
        return dataclasses.replace(stream, first_values=np.concatenate(first).reshape(-1, len(columns)))
    return _in_memory(stream)


def _in_memory(stream: RecordStream) -> Windows:
    blocks = list(stream.blocks(4096))
    if not blocks:
        raise DataError(
            f"{', '.join(stream.paths)}: no record",
            "at least one record",
            "Leave the file out, or write it again",
        )
    values = np.concatenate([values for values, _ in blocks])
    return Windows(
        values=values.reshape(-1, values.shape[2]),
        labels=np.concatenate([labels.reshape(-1, labels.shape[2]) for _, labels in blocks]),
        count=len(values),
        steps=stream.steps,
        horizon=stream.horizon,
        value_stride=stream.steps,
        label_stride=stream.horizon,
    )


def _first_values(stream: RecordStream, path: str) -> np.ndarray:
    """float64 [examples, steps, columns] of the first records; DataError at a fault in them."""
    numbered = list(enumerate(first_records(path, HEAD_BYTES), 1))
    return stream.tables(path, numbered)[0] if numbered else np.empty((0, stream.steps, len(stream.columns)))
