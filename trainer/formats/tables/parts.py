"""The rows of one part of a table for `pipelines`: read from the files in every epoch, or decoded once and held."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats.pipeline import datasets
from trainer.formats.pipeline.held import Held
from trainer.formats.pipeline.streams import Stream, lines_of
from trainer.formats.tables import eagerly
from trainer.formats.tables.encoding import Encoding, Raw
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.splitting import Part, Split
from trainer.formats.text.dialect import Dialect

if TYPE_CHECKING:
    import tensorflow as tf

_ROWS_AT_ONCE = 8192
_PLAIN = r"(?:[-+]?[0-9.][-+0-9.eE]*)?"
"""A number in a row of nothing but numbers and blanks, in which no quotes, words or dashes stand for something else."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowStream(Stream):
    """The rows of a part, from their text or from where they are kept."""

    @property
    @abc.abstractmethod
    def text(self) -> TableStream:
        """The same rows in the files of the person."""

    @abc.abstractmethod
    def with_schema(self, schema: TableSchema) -> RowStream:
        """The same rows, of which something else is made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableStream(RowStream):
    """Rows of CSV files, decoded a batch at a time.

    Attributes:
      names: of all fields of a row.
      dialect: how the files write them.
      schema: what is made of them.
      split: how rows are divided.
      part: the one that is read.
      count: how many rows that one has.
    """

    names: tuple[str, ...]
    dialect: Dialect
    schema: TableSchema
    split: Split
    part: Part
    count: int

    @property
    def text(self) -> TableStream:
        return self

    def with_schema(self, schema: TableSchema) -> TableStream:
        return dataclasses.replace(self, schema=schema)

    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        def keep(lines: Any, numbers: Any) -> Any:
            return self.split.is_part(self.part, lines, numbers, self._of_split)

        return lines_of(path, compression, left_out, keep)

    def _of_split(self, lines: Any) -> Any:
        """What the column of parts says, string [lines]."""
        import tensorflow as tf

        return tf.strings.strip(fields(lines, self.dialect, self.names, [self.names[self.split.column or 0]])[0])

    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        encoding = Encoding(schema=self.schema)
        raw, labels = self._read(examples, encoding)
        if self.schema.is_regression and self.dialect.decimal_comma:
            labels = tf.strings.regex_replace(labels, ",", ".")
        return encoding.features(raw), encoding.labels(tf.strings.strip(labels))

    def _read(self, lines: Any, encoding: Encoding) -> tuple[Raw, Any]:
        """The columns of lines, string [lines], and the labels as texts, string [lines]."""
        import tensorflow as tf

        columns, mark = (*self.schema.columns, self.schema.label), self.dialect.separator

        def by_texts() -> tuple[dict[str, Any], Any]:
            *found, labels = fields(lines, self.dialect, self.names, columns)
            raw = raw_of(encoding, found, self.dialect)
            return {**raw.numbers, **raw.texts}, labels

        def as_numbers() -> tuple[dict[str, Any], Any]:
            nan = tf.constant([math.nan], tf.float64)
            *found, labels = fields(lines, self.dialect, self.names, columns, (*[nan] * (len(columns) - 1), [""]))
            return dict(zip(columns[:-1], found, strict=True)), labels

        if mark is None or self.dialect.decimal_comma or set(self.schema.columns) != set(self.schema.plain_numbers):
            given, labels = by_texts()
        else:
            # As numbers at once in half the time that texts take. Quotes, words and dashes are left to the other way.
            rows = tf.strings.regex_full_match(lines, f"{_PLAIN}(?:{re.escape(mark)}{_PLAIN})*")
            given, labels = tf.cond(tf.reduce_all(rows), as_numbers, by_texts)
        numbers = {name: given.pop(name) for name in self.schema.plain_numbers}
        return Raw(numbers=numbers, texts=given), labels


def fields(
    lines: Any, dialect: Dialect, names: Sequence[str], columns: Sequence[str], blanks: Sequence[Any] | None = None
) -> list[Any]:
    """The fields of some columns, [lines] each, in the order of `columns`.

    Args:
      lines: string [lines].
      dialect: how they are written.
      names: of all fields of a row.
      columns: the names of those that are wanted.
      blanks: for each of them what a blank is, [1], of the type that its fields have; None for "".

    Raises:
      tf.errors.InvalidArgumentError: when it runs, a row is of another width, or badly quoted.
    """
    import tensorflow as tf

    separator = dialect.separator
    if separator is None:
        lines, separator = tf.strings.regex_replace(tf.strings.strip(lines), r"\s+", "\t"), "\t"
    positions = [names.index(column) for column in columns]
    order = sorted(positions)
    by_position = dict(zip(positions, blanks or [[""]] * len(positions), strict=True))
    defaults = [by_position[position] for position in order]
    read = dict(zip(order, tf.io.decode_csv(lines, defaults, field_delim=separator, select_cols=order), strict=True))
    return [read[position] for position in positions]


def raw_of(encoding: Encoding, texts: list[Any], dialect: Dialect) -> Raw:
    """Rows whose fields are texts, as clients would send them.

    Args:
      encoding: reads the numbers.
      texts: string [batch] for each column of the schema.
      dialect: how numbers are written.
    """
    import tensorflow as tf

    by_name = dict(zip(encoding.schema.columns, texts, strict=True))
    plain = encoding.schema.plain_numbers
    numbers: dict[str, Any] = {}
    if plain:
        table = encoding.numbers(tf.stack([by_name[column] for column in plain], axis=1), dialect)
        numbers = dict(zip(plain, tf.unstack(table, num=len(plain), axis=1), strict=True))
    return Raw(numbers=numbers, texts={column: by_name[column] for column in by_name if column not in numbers})


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TableRows(Held):
    """Rows in memory, as a model gets them; read when the first of them is asked for.

    Attributes:
      stream: that reads them.
      count: how many there are.
    """

    stream: RowStream
    count: int

    @property
    def text(self) -> TableStream:
        """The same rows in the files of the person."""
        return self.stream.text

    def with_schema(self, schema: TableSchema) -> TableRows:
        """The same rows, of which something else is made."""
        return dataclasses.replace(self, stream=self.stream.with_schema(schema))

    @property
    def floats(self) -> int:
        schema = self.stream.text.schema
        return len(schema.number_names) + len(schema.category_sizes) + 1

    @functools.cached_property
    def arrays(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Features and labels of all rows, [count, …], in the order of the files."""
        batches = eagerly.computed(lambda: list(datasets.evaluation(self.stream, _ROWS_AT_ONCE).as_numpy_iterator()))
        names = batches[0][0]
        features = {name: np.concatenate([batch[0][name] for batch in batches]) for name in names}
        return features, np.concatenate([batch[1] for batch in batches])

    def gatherer(self) -> Callable[[Any], tuple[dict[str, Any], Any]]:
        import tensorflow as tf

        features, labels = tf.nest.map_structure(tf.constant, self.arrays)

        def gather(index: Any) -> tuple[dict[str, Any], Any]:
            return {name: tf.gather(values, index) for name, values in features.items()}, tf.gather(labels, index)

        return gather
