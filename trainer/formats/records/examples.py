"""TFRecord files of `tf.train.Example`: each feature column a list of floats, each target column another."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError

from trainer.formats import moments
from trainer.formats.files.contents import HEAD_BYTES, is_gzip, plain_bytes
from trainer.formats.pipeline.streams import WindowStream, is_among
from trainer.formats.pipeline.windows import Windows
from trainer.formats.records.tfrecords import (
    DamagedRecordError,
    example_class,
    feature_floats,
    first_records,
    parsed,
    read_records,
)
from trainer.formats.schema import Schema
from trainer.formats.sequences import check_lookback, check_rows, standardizes
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Part, Source
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.missing import Missing
from trainer.job.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

# Records are read by Python, several times slower than text: from here on TensorFlow streams them.
LARGEST_READ_BYTES = 1 << 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordStream(WindowStream):
    """Records of TFRecord files.

    Attributes:
      columns: names of the features, `steps` floats each.
      targets: names of the labels, `horizon` floats each.
      bad: takes the records that cannot be read.
      missing: what stands for no value; None where nan is a fault.
    """

    columns: tuple[str, ...]
    targets: tuple[str, ...]
    bad: BadRows
    missing: Missing | None = None

    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        import tensorflow as tf

        records = tf.data.TFRecordDataset(path, compression_type=compression)
        if left_out is None:
            return records
        numbered = records.enumerate(1).filter(lambda number, _: ~is_among(number[tf.newaxis], left_out)[0])
        return numbered.map(lambda _, record: record)

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
            for _, values, labels in self.numbered(path, read_records(path, self.bad), size):
                kept = whole(values, labels)
                yield values[kept], labels[kept]

    def numbered(
        self, path: str, records: Iterator[tuple[int, bytes]], size: int = 4096
    ) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
        """Records of a file in blocks: their numbers [n], and what `tables` gives.

        Args:
          path: of the file, for messages.
          records: with their numbers.
          size: how many a block has.
        """
        while block := list(itertools.islice(records, size)):
            yield [number for number, _ in block], *self.tables(path, block)

    def tables(self, path: str, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        """Numbered records as float64 ([n, steps, columns], [n, horizon, targets]), bad ones and missing values as nan.

        Raises:
          DataError: the first fault, where bad records are not skipped.
        """
        try:
            values, labels = self._fast(numbered)
        except (ValueError, DecodeError):
            values, labels = self._precise(path, numbered)
        if self.missing is not None:
            return self.missing.without(values), self.missing.without(labels)
        return values, labels

    def _fast(self, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        """Tells nothing of a fault but that there is one, by ValueError or DecodeError."""
        read = example_class().FromString
        features = [read(record).features.feature for _, record in numbered]
        missing = self.missing is not None
        values = _floats(features, self.columns, self.steps, missing=missing)
        return values, _floats(features, self.targets, self.horizon, missing=missing)

    def _precise(self, path: str, numbered: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        values = np.full((len(numbered), self.steps, len(self.columns)), np.nan)
        labels = np.full((len(numbered), self.horizon, len(self.targets)), np.nan)
        for row, (number, record) in enumerate(numbered):
            place = f"{path}, record {number}"
            try:
                example = parsed(record, place)
                values[row] = self._features(example, self.columns, self.steps, place)
                labels[row] = self._features(example, self.targets, self.horizon, place)
            except DataError as error:
                self.bad.meet(error, path, number, place)
                values[row] = np.nan
        return values, labels

    def _features(self, example: Any, names: tuple[str, ...], length: int, place: str) -> np.ndarray:
        """float64 [length, names]."""
        missing = self.missing is not None
        return np.stack([feature_floats(example, name, length, place, missing=missing) for name in names], axis=-1)


def whole(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which examples have no nan, bool [n], by values [n, steps, columns] and labels [n, horizon, targets]."""
    return np.asarray(~(np.isnan(values).any(axis=(1, 2)) | np.isnan(labels).any(axis=(1, 2))))


def _floats(features: list[Any], names: tuple[str, ...], length: int, *, missing: bool) -> np.ndarray:
    """float64 [n, length, names]; ValueError for a missing feature, another type or length, or no finite value.

    Args:
      features: by name, of each example.
      names: of the features.
      length: of each.
      missing: whether nan is accepted.
    """
    lists = [[feature[name].float_list.value[:] for name in names] for feature in features]
    table = np.array(lists)
    if (
        table.shape != (len(features), len(names), length)
        or not (~np.isinf(table) if missing else np.isfinite(table)).all()
    ):
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


