"""From rows to the tensors that a model gets, in TensorFlow: the same ops in the input pipeline and in an export.

Values of a category are looked up by their fingerprints, with `tf.strings.to_hash_bucket_fast` and `tf.searchsorted`.
`tf.lookup` and Keras's `StringLookup` give the same ids, but hold a resource of one process, which a pipeline on a
worker does not have and the position of a pipeline cannot name.

`==` would compare tensors by identity in the graph of a model function, as in TensorFlow 1: hence `tf.equal`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.formats.tables import eagerly
from trainer.formats.tables.schema import TableSchema
from trainer.formats.text import timestamps
from trainer.formats.text.dialect import Dialect

_FINGERPRINTS = (1 << 63) - 1
_NO_DATE = "1970-1-1"
_FIELDS_OF_DATE = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberTable:
    """Columns of numbers of one type.

    Attributes:
      names: of the columns.
      table: float [batch, columns]; nan for a blank.
    """

    names: tuple[str, ...]
    table: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raw:
    """Rows as clients send them.

    Attributes:
      numbers: by column, float [batch]; nan for a blank.
      texts: by column, string [batch]; "" for a blank.
      table: further columns of numbers, where they are together already.
    """

    numbers: Mapping[str, Any]
    texts: Mapping[str, Any]
    table: NumberTable | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoding:
    """What a schema makes of rows.

    Attributes:
      schema: of the table.
    """

    schema: TableSchema

    def features(self, raw: Raw) -> dict[str, Any]:
        """What a model gets.

        Args:
          raw: the rows.

        Returns:
          {"numbers": float32 [batch, numbers], "categories": int32 [batch, categories]}, in the order of the schema's
          `number_names` and `category_sizes`, without what the table does not have.
        """
        import tensorflow as tf

        texts = {column: self._known(text) for column, text in raw.texts.items()}
        dates = {column: _Date.read(texts[column], writing) for column, writing in self.schema.dates.items()}
        tables = self._tables(raw, {column: date.days for column, date in dates.items()})
        ids = [self._ids(texts[column], self.schema.vocabulary(column)) for column in self.schema.vocabularies]
        for column, writing in self.schema.dates.items():
            ids += dates[column].ids(with_clock=writing.endswith("clock"))
        found = {"categories": tf.stack(ids, axis=1)} if ids else {}
        if not tables:
            return found
        numbers, blank = self._standardized(tables)
        names, with_blanks = [*self.schema.numbers], self.schema.with_blanks
        if with_blanks:
            blank = _chosen(blank, [names.index(column) for column in with_blanks])
            numbers = _joined([numbers, tf.cast(blank, tf.float32)])
        return {"numbers": numbers} | found

    def labels(self, texts: Any) -> Any:
        """Labels of texts, string [batch]: float32 [batch], or the numbers of classes, int32 [batch]."""
        import tensorflow as tf

        if self.schema.is_regression:
            return tf.cast(tf.strings.to_number(texts, tf.float64), tf.float32)  # as rows are kept once they are read
        number = self._found(texts, self.schema.classes)
        known = tf.debugging.assert_non_negative(number, f"a class of {self.schema.label} that was never seen")
        with tf.control_dependencies([known] if known is not None else []):
            return tf.identity(number)

    def _known(self, texts: Any) -> Any:
        """Texts without outer blanks, and "" for each that stands for no value, string [batch]."""
        import tensorflow as tf

        texts = tf.strings.strip(texts)
        words = "|".join(map(re.escape, self.schema.missing_texts))
        return tf.where(tf.strings.regex_full_match(texts, f"(?i)(?:{words})"), "", texts) if words else texts

    def numbers(self, texts: Any, dialect: Dialect) -> Any:
        """Numbers of texts, string [batch, columns]: float64, nan for blanks."""
        import tensorflow as tf

        texts = self._known(texts)
        if dialect.decimal_comma:
            texts = tf.strings.regex_replace(texts, ",", ".")
        return tf.strings.to_number(tf.where(tf.equal(texts, ""), "nan", texts), tf.float64)

    def _is_blank(self, numbers: Any) -> Any:
        """Of numbers [batch, columns], bool [batch, columns]."""
        import tensorflow as tf

        blank = tf.math.is_nan(numbers)
        for number in self.schema.missing_numbers:
            blank |= tf.equal(numbers, tf.cast(number, numbers.dtype))
        return blank

    def _standardized(self, tables: Sequence[NumberTable]) -> tuple[Any, Any]:
        """The numbers, float32 [batch, numbers], a blank as the median; and which are blanks, bool [batch, numbers].

        Columns of one type go together: an op for each of hundreds of columns would take longer than their arithmetic.

        Args:
          tables: what there is of numbers and days, of one type each.
        """
        import tensorflow as tf

        found, blanks, names = [], [], [name for numbers in tables for name in numbers.names]
        for numbers in tables:
            mean, scale, median = (
                tf.constant([self.schema.numbers[name][learnt] for name in numbers.names], numbers.table.dtype)
                for learnt in ("mean", "scale", "median")
            )
            standardized = tf.cast((numbers.table - mean) / scale, tf.float32)
            # Of float32 in half the time; numbers that stand for a blank are seen in the table alone.
            blank = self._is_blank(numbers.table if self.schema.missing_numbers else standardized)
            of_blanks = tf.cast((median - mean) / scale, tf.float32)
            found.append(tf.where(blank, of_blanks, standardized))
            blanks.append(blank)
        order = [names.index(name) for name in self.schema.numbers]
        return _chosen(_joined(found), order), _chosen(_joined(blanks), order)

    def _tables(self, raw: Raw, days: Mapping[str, Any]) -> list[NumberTable]:
        """The numbers of rows, and the days of dates, float64 [batch] by column: columns of one type together."""
        import tensorflow as tf

        found = [raw.table] if raw.table is not None else []
        columns = {**raw.numbers, **days}
        for dtype in dict.fromkeys(column.dtype for column in columns.values()):
            names = tuple(name for name, column in columns.items() if column.dtype == dtype)
            found.append(NumberTable(names=names, table=tf.stack([columns[name] for name in names], axis=1)))
        return found

    def _ids(self, texts: Any, vocabulary: Sequence[str]) -> Any:
        """int32 [batch]: 0 for a blank, then the values of the vocabulary, then buckets for all others."""
        import tensorflow as tf

        number = self._found(texts, vocabulary)
        bucket = tf.strings.to_hash_bucket_fast(texts, self.schema.oov_buckets)
        other = 1 + len(vocabulary) + tf.cast(bucket, tf.int32)
        return tf.where(tf.equal(texts, ""), 0, tf.where(number < 0, other, number + 1))

    def _found(self, texts: Any, values: Sequence[str]) -> Any:
        """Which of the values each text is, int32 [batch]; -1 for none."""
        import tensorflow as tf

        if not values:
            return tf.fill(tf.shape(texts), -1)
        ascending, numbers = _sorted_fingerprints(values)
        fingerprints = tf.strings.to_hash_bucket_fast(texts, _FINGERPRINTS)
        place = tf.minimum(tf.searchsorted(tf.constant(ascending), fingerprints), len(ascending) - 1)
        is_there = tf.equal(tf.gather(tf.constant(ascending), place), fingerprints)
        return tf.where(is_there, tf.gather(tf.constant(numbers), place), -1)


def _joined(tables: Sequence[Any]) -> Any:
    """Columns of several tables [batch, …] beside each other."""
    import tensorflow as tf

    return tables[0] if len(tables) == 1 else tf.concat(tables, axis=1)


def _chosen(table: Any, positions: Sequence[int]) -> Any:
    """Some columns of a table [batch, columns], in their order."""
    import tensorflow as tf

    if [*positions] == [*range(table.shape[1])]:
        return table
    return tf.gather(table, tf.constant(positions, tf.int32), axis=1)


def _sorted_fingerprints(values: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints of values, int64 [values], ascending, and which value each is of, int32 [values]."""
    import tensorflow as tf

    fingerprints = eagerly.computed(lambda: tf.strings.to_hash_bucket_fast(list(values), _FINGERPRINTS).numpy())
    order = np.argsort(fingerprints)
    return fingerprints[order], order.astype(np.int32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Date:
    """Dates of the calendar.

    Attributes:
      days: since 1970, with the time of day, float64 [batch]; nan for a blank.
      month, weekday, hour: int32 [batch], from 1 (Monday, and the hour after midnight); 0 for a blank.
    """

    days: Any
    month: Any
    weekday: Any
    hour: Any

    @classmethod
    def read(cls, texts: Any, writing: str) -> _Date:
        """Dates of texts, string [batch].

        Args:
          texts: written in numbers; "" for blanks.
          writing: as `TableSchema.dates` says it.

        Raises:
          tf.errors.InvalidArgumentError: when it runs, a text is no date.
        """
        import tensorflow as tf

        blank = tf.equal(texts, "")
        fields = tf.strings.regex_replace(
            tf.where(blank, _NO_DATE, texts), timestamps.PATTERN.pattern, r"\1,\2,\3,\4,\5,\8"
        )
        one, two, three, hour, minute, half = tf.io.decode_csv(fields, [[""]] * _FIELDS_OF_DATE)
        year_first = tf.equal(tf.strings.length(one), 4)
        one, two, three = _integer(one, "1"), _integer(two, "1"), _integer(three, "1")
        first, second = (one, two) if writing.startswith("month") else (two, one)
        year, month = tf.where(year_first, one, three), tf.where(year_first, two, first)
        day = tf.where(year_first, three, second)
        year = tf.where(year < 70, year + 2000, tf.where(year < 100, year + 1900, year))
        hours = tf.where(tf.equal(half, ""), _integer(hour, "0"), _integer(hour, "0") % 12)
        hours += tf.where(tf.equal(tf.strings.lower(half), "p"), 12, 0)
        since = _days_since_1970(year, month, day)
        moment = tf.cast(since, tf.float64) + tf.cast(hours * 60 + _integer(minute, "0"), tf.float64) / (24 * 60)
        named = [month, 1 + (since + 3) % 7, 1 + hours % 24]  # the first of January 1970 was a Thursday
        month, weekday, hour = (tf.where(blank, 0, value) for value in named)
        days = tf.where(blank, tf.constant(math.nan, tf.float64), moment)
        return cls(days=days, month=month, weekday=weekday, hour=hour)

    def ids(self, *, with_clock: bool) -> list[Any]:
        """Months, weekdays and hours, int32 [batch] each."""
        return [self.month, self.weekday, *([self.hour] if with_clock else [])]


def _integer(texts: Any, otherwise: str) -> Any:
    """int32 [batch] of texts, string [batch]."""
    import tensorflow as tf

    return tf.strings.to_number(tf.where(tf.equal(texts, ""), otherwise, texts), tf.int32)


def _days_since_1970(year: Any, month: Any, day: Any) -> Any:
    """int32 [batch] of dates in the Gregorian calendar (Hinnant, `days_from_civil`): years begin in March."""
    import tensorflow as tf

    in_year = tf.debugging.assert_less_equal(month, 12, "a month above 12")
    with tf.control_dependencies([in_year] if in_year is not None else []):
        year = tf.where(month > 2, year, year - 1)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
