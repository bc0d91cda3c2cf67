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

from trainer.formats import timestamps
from trainer.formats.dialect import Dialect
from trainer.formats.tables import eagerly
from trainer.formats.tables.schema import TableSchema

_FINGERPRINTS = (1 << 63) - 1
_NO_DATE = "1970-1-1"
_FIELDS_OF_DATE = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raw:
    """Rows as clients send them.

    Attributes:
      numbers: by column, float [batch]; nan for a blank.
      texts: by column, string [batch]; "" for a blank.
    """

    numbers: Mapping[str, Any]
    texts: Mapping[str, Any]


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
        days = {column: date.days for column, date in dates.items()}
        given = {**raw.numbers, **days}
        numbers, blank = self._standardized({column: given[column] for column in self.schema.numbers})
        ids = [self._ids(texts[column], self.schema.vocabulary(column)) for column in self.schema.vocabularies]
        for column, writing in self.schema.dates.items():
            ids += dates[column].ids(with_clock=writing.endswith("clock"))
        columns = [*numbers.values(), *(tf.cast(blank[column], tf.float32) for column in self.schema.with_blanks)]
        found = {"numbers": tf.stack(columns, axis=1)} if columns else {}
        return found | ({"categories": tf.stack(ids, axis=1)} if ids else {})

    def labels(self, texts: Any) -> Any:
        """Labels of texts, string [batch]: float32 [batch], or the numbers of classes, int32 [batch]."""
        import tensorflow as tf

        if self.schema.is_regression:
            return tf.strings.to_number(texts, tf.float32)
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

    def _standardized(self, columns: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """By column the numbers, float32 [batch], a blank as the median; and which are blanks, bool [batch].

        Columns of one type go together: an op for each of hundreds of columns would take longer than their arithmetic.

        Args:
          columns: of numbers or days, float [batch] each.
        """
        import tensorflow as tf

        numbers: dict[str, Any] = dict.fromkeys(columns)
        blanks: dict[str, Any] = dict.fromkeys(columns)
        for dtype in dict.fromkeys(column.dtype for column in columns.values()):
            names = [name for name, column in columns.items() if column.dtype == dtype]
            table = tf.stack([columns[name] for name in names], axis=1)
            mean, scale, median = (
                tf.constant([self.schema.numbers[name][learnt] for name in names], dtype)
                for learnt in ("mean", "scale", "median")
            )
            blank = self._is_blank(table)
            found = tf.cast((tf.where(blank, median, table) - mean) / scale, tf.float32)
            numbers.update(zip(names, tf.unstack(found, num=len(names), axis=1), strict=True))
            blanks.update(zip(names, tf.unstack(blank, num=len(names), axis=1), strict=True))
        return numbers, blanks

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