def source(
    data: ForecastData,
    train: tuple[str, ...],
    evaluation: tuple[str, ...],
    memory_limit: int,
    bad: BadRows | None = None,
) -> Source:
    """Reads the records; of a part that is streamed only the first ones of each file, unless some may be left out.

    Args:
      data: the settings.
      train: the files to train on.
      evaluation: those to evaluate on.
      memory_limit: bytes up to which a part is held in memory, LARGEST_READ_BYTES at most; above that it is streamed.
      bad: takes the records that cannot be read; None for those of the settings.

    Raises:
      UsageError: a setting that examples do not have.
      DataError: the first fault in the files.
    """
    check_rows(data, DataFormat.EXAMPLES)
    check_lookback(data, DataFormat.EXAMPLES)
    limit, bad = min(memory_limit, LARGEST_READ_BYTES), bad or BadRows(data)
    parts = _part(data, train, limit, bad), _part(data, evaluation, limit, bad)
    columns, targets = _columns(data)
    left_out = bad.checked()
    for part, paths in zip(parts, (train, evaluation), strict=True):
        if isinstance(part, Windows) and not part.count:
            raise DataError(
                f"{', '.join(paths)}: no record that can be used",
                "at least one record",
                "Leave the file out, or write it again",
            )
    measured = moments.of(parts[0].first_values if isinstance(parts[0], WindowStream) else parts[0].values)
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
    return Source.of(schema, format=DataFormat.EXAMPLES, train=parts[0], evaluation=parts[1], left_out=left_out)


def _columns(data: ForecastData) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return data.feature_columns or ("values",), data.target_columns or ("labels",)


def reader(data: ForecastData, paths: tuple[str, ...]) -> RecordStream:
    """What reads the records of files."""
    columns, targets = _columns(data)
    return RecordStream(
        paths=paths,
        compressed=tuple(is_gzip(path) for path in paths),
        steps=data.sequence_length - data.horizon,
        horizon=data.horizon,
        columns=columns,
        targets=targets,
        first_values=np.empty((0, len(columns))),
        bad=BadRows(data),
        missing=Missing.of(data.missing_values),
    )


def _part(data: ForecastData, paths: tuple[str, ...], limit: int, bad: BadRows) -> Part:
    stream = dataclasses.replace(reader(data, paths), bad=bad)
    if sum(plain_bytes(path) for path in paths) > limit:
        again = dataclasses.replace(stream, bad=bad.forgetting())
        first = np.concatenate([_first_values(again, path) for path in paths]).reshape(-1, len(stream.columns))
        left_out = tuple(_left_out(stream, path) if bad.skips or stream.missing else () for path in paths)
        return dataclasses.replace(again, first_values=first, left_out=left_out)
    return _in_memory(stream)


def _in_memory(stream: RecordStream) -> Windows:
    blocks = [block[1:] for path in stream.paths for block in stream.numbered(path, read_records(path, stream.bad))]
    shapes = (0, stream.steps, len(stream.columns)), (0, stream.horizon, len(stream.targets))
    values, labels = (
        np.concatenate([np.empty(shape), *(block[at] for block in blocks)]) for at, shape in enumerate(shapes)
    )
    kept = whole(values, labels)
    stream.bad.count(len(kept))
    values, labels = values[kept], labels[kept]
    return Windows(
        values=values.reshape(-1, values.shape[2]),
        labels=labels.reshape(-1, labels.shape[2]),
        count=len(values),
        steps=stream.steps,
        horizon=stream.horizon,
        value_stride=stream.steps,
        label_stride=stream.horizon,
    )


def _left_out(stream: RecordStream, path: str) -> tuple[int, ...]:
    """The numbers of records that cannot be read, or hold a missing value."""
    numbers: list[int] = []
    with _streamed():
        for block, values, labels in stream.numbered(path, read_records(path)):
            stream.bad.count(len(block))
            numbers.extend(np.array(block)[~whole(values, labels)].tolist())
    return tuple(numbers)


@contextlib.contextmanager
def _streamed() -> Iterator[None]:
    """Says of a damaged record that it cannot be skipped: TensorFlow, which streams the file, does not get past it."""
    try:
        yield
    except DamagedRecordError as error:
        got = f"{error.got}, in a file that is streamed"
        raise DataError(got, "whole records in data larger than memory", error.do) from error


def _first_values(stream: RecordStream, path: str) -> np.ndarray:
    """float64 [examples, steps, columns] of the first records; DataError at a fault in them."""
    with _streamed():
        numbered = list(enumerate(first_records(path, HEAD_BYTES), 1))
    return stream.tables(path, numbered)[0] if numbered else np.empty((0, stream.steps, len(stream.columns)))
