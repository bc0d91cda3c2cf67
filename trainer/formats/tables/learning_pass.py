"""The one pass over a table: which task it is, what its columns hold, how many rows each part has."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trainer.formats.tables import kinds, reader
from trainer.formats.tables.kinds import Holds, Kinds
from trainer.formats.tables.layout import Block, TableLayout
from trainer.formats.tables.learning import CategoryCounts, NumberCounts
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.settings import TableData, Task
from trainer.formats.tables.splitting import Part, Split
from trainer.formats.text.bad_rows import BadRow, BadRows
from trainer.formats.text.dialect import Head
from trainer.job.errors import DataError, UsageError

_log = logging.getLogger(__name__)

FEW_CLASSES = 20
"""Whole numbers up to so many are classes, where nobody says what the label is."""
MOST_CLASSES = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a table says of itself.

    Attributes:
      schema: what the weights depend on.
      counts: rows of each part, in the order of `Part`.
      bad: for each file the lines that are left out, ascending.
      rows: why they are.
    """

    schema: TableSchema
    counts: tuple[int, ...]
    bad: tuple[tuple[int, ...], ...]
    rows: tuple[BadRow, ...] = ()


class Learning:
    """Counts what the rows hold.

    Args:
      found: what each column holds.
      data: the settings.
    """

    def __init__(self, found: Kinds, data: TableData) -> None:
        self._kinds, self._data = found, data
        self.number_names = (*found.of(Holds.NUMBER), *found.of(Holds.DATE))
        self.numbers = NumberCounts(len(self.number_names))
        self.categories = {name: CategoryCounts() for name in found.of(Holds.CATEGORY)}
        self.label_numbers = NumberCounts(1)
        self.labels, self.other_labels = CategoryCounts(), CategoryCounts()
        self.counts = np.zeros(len(Part), np.int64)

    def add(self, block: Block, parts: np.ndarray) -> None:
        """Counts the rows of a block.

        Args:
          block: some rows.
          parts: int64 [rows], the part of each.
        """
        self.counts += np.bincount(parts, minlength=len(Part))
        train = parts == Part.TRAIN
        numbers = block.numbers if train.all() else block.numbers[train]
        features = len(self._kinds.of(Holds.NUMBER))  # behind them a label that is one
        self.numbers.add(np.column_stack([numbers[:, :features], *(days[train] for days in block.days.values())]))
        self.label_numbers.add(numbers[:, features:])
        for name, category in self.categories.items():
            category.add(_chosen(block.texts[name], train))
        label = self._kinds.label
        if self._data.task is not Task.REGRESSION and self.labels.distinct <= MOST_CLASSES:
            self.labels.add(_chosen(block.texts[label], train))
            self.other_labels.add(_chosen(block.texts[label], ~train))

    def schema(self) -> TableSchema:
        """What the weights will depend on."""
        columns = [name for name in self._kinds.holds if not self._names_rows(name)]
        if not columns:
            raise DataError(f"No column to predict {self._kinds.label!r} from", "one at least", None)
        classes = self._classes()
        label = self.label_numbers.learnt(0) if not classes else {"mean": 0.0, "scale": 1.0}
        task = Task.REGRESSION if not classes else Task.BINARY if len(classes) == 2 else Task.MULTICLASS
        missing = kinds.missing_of(self._data)
        sizes = self._data.vocabulary_size, self._data.min_count
        return TableSchema(
            label=self._kinds.label,
            task=task.value,
            classes=classes,
            class_shares=tuple(self.labels.share(name) for name in classes),
            label_mean=label["mean"],
            label_scale=label["scale"],
            columns=tuple(columns),
            numbers={name: self.numbers.learnt(column) for column, name in enumerate(self.number_names)},
            vocabularies={
                name: "\n".join(category.vocabulary(*sizes))
                for name, category in self.categories.items()
                if name in columns
            },
            dates=dict(self._kinds.dates),
            oov_buckets=self._data.oov_buckets,
            missing_texts=tuple(sorted(missing.texts - {""})),
            missing_numbers=missing.numbers,
        )

    def _names_rows(self, name: str) -> bool:
        """Whether a category is left out because nearly each row has a value of its own, which is said."""
        asked = name in (*self._data.feature_columns, *self._data.categorical_columns)
        if name not in self.categories or asked or not self.categories[name].names_rows:
            return False
        _log.warning(
            "Column %s is left out: most rows have a text of their own there; name it in --categorical_columns to "
            "keep it.",
            name,
        )
        return True

    def _classes(self) -> tuple[str, ...]:
        """Of the label, in order; none where it is a number."""
        task, label = self._data.task, self._kinds.label
        if task is Task.REGRESSION:
            return ()
        known = [*dict.fromkeys([*self.labels.values, *self.other_labels.values])]
        numeric = self._kinds.label_is_number
        if task is Task.AUTO and numeric and not _are_few_whole(known):
            return ()
        if len(known) > MOST_CLASSES:
            got = f"The label {label} has more than {MOST_CLASSES:,} different values"
            raise DataError(got, "classes", "Set --task=regression, or choose another --label_column")
        classes = sorted(known, key=float) if numeric and all(map(_is_float, known)) else sorted(known)
        self._check_classes(classes)
        return _positive_last(classes, self._data.positive_class)

    def _check_classes(self, classes: Sequence[str]) -> None:
        label, task = self._kinds.label, self._data.task
        if len(classes) < 2:
            raise DataError(f"The label {label} is {classes[0]!r} in every row", "two classes at least", None)
        if task is Task.BINARY and len(classes) != 2:
            got = f"--task=binary, and the label {label} has {len(classes)} values ({', '.join(classes[:5])}, …)"
            raise UsageError(got, "two values", "Set --task=multiclass")
        if self._data.positive_class is not None and len(classes) != 2:
            got = f"--positive_class={self._data.positive_class} with {len(classes)} classes"
            raise UsageError(got, "two classes", "Leave it out")
        unseen = [value for value in classes if not self.labels.share(value)]
        if unseen:
            _log.warning("No row of training has the label %s, which other rows have.", ", ".join(unseen[:5]))


