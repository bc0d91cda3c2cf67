"""Where the rows of a batch of training stand in the files: the way of `datasets.training` walked back.

Which example comes when follows from the seed and the numbers of the examples (`order`), and which line an example is
from the files, which are read once more. Streamed examples have numbers, too, when what is streamed is not the lines
themselves but where they stand: shuffled and batched in the same way, they come in the same order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats import sequences
from trainer.formats.files import fetching, named
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.pipeline import datasets
from trainer.formats.pipeline.order import shuffled
from trainer.formats.pipeline.streams import Stream, WindowStream
from trainer.formats.pipeline.windows import Windows
from trainer.formats.records import examples
from trainer.formats.records.tfrecords import read_records
from trainer.formats.series import long
from trainer.formats.series.located_rows import Rows
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Source
from trainer.job.config import DataConfig

if TYPE_CHECKING:
    import tensorflow as tf

_BETWEEN = "\n"
_MOST_STREAMED = 50_000_000
"""Examples before the batch, beyond which streaming past them would take minutes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchRows:
    """Rows of a batch of training.

    Attributes:
      batch: its number in the pipeline, from 0.
      rows: of it, from 0.
      pipeline: which of several pipelines, from 0.
      pipelines: how many there are.
    """

    batch: int
    rows: tuple[int, ...]
    pipeline: int = 0
    pipelines: int = 1


def places(source: Source, data: ForecastData, wanted: BatchRows) -> tuple[str, ...]:
    """Where rows of a batch stand: `data.csv:118`, `data.csv:118-147` for a window, `data.tfrecord, record 118`.

    Args:
      source: the data, as they were read for training.
      data: their settings.
      wanted: which rows.

    Returns:
      A place for each row, in their order; empty where there are no files, or too many examples before the batch.
    """
    if not data.train_data_paths:
        return ()
    part = source.train
    cache = DownloadCache(data.data_cache_dir)
    try:
        if isinstance(part, WindowStream):
            return _of_streamed(part, source.format, data, wanted)
        numbers = in_memory(part.count, data, wanted)
        paths = named.resolve(data.train_data_paths, "train_data_paths", cache)
        if source.format is DataFormat.SERIES:
            return _of_windows(part, long.training_rows(data, paths), numbers)
        found = [_Found(path, _lines(path, source.format, data)) for path in paths]
        return tuple(_nth(found, number, source.format) for number in numbers)
    finally:
        cache.close()


@dataclasses.dataclass(frozen=True)
class _Found:
    """A file, with the lines or the numbers of records that are examples, int64 [examples]."""

    path: str
    lines: np.ndarray


def _lines(path: str, data_format: DataFormat, data: ForecastData) -> np.ndarray:
    if data_format is not DataFormat.EXAMPLES:
        return sequences.lines_of_examples(path, data)
    reader = examples.reader(data, (path,))
    read = reader.numbered(path, read_records(path, reader.bad))
    return np.concatenate([np.array(numbers)[examples.whole(values, labels)] for numbers, values, labels in read])


def _place(path: str, line: int, data_format: DataFormat) -> str:
    return f"{path}, record {line}" if data_format is DataFormat.EXAMPLES else f"{path}:{line}"


def _nth(found: Sequence[_Found], number: int, data_format: DataFormat) -> str:
    """The place of an example, whose number counts through all files."""
    for one in found:
        if number < len(one.lines):
            return _place(one.path, int(one.lines[number]), data_format)
        number -= len(one.lines)
    raise IndexError(f"there is no example {number}")


def in_memory(examples: int, data: DataConfig, wanted: BatchRows) -> list[int]:
    """The numbers of the examples in rows of a batch.

    Args:
      examples: how many there are.
      data: size of batches and seed.
      wanted: which rows.
    """
    import tensorflow as tf

    first = wanted.batch * data.train_batch_size
    rows = np.unique(wanted.rows)
    positions = (first + rows) * wanted.pipelines + wanted.pipeline
    count = tf.constant(examples, tf.int64)
    numbers = shuffled(tf.constant(positions, tf.int64), count, data.seed or 0).numpy().tolist()
    of_row = dict(zip(rows.tolist(), numbers, strict=True))
    return [of_row[row] for row in wanted.rows]


def _of_windows(part: Windows, read: Sequence[Rows], numbers: Sequence[int]) -> tuple[str, ...]:
    """The lines of windows, by their numbers.

    Args:
      part: the windows.
      read: the series, whose rows are the table of the windows, one below the other.
      numbers: of the windows.
    """
    ends = np.cumsum([len(rows) for rows in read])
    found = []
    for number in numbers:
        first = part.first_value + number if part.starts is None else int(part.starts[number])
        at = int(np.searchsorted(ends, first, side="right"))
        rows, start = read[at], first - (int(ends[at]) - len(read[at]))
        path, last = rows.place(start), start + part.steps + part.horizon - 1
        found.append(path if rows.lines[last] == rows.lines[start] else f"{path}-{rows.lines[last]}")
    return tuple(found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Places(Stream):
    """The examples of a stream, each as its file and its number there, from 0."""

    stream: Stream

    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        import tensorflow as tf

        opened = self.stream.open_file(path, compression, left_out).enumerate()
        return opened.map(lambda number, _: tf.strings.join([path, tf.strings.as_string(number)], _BETWEEN))

    def decode(self, examples: Any) -> Any:
        return examples


def streamed(part: Stream, data: DataConfig, wanted: BatchRows) -> list[tuple[str, int]]:
    """The file of each example in rows of a batch, and its number there; empty where too many are before the batch.

    Args:
      part: the examples.
      data: size of batches and seed.
      wanted: which rows.
    """
    import tensorflow as tf

    if wanted.batch * data.train_batch_size > _MOST_STREAMED:
        return []
    context = tf.distribute.InputContext(wanted.pipelines, wanted.pipeline, wanted.pipelines)
    only_places = _Places(stream=part, paths=part.paths, compressed=part.compressed, left_out=part.left_out)
    batches = datasets.training(only_places, data, context)
    batch = next(iter(batches.skip(wanted.batch))).numpy()
    named = [batch[row].decode().split(_BETWEEN) for row in wanted.rows]
    by_address = {fetching.address(path): path for path in part.paths}
    return [(by_address[address], int(number)) for address, number in named]


def _of_streamed(part: WindowStream, data_format: DataFormat, data: ForecastData, wanted: BatchRows) -> tuple[str, ...]:
    found = streamed(part, data, wanted)
    lines = {path: _lines(path, data_format, data) for path, _ in found}
    return tuple(_place(path, int(lines[path][number]), data_format) for path, number in found)
