"""The rows of one part of a table for `pipelines`: read from the files in every epoch, or decoded once and held."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats import pipelines
from trainer.formats.dialect import Dialect
from trainer.formats.held import Held
from trainer.formats.streams import Stream, lines_of
from trainer.formats.tables import eagerly
from trainer.formats.tables.encoding import Encoding, Raw
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.splitting import Part, Split

if TYPE_CHECKING:
    import tensorflow as tf

_ROWS_AT_ONCE = 8192


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableStream(Stream):
    """Rows of CSV files, decoded a batch at a time.

    Attributes:
      names: of all fields of a row.
      dialect: how the files write them.
      schema: what is made of them.
      split: how rows are divided.
      part: the one that is read.
    """

    names: tuple[str, ...]
    dialect: Dialect
    schema: TableSchema
    split: Split
    part: Part

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

        encoding, label = Encoding(schema=self.schema), self.schema.label
        found = fields(examples, self.dialect, self.names, [*self.schema.columns, label])
        raw = raw_of(encoding, found[:-1], self.dialect)
        labels = found[-1]
        if self.schema.is_regression and self.dialect.decimal_comma:
            labels = tf.strings.regex_replace(labels, ",", ".")
        return encoding.features(raw), encoding.labels(tf.strings.strip(labels))


def fields(lines: Any, dialect: Dialect, names: tuple[str, ...], columns: list[str]) -> list[Any]:
    """The fields of some columns, string [lines] each, in the order of `columns`.

    Args:
      lines: string [lines].
      dialect: how they are written.
      names: of all fields of a row.
      columns: the names of those that are wanted.

    Raises:
      tf.errors.InvalidArgumentError: when it runs, a row is of another width, or badly quoted.
    """
    import tensorflow as tf

    separator = dialect.separator
    if separator is None:
        lines, separator = tf.strings.regex_replace(tf.strings.strip(lines), r"\s+", "\t"), "\t"
    positions = [names.index(column) for column in columns]
    order = sorted(positions)
    read = tf.io.decode_csv(lines, [[""]] * len(order), field_delim=separator, select_cols=order)
    return [read[order.index(position)] for position in positions]


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

    stream: TableStream
    count: int

    @property
    def floats(self) -> int:
        schema = self.stream.schema
        return len(schema.number_names) + len(schema.category_sizes) + 1

    @functools.cached_property
    def arrays(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Features and labels of all rows, [count, …], in the order of the files."""
        batches = eagerly.computed(lambda: list(pipelines.evaluation(self.stream, _ROWS_AT_ONCE).as_numpy_iterator()))
        names = batches[0][0]
        features = {name: np.concatenate([batch[0][name] for batch in batches]) for name in names}
        return features, np.concatenate([batch[1] for batch in batches])

    def gatherer(self) -> Callable[[Any], tuple[dict[str, Any], Any]]:
        import tensorflow as tf

        features, labels = tf.nest.map_structure(tf.constant, self.arrays)

        def gather(index: Any) -> tuple[dict[str, Any], Any]:
            return {name: tf.gather(values, index) for name, values in features.items()}, tf.gather(labels, index)

        return gather
