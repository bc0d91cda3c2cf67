"""Parts of series for training, evaluation and test, and the windows in them, each of one series alone."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from trainer.formats.pipeline.windows import Windows
from trainer.formats.schema import Schema
from trainer.formats.series.located_rows import Rows
from trainer.job.errors import DataError

_log = logging.getLogger(__name__)
_SURELY_PERCENT = 500
"""Rows of which nobody means to use the first hundred."""
_NAMES = ("train", "evaluation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Span:
    """Rows of one series in one part.

    Attributes:
      first: where the series begins in the table.
      start: the first row of the part; history of its windows may begin before it.
      end: the row after its last.
    """

    first: int
    start: int
    end: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Spans:
    """All series one below the other, and which rows of them are in which part.

    Attributes:
      table: float64 [rows, columns]; nan for a missing value.
      parts: the spans of each part, by its name.
      split: as the settings say, for messages; empty where files say what is evaluated on.
    """

    table: np.ndarray
    parts: dict[str, list[Span]]
    split: tuple[float, ...] = ()

    @classmethod
    def of_files(cls, training: list[Rows], evaluation: list[Rows]) -> Spans:
        """Every row of the one to train on, every row of the other to evaluate on."""
        parts, first = {}, 0
        for name, series in (("train", training), ("evaluation", evaluation)):
            spans = []
            for rows in series:
                spans.append(Span(first=first, start=first, end=first + len(rows)))
                first += len(rows)
            parts[name] = spans
        return cls(table=_stacked([*training, *evaluation]), parts=parts)

    @classmethod
    def of_split(cls, series: list[Rows], split: tuple[float, ...]) -> Spans:
        """Each series is split by itself; DataError where one has fewer rows than the split asks for."""
        parts: dict[str, list[Span]] = {name: [] for name in _NAMES[: len(split)]}
        first = 0
        for rows in series:
            ends = boundaries(len(rows), split)
            for name, start, end in zip(parts, (0, *ends), ends, strict=False):
                parts[name].append(Span(first=first, start=first + start, end=first + end))
            first += len(rows)
        used = sum(span.end - span.start for spans in parts.values() for span in spans)
        _tell_left_out(first, used, split)
        return cls(table=_stacked(series), parts=parts, split=split)

    @property
    def training(self) -> np.ndarray:
        """The rows to train on, float64 [rows, columns]."""
        series = self.training_series
        return series[0] if len(series) == 1 else np.concatenate(series)

    @property
    def training_series(self) -> list[np.ndarray]:
        """The rows to train on of each series, float64 [rows, columns]."""
        return [self.table[span.start : span.end] for span in self.parts["train"]]

    def windows(self, schema: Schema) -> dict[str, Windows]:
        """The windows of each part, with stride 1; the later parts reach back for the history of their first label.

        Raises:
          DataError: a part in which no window fits, or in which each holds a missing value.
        """
        columns, targets = schema.columns, schema.targets
        labels = self.table if targets == columns else self.table[:, [columns.index(target) for target in targets]]
        return {name: self._part(name, labels, schema) for name in self.parts}

    def _part(self, name: str, labels: np.ndarray, schema: Schema) -> Windows:
        steps, length = schema.steps, schema.steps + schema.horizon
        begins = [(max(span.first, span.start - steps), span.end - length + 1) for span in self.parts[name]]
        fitting = [(begin, end) for begin, end in begins if end > begin]
        if not fitting:
            raise self._no_window(name, schema)
        if len(begins) > len(fitting):
            short = f"{len(begins) - len(fitting):,} of {len(begins):,}"
            _log.warning("Series too short for a window: %s in %s.", short, self._place(name))
        starts = self._without_missing(np.concatenate([np.arange(*each) for each in fitting]), name, labels, schema)
        made = Windows(values=self.table, labels=labels, count=len(starts), steps=steps, horizon=schema.horizon)
        if len(fitting) == 1 and len(starts) == fitting[0][1] - fitting[0][0]:
            first = fitting[0][0]
            return dataclasses.replace(made, first_value=first, first_label=first + steps)
        return dataclasses.replace(made, starts=starts)

    def _without_missing(self, starts: np.ndarray, name: str, labels: np.ndarray, schema: Schema) -> np.ndarray:
        """The starts, int64 [windows], of windows without a missing value."""
        gaps = _counts(self.table), _counts(labels)
        middle, end = starts + schema.steps, starts + schema.steps + schema.horizon
        whole = starts[(gaps[0][middle] == gaps[0][starts]) & (gaps[1][end] == gaps[1][middle])]
        if len(whole) < len(starts):
            share = f"{len(starts) - len(whole):,} of {len(starts):,}"
            _log.warning("Windows left out for a missing value or a bad row: %s in %s.", share, self._place(name))
        if not len(whole):
            raise DataError(
                f"Each of the {len(starts):,} windows of {self._place(name)} holds a missing value",
                "some windows without one",
                "Fill the values, or set a shorter --lookback, or leave columns out with --feature_columns",
            )
        return whole

    def _no_window(self, name: str, schema: Schema) -> DataError:
        rows = max(span.end - max(span.first, span.start - schema.steps) for span in self.parts[name])
        return DataError(
            f"No window of {schema.steps} + {schema.horizon} rows fits in {self._place(name)}: "
            f"{rows} with the history before it",
            "lookback + horizon rows or more in every part",
            "Set a shorter --lookback (or --sequence_length) or --horizon, another --split, or give more data",
        )

    def _place(self, name: str) -> str:
        word = {"train": "training"}.get(name, name)
        if not self.split:
            return f"the {word} files"
        spans = self.parts[name]
        if len(spans) > 1:
            return f"the {word} part (of {len(spans):,} series, by --split={_listed(self.split)})"
        return f"the {word} part (rows {spans[0].start:,} to {spans[0].end:,} by --split={_listed(self.split)})"


def _stacked(series: list[Rows]) -> np.ndarray:
    return series[0].numbers if len(series) == 1 else np.concatenate([rows.numbers for rows in series])


def _counts(table: np.ndarray) -> np.ndarray:
    """How many rows before each have a missing value, int64 [rows + 1]."""
    return np.concatenate([[0], np.cumsum(np.isnan(table).any(axis=1))])


def boundaries(count: int, split: tuple[float, ...]) -> tuple[int, ...]:
    """Where each part ends: rows given as counts from the start, or as fractions of `count` that sum to 1.

    Of three fractions (a, b, c) the first part has int(a · count) rows, the last int(c · count), the middle one the
    rest, as in LTSF. Rows after the last count are left out.

    Raises:
      DataError: there are fewer rows than requested.
    """
    if split[0] < 1:
        first = int(count * split[0])
        return (first, count) if len(split) == 2 else (first, count - int(count * split[2]), count)
    ends = tuple(int(end) for end in np.cumsum(split))
    if ends[-1] == 100 and count > _SURELY_PERCENT:
        raise DataError(
            f"--split={_listed(split)} asks for 100 of {count:,} rows",
            "row counts, or fractions that sum to 1",
            f"Set --split={','.join(f'{part / 100:g}' for part in split)} for percentages",
        )
    if ends[-1] > count:
        raise DataError(
            f"--split={_listed(split)} asks for {ends[-1]} rows, and the series has {count}",
            "row counts up to that, or fractions that sum to 1",
            "Set --split=0.7,0.1,0.2, or give more data",
        )
    return ends


def _tell_left_out(count: int, end: int, split: tuple[float, ...]) -> None:
    if end < count:
        percent = "; for percentages write 0.7,0.2,0.1" if sum(split) == 100 else ""
        _log.info(
            "--split=%s leaves out the last %s of %s rows%s.", _listed(split), f"{count - end:,}", f"{count:,}", percent
        )


def _listed(split: tuple[float, ...]) -> str:
    return ",".join(f"{part:g}" if part < 1 else str(int(part)) for part in split)
