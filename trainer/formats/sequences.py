"""Headerless CSV, a sequence a row: history, then the last `horizon` values as the label."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats import moments
from trainer.formats.files.contents import first_lines, head, is_gzip, plain_bytes
from trainer.formats.pipeline.streams import WindowStream, lines_of
from trainer.formats.pipeline.windows import Windows, of_rows
from trainer.formats.schema import Schema
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Part, Source
from trainer.formats.text import rows
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Dialect, Head, Kind, read_head
from trainer.formats.text.missing import Missing
from trainer.formats.text.rows import Layout
from trainer.job.errors import DataError, UsageError

if TYPE_CHECKING:
    import tensorflow as tf


_log = logging.getLogger(__name__)
_FIRST_ROWS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class LineStream(WindowStream):
    """Rows of CSV files, read line by line.

    Attributes:
      layouts: what the rows of each file must be.
      bad: takes the rows that cannot be read.
    """

    layouts: tuple[Layout, ...]
    bad: BadRows

    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        return lines_of(path, compression, left_out)

    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        length = self.steps + self.horizon
        defaults = [tf.constant([], self.dtype)] * length
        values = tf.stack(tf.io.decode_csv(examples, defaults), axis=1)
        values = tf.debugging.assert_all_finite(values, "a value is not finite")[:, :, tf.newaxis]
        return {"values": values[:, : self.steps]}, values[:, self.steps :]

    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for layout in self.layouts:
            for block in rows.read(layout, bad=self.bad):
                whole = block[~np.isnan(block).any(axis=1)]
                yield from of_rows(whole, self.steps, self.horizon).blocks(size)


def source(
    data: ForecastData,
    train: tuple[str, ...],
    evaluation: tuple[str, ...],
    memory_limit: int,
    bad: BadRows | None = None,
) -> Source:
    """Reads the sequences; of a part that is streamed only the first rows, unless rows may be left out.

    Args:
      data: the settings.
      train: the files to train on.
      evaluation: those to evaluate on.
      memory_limit: bytes of text up to which a part is held in memory; above that it is streamed.
      bad: takes the rows that cannot be read; None for those of the settings.

    Raises:
      UsageError: a setting that sequences do not have.
      DataError: the first fault in the files.
    """
    check_settings(data)
    bad = bad or BadRows(data)
    parts = _part(data, train, memory_limit, bad), _part(data, evaluation, memory_limit, bad)
    left_out = bad.checked()
    for part, paths in zip(parts, (train, evaluation), strict=True):
        if isinstance(part, Windows) and not part.count:
            raise DataError(f"No row of {', '.join(paths)} can be used", "at least one row", "Repair the file")
    return dataclasses.replace(in_parts(data, *parts), left_out=left_out)


def in_parts(data: ForecastData, train: Part, evaluation: Part) -> Source:
    """The source with these parts.

    Args:
      data: the settings.
      train: the part to train on, which gives mean and scale.
      evaluation: the part to evaluate on.
    """
    measured = moments.of(train.first_values if isinstance(train, WindowStream) else train.values)
    mean, scale = measured.scales(standardize=standardizes(data, train))
    schema = Schema(
        steps=data.sequence_length - data.horizon,
        columns=("value",),
        horizon=data.horizon,
        targets=("value",),
        mean=mean,
        scale=scale,
        dtype=measured.dtype,
    )
    moments.tell(schema, measured)
    return Source.of(schema, format=DataFormat.SEQUENCES, train=train, evaluation=evaluation)


def check_settings(data: ForecastData) -> None:
    """Raises UsageError for the settings that only other formats have."""
    for name in ("feature_columns", "target_columns"):
        if getattr(data, name):
            raise UsageError(
                f"--{name}={','.join(getattr(data, name))} with sequences, which have no named columns",
                "column names for --data_format=series and examples",
                f"Leave --{name} out, or set --data_format",
            )
    check_rows(data, DataFormat.SEQUENCES)
    check_lookback(data, DataFormat.SEQUENCES)


def check_rows(data: ForecastData, data_format: DataFormat) -> None:
    """Raises UsageError for the settings about rows of a series, where each row is an example."""
    for name in ("sort", "series_id"):
        if getattr(data, name):
            raise UsageError(
                f"--{name}={getattr(data, name)} with {data_format.value}, each of which is by itself",
                "a column for --data_format=series",
                f"Leave --{name} out, or set --data_format",
            )


def check_lookback(data: ForecastData, data_format: DataFormat) -> None:
    """Raises UsageError for a lookback that --sequence_length and --horizon contradict."""
    steps = data.sequence_length - data.horizon
    if steps < 1:
        raise UsageError(
            f"--horizon={data.horizon} of --sequence_length={data.sequence_length} leaves no history",
            "a smaller --horizon",
        )
    if data.lookback not in (None, steps):
        raise UsageError(
            f"--lookback={data.lookback} with {data_format.value} of {data.sequence_length} values",
            f"--lookback={steps}, or none",
            "The history of such rows is what --horizon leaves of --sequence_length: leave --lookback out",
        )


def standardizes(data: ForecastData, train: Part) -> bool:
    """Whether values are to be standardised; UsageError where that would take reading a stream twice."""
    if data.standardize and isinstance(train, WindowStream):
        raise UsageError("--standardize with data larger than memory", "data in memory, or --standardize=false")
    return bool(data.standardize)


def _part(data: ForecastData, paths: tuple[str, ...], memory_limit: int, bad: BadRows) -> Part:
    layouts = [_layout(path, data) for path in paths]
    steps = data.sequence_length - data.horizon
    if sum(plain_bytes(path) for path in paths) > memory_limit:
        return _stream(layouts, data, bad)
    table, lines, before = [], 0, bad.met
    for layout in layouts:
        for block in rows.read(layout, bad=bad):
            lines += len(block)
            table.append(block[~np.isnan(block).any(axis=1)])
    whole = np.concatenate(table)
    bad.count(lines)
    _tell_missing(lines - len(whole) - (bad.met - before), lines, paths)
    return of_rows(whole, steps, data.horizon)


def lines_of_examples(path: str, data: ForecastData) -> np.ndarray:
    """The lines of a file that are examples, in order, int64 [examples]."""
    read = rows.blocks(_layout(path, data), bad=BadRows(data))
    return np.concatenate([block.lines[~np.isnan(block.numbers).any(axis=1)] for block in read])


def _tell_missing(missing: int, lines: int, paths: tuple[str, ...]) -> None:
    if missing == lines > 0:
        got = f"Each of the {lines:,} rows of {', '.join(paths)} holds a missing value"
        raise DataError(got, "some rows without one", "Fill the values, or look at --missing_values")
    if missing:
        _log.warning(
            "Rows left out for a missing value: %s of %s in %s.", f"{missing:,}", f"{lines:,}", ", ".join(paths)
        )


def _layout(path: str, data: ForecastData) -> Layout:
    found = read_head(path, first_lines(path))
    if _is_header(found):
        raise DataError(
            f"{path}:{found.first_line}: a header ({rows.shown(', '.join(found.first))}) in a file of sequences",
            "rows of numbers only",
            "Remove the line, or use --data_format=series if this is one long series",
        )
    return Layout(
        path=path,
        dialect=found.dialect,
        width=data.sequence_length,
        width_rule=f"{data.sequence_length} values a row (--sequence_length)",
        advice="Repair or remove the row",
        missing=Missing.of(data.missing_values),
    )


def _is_header(found: Head) -> bool:
    kinds = [found.dialect.kind(field) for field in found.first]
    return kinds.count(Kind.TEXT) * 2 > len(kinds) or (found.has_header and kinds[0] is Kind.TEXT)


def _stream(layouts: list[Layout], data: ForecastData, bad: BadRows) -> LineStream:
    """The files, of which all rows are read once where some may have to be left out."""
    steps = data.sequence_length - data.horizon
    first_rows = np.concatenate([_first_rows(layout, bad)[:_FIRST_ROWS] for layout in layouts])
    left_out = tuple(_left_out(layout, bad) if bad.skips or layout.missing else () for layout in layouts)
    return LineStream(
        paths=tuple(layout.path for layout in layouts),
        compressed=tuple(is_gzip(layout.path) for layout in layouts),
        steps=steps,
        horizon=data.horizon,
        layouts=tuple(layouts),
        bad=bad.forgetting(),
        first_values=first_rows[:, :steps].reshape(-1, 1),
        left_out=left_out,
    )


def _left_out(layout: Layout, bad: BadRows) -> tuple[int, ...]:
    """The lines of rows that cannot be read, or hold a missing value."""
    lines: list[int] = []
    for block in rows.blocks(layout, bad=bad):
        bad.count(len(block.lines))
        lines.extend(block.lines[np.isnan(block.numbers).any(axis=1)].tolist())
    return tuple(lines)


def _first_rows(layout: Layout, bad: BadRows) -> np.ndarray:
    """float64 [rows, width]; DataError for what only files read into memory may have, and for a fault in these rows."""
    plain = Dialect(separator=",")
    if layout.dialect != plain or head(layout.path, 3).startswith(b"\xef\xbb\xbf"):
        raise DataError(
            f"{layout.path} is streamed, and has a byte order mark or is not commas with decimal points",
            "plain CSV for data that are streamed",
            f"Convert it: sed '1s/^\\xef\\xbb\\xbf//; s/,/./g; s/;/,/g' {layout.path} > new.csv",
        )
    return rows.parse(layout, 1, first_lines(layout.path), bad.forgetting())