class RowSink(Protocol):
    """Takes the rows that are read."""

    def begin_file(self, file: int) -> None:
        """The rows that follow are those of a file."""

    def add(self, block: Block, parts: np.ndarray) -> None:
        """Takes some rows.

        Args:
          block: of the file.
          parts: int64 [rows], the part of each.
        """


def learn(
    heads: Sequence[Head], separate: Sequence[bool], found: Kinds, data: TableData, sinks: Sequence[RowSink] = ()
) -> Learnt:
    """Reads all rows once.

    Args:
      heads: of the files, in order.
      separate: for each file whether all its rows are to evaluate on.
      found: what the columns hold.
      data: the settings.
      sinks: take the rows.

    Raises:
      UsageError: settings that contradict the data.
      DataError: the first fault in the files, or a part without rows.
    """
    learning, bad = Learning(found, data), BadRows(data)
    split, left_out = split_of(heads[0], data), []
    for file, (head, is_evaluation) in enumerate(zip(heads, separate, strict=True)):
        lines: list[int] = []
        for sink in sinks:
            sink.begin_file(file)
        for block in reader.blocks(layout_of(head, found, data), bad):
            part = Part.EVALUATION if is_evaluation else Part.TRAIN
            whole = np.full(len(block.lines), part, np.int64)
            alone = is_evaluation or any(separate)
            parts = whole if alone else split.parts(block.lines, block.split)
            learning.add(block, parts)
            for sink in sinks:
                sink.add(block, parts)
            lines.extend(block.bad)
        left_out.append(tuple(lines))
    for part in (Part.TRAIN, Part.EVALUATION):
        if not learning.counts[part]:
            got = f"No row of {heads[0].path} is for {part.name.lower()}"
            raise DataError(got, "rows in each part", "Give more rows, or another --split")
    counts = tuple(learning.counts.tolist())
    return Learnt(schema=learning.schema(), counts=counts, bad=tuple(left_out), rows=bad.checked())


def split_of(found: Head, data: TableData) -> Split:
    """How the rows of files that are not divided by themselves are."""
    column = None if data.split_column is None else found.first.index(data.split_column)
    return Split(fractions=data.split, column=column)


def layout_of(found: Head, columns: Kinds, data: TableData) -> TableLayout:
    """What the rows of a file must be.

    Args:
      found: its head.
      columns: what each holds.
      data: the settings.
    """
    label_number = (columns.label,) if _reads_number(columns, data) else ()
    return TableLayout(
        path=found.path,
        dialect=found.dialect,
        names=found.first,
        skip=found.first_line,
        numbers=(*columns.of(Holds.NUMBER), *label_number),
        dates={name: writing.startswith("month") for name, writing in columns.dates.items()},
        texts=(*columns.of(Holds.CATEGORY), *columns.of(Holds.DATE), columns.label),
        label=columns.label,
        split_column=data.split_column,
        missing=kinds.missing_of(data),
    )


def _reads_number(columns: Kinds, data: TableData) -> bool:
    """Whether each label has to be a number."""
    return data.task is Task.REGRESSION or (data.task is Task.AUTO and columns.label_is_number)


def _chosen(texts: list[str], mask: np.ndarray) -> list[str]:
    return texts if mask.all() else [text for text, is_chosen in zip(texts, mask.tolist(), strict=True) if is_chosen]


def _are_few_whole(values: Sequence[str]) -> bool:
    return len(values) <= FEW_CLASSES and all(_is_float(value) and float(value).is_integer() for value in values)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _positive_last(classes: list[str], positive: str | None) -> tuple[str, ...]:
    if positive is None:
        return tuple(classes)
    if positive not in classes:
        raise UsageError(f"--positive_class={positive}", " or ".join(classes), "Name one of the two")
    return (*(name for name in classes if name != positive), positive)
