"""Rows of a table as they are kept once their text was read: numbers, and the numbers of texts, of one length each.

A row is 8-byte words, little-endian:

    | number of column 0 | … | texts of columns 0 and 1 | … | sum |
      float64                  int32 each                 int32, 0

The sum is that of the halves of the words before it as integers, each times an odd weight of its place, and of a
constant, modulo 2^32. A row of which a half is damaged, or that was never written, has another one, and so, but by
chance, has one of which more is damaged, or whose words are in another order. Numbers are in float64, as the text is
read, so that what a model gets of them is the same to the last bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats.tables.encoding import Encoding, NumberTable, Raw
from trainer.formats.tables.parts import RowStream, TableRows, TableStream
from trainer.formats.tables.schema import TableSchema
from trainer.job.errors import JobError
from trainer.storage.kept_folders import KeptFolder

if TYPE_CHECKING:
    import tensorflow as tf

DAMAGED = "parsed rows are damaged"
_SUM_OF_NOTHING = 0x7472_6169
_WEIGHT = 0x9E37_79B1
_WORD = 8
_MOST_TEXTS = 100_000
_READ_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowFormat:
    """Which columns a row has.

    Attributes:
      numbers: columns of numbers.
      texts: columns of texts.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def words(self) -> int:
        """Of a row."""
        return len(self.numbers) + -(-len(self.texts) // 2) + 1

    @property
    def bytes(self) -> int:
        """Of a row."""
        return self.words * _WORD

    def rows(self, numbers: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Rows as they are kept, int64 [rows, words].

        Args:
          numbers: float64 [rows, columns of numbers].
          texts: int32 [rows, columns of texts], the number of each.
        """
        made = np.zeros((len(numbers), self.words), "<i8")
        end = len(self.numbers)
        made[:, :end].view("<f8")[:] = numbers
        made[:, end:-1].view("<i4")[:, : len(self.texts)] = texts
        halves = made.view("<i4")
        halves[:, -2] = halves[:, :-2] @ self.weights[:-2] + np.int32(_SUM_OF_NOTHING)
        return made

    @property
    def weights(self) -> np.ndarray:
        """Of the halves of a row's words, int32 [2 · words]: odd and all different; that of the sum is −1."""
        # Neighbours in memory are far apart here: words that differ in few high bits only still have other sums.
        places = np.arange(2 * self.words, dtype=np.uint32).reshape(2, self.words).T.ravel()
        weights = (2 * places + 1) * np.uint32(_WEIGHT)
        weights[-2] = -1 % 2**32
        return weights.view(np.int32)


class TextNumbers:
    """Numbers for the texts of columns, in the order of their first appearance.

    Args:
      columns: their names.
      most: different texts of a column; one that has more loses its numbers.
    """

    def __init__(self, columns: Iterable[str], most: int = _MOST_TEXTS) -> None:
        self._numbers: dict[str, dict[str, int]] = {column: {} for column in columns}
        self._most, self._lost = most, set[str]()

    def of(self, texts: Mapping[str, Sequence[str]], rows: int) -> np.ndarray:
        """The numbers of texts, int32 [rows, columns]; 0 in a column that lost them.

        Args:
          texts: [rows] by column.
          rows: how many there are.
        """
        found = np.zeros((rows, len(self._numbers)), np.int32)
        for column, (name, numbers) in enumerate(self._numbers.items()):
            if name not in self._lost:
                found[:, column] = [numbers.setdefault(text, len(numbers)) for text in texts[name]]
                if len(numbers) > self._most:
                    numbers.clear()
                    self._lost.add(name)
        return found

    def texts(self) -> dict[str, list[str]]:
        """The texts by column, those of number 0 first, without the columns that lost them."""
        return {name: list(numbers) for name, numbers in self._numbers.items() if name not in self._lost}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParsedStream(RowStream):
    """Rows of one part of a table, read from where they are kept instead of the text, in the same order.

    Attributes:
      source: the same rows in the files of the person.
      format: of a row.
      texts: of each column of texts, by their numbers.
      folder: where the rows are kept.
    """

    source: TableStream
    format: RowFormat
    texts: Mapping[str, Sequence[str]] = dataclasses.field(repr=False)
    folder: KeptFolder = dataclasses.field(repr=False, compare=False)

    @property
    def text(self) -> TableStream:
        return self.source

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.source.count

    def with_schema(self, schema: TableSchema) -> ParsedStream:
        return dataclasses.replace(self, source=self.source.with_schema(schema))

    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        import tensorflow as tf

        return tf.data.FixedLengthRecordDataset(path, self.format.bytes, buffer_size=_READ_BYTES)

    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        schema, end = self.source.schema, len(self.format.numbers)
        encoding = Encoding(schema=schema)
        words = self._checked(tf.ensure_shape(tf.io.decode_raw(examples, tf.int64), [None, self.format.words]))
        numbers = tf.bitcast(words, tf.float64)  # and what is none: a slice of them would be another copy
        texts = tf.reshape(tf.bitcast(words[:, end:-1], tf.int32), [-1, 2 * (self.format.words - 1 - end)])
        raw = Raw(
            numbers={},
            table=self._table(numbers),
            texts={column: self._text(texts, column) for column in schema.columns if schema.is_text(column)},
        )
        if schema.is_regression:
            label = numbers[:, self.format.numbers.index(schema.label)]
            return encoding.features(raw), tf.cast(label, tf.float32)
        return encoding.features(raw), encoding.labels(self._text(texts, schema.label))

    def _table(self, numbers: Any) -> NumberTable | None:
        """The columns of features, of the words of rows as numbers, float64 [batch, words]."""
        names = self.source.schema.plain_numbers
        chosen = self.format.numbers[: len(names)]
        if {*chosen} != {*names}:
            raise ValueError(f"kept are the columns {chosen}, not {names}")
        return NumberTable(names=chosen, table=numbers[:, : len(names)]) if names else None

    def _checked(self, words: Any) -> Any:
        """The same rows, int64 [batch, words]; an InvalidArgumentError when it runs where one is damaged."""
        import tensorflow as tf

        halves = tf.reshape(tf.bitcast(words, tf.int32), [-1, 2 * self.format.words])
        sums = tf.linalg.matvec(halves, tf.constant(self.format.weights))  # half the time of a sum of words
        is_whole = tf.reduce_all(tf.equal(sums, -_SUM_OF_NOTHING))
        whole = tf.debugging.Assert(is_whole, [f"{self.folder.path}: {DAMAGED}"])
        with tf.control_dependencies([whole] if whole is not None else []):
            return tf.identity(words)

    def _text(self, numbers: Any, column: str) -> Any:
        """The texts of a column, string [batch], by the numbers of all columns of texts, int32 [batch, columns]."""
        import tensorflow as tf

        return tf.gather(tf.constant([*self.texts[column]], tf.string), numbers[:, self.format.texts.index(column)])


def fault(message: str, part: Rows) -> JobError | None:
    """What is behind an InvalidArgumentError of the pipeline, if kept rows are; these are deleted.

    Args:
      message: of that error.
      part: what was read.
    """
    stream = part.stream if isinstance(part, TableRows) else part
    if DAMAGED not in message or not isinstance(stream, ParsedStream):
        return None
    stream.folder.discard()
    return JobError(
        f"The parsed rows in {stream.folder.path} are not as they were written, and were deleted",
        None,
        "Start the job again, which reads the text; --parsed_cache_gb=0 keeps no rows",
    )


Rows = TableRows | TableStream | ParsedStream
"""The rows of a part: in memory, or read again in every epoch."""
