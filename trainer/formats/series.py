"""One long table with a header: columns are chosen, rows are split by time, windows are cut with stride 1.

Split, windows and standardisation follow the LTSF protocol (Zeng et al., AAAI 2023).
"""

from __future__ import annotations

import logging

import numpy as np

from trainer.formats import moments, rows
from trainer.formats.contents import first_lines, plain_bytes
from trainer.formats.dialect import Head, Kind, read_head
from trainer.formats.rows import Layout
from trainer.formats.schema import Schema
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Source
from trainer.formats.windows import Windows
from trainer.job.errors import DataError, UsageError

_log = logging.getLogger(__name__)
_TIME_NAMES = frozenset({"date", "time", "timestamp", "datetime"})


def source(data: ForecastData, train: tuple[str, ...], evaluation: tuple[str, ...], memory_limit: int) -> Source:
    """Reads the series, and splits it where no files are given to evaluate on.

    Args:
      data: the settings.
      train: the files to train on, one series in their order.
      evaluation: those to evaluate on; empty to split the series.
      memory_limit: bytes of text that may be held in memory.

    Raises:
      DataError: the first fault in the files, or too few rows for a window in each part.
    """
    heads = [_head(path) for path in (*train, *evaluation)]
    columns, targets = _chosen(data, heads[0])
    names = tuple(dict.fromkeys((*columns, *targets)))
    table = _table(heads, train, names, memory_limit)
    steps = _steps(data)
    if evaluation:
        ends: tuple[int, ...] = (len(table),)
        later = _table(heads, evaluation, names, memory_limit)
        parts = [_cut(table, 0, len(table), steps, data, names, targets, "the training files")]
        parts.append(_cut(later, 0, len(later), steps, data, names, targets, "the evaluation files"))
    else:
        ends = boundaries(len(table), data.split)
        _tell_left_out(len(table), ends[-1], data.split)
        parts = _split(table, ends, steps, data, names, targets)
    measured = moments.of(table[: ends[0]])
    mean, scale = measured.scales(standardize=data.standardize is not False)
    schema = Schema(
        steps=steps,
        columns=names,
        horizon=data.horizon,
        targets=targets,
        mean=mean,
        scale=scale,
        dtype=measured.dtype,
    )
    moments.tell(schema, measured)
    test = parts[2] if len(parts) > 2 else None
    return Source.of(schema, format=DataFormat.SERIES, train=parts[0], evaluation=parts[1], test=test)


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
    if ends[-1] > count:
        raise DataError(
            f"--split={_listed(split)} asks for {ends[-1]} rows, and the series has {count}",
            "row counts up to that, or fractions that sum to 1",
            "Set --split=0.7,0.1,0.2, or give more data",
        )
    return ends


def _tell_left_out(count: int, end: int, split: tuple[float, ...]) -> None:
    if end < count:
        percent = "; for percentages write 0.7,0.2,0.1" if end == 100 else ""
        _log.info(
            "--split=%s leaves out the last %s of %s rows%s.", _listed(split), f"{count - end:,}", f"{count:,}", percent
        )


def _steps(data: ForecastData) -> int:
    return data.sequence_length - data.horizon if data.lookback is None else data.lookback


def _listed(split: tuple[float, ...]) -> str:
    return ",".join(f"{part:g}" if part < 1 else str(int(part)) for part in split)


def _head(path: str) -> Head:
    found = read_head(path, first_lines(path))
    if not found.has_header and _is_data(found):
        raise DataError(
            f"{path}:{found.first_line}: no header, the first row is data ({rows.shown(', '.join(found.first))})",
            "one long CSV whose first row names the columns",
            "Add a first line of names (date,value), or use --data_format=sequences for a sequence a row",
        )
    if not found.sample:
        raise DataError(
            f"{path}:{found.first_line}: taken as the header, and no row below it has {len(found.first)} fields",
            "a header, and rows of numbers below it",
            "Remove what is above the header, or add the rows",
        )
    named = [name for name in found.first if name]
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        raise DataError(
            f"{path}:{found.first_line}: the column name {doubled[0]!r} occurs twice",
            "one name for each column",
            "Rename one of them",
        )
    return found


def _is_data(found: Head) -> bool:
    return any(found.dialect.kind(field) in (Kind.NUMBER, Kind.DATE) for field in found.first)


def _chosen(data: ForecastData, found: Head) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the feature columns and of the target columns.

    Features default to every numeric column, targets to the features.
    """
    for flag in ("feature_columns", "target_columns"):
        for name in getattr(data, flag):
            _check_there(name, flag, found)
    columns = data.feature_columns or _numeric(found)
    return columns, data.target_columns or columns


def _check_there(name: str, flag: str, found: Head) -> None:
    there = ", ".join(filter(None, found.first))
    if name not in found.first:
        raise DataError(
            f"--{flag}: {found.path} has no column {name!r}",
            there,
            "Check the spelling and the case",
        )
    kinds = found.kinds(found.first.index(name))
    if kinds <= {Kind.DATE, Kind.TEXT}:
        raise DataError(
            f"--{flag}: column {name!r} of {found.path} holds no numbers",
            ", ".join(_numeric(found)),
        )


def _numeric(found: Head) -> tuple[str, ...]:
    """All columns but dates, texts, and those without a name (an index, or a separator at the end of every line)."""
    names = tuple(name for column, name in enumerate(found.first) if name and _holds_numbers(found, column))
    if not names:
        raise DataError(
            f"{found.path} has no numeric column (it has: {', '.join(found.first)})",
            "at least one column of numbers",
        )
    return names


def _holds_numbers(found: Head, column: int) -> bool:
    """A column of 1,234.5 counts too: reading it will say what is wrong, where leaving it out would be silent."""
    if found.first[column].lower() in _TIME_NAMES:
        return False
    numbers = found.kinds(column) & {Kind.NUMBER, Kind.MISSING}
    return bool(numbers) or any(found.dialect.resembles_number(row[column]) for row in found.sample)


def _table(heads: list[Head], paths: tuple[str, ...], names: tuple[str, ...], memory_limit: int) -> np.ndarray:
    """float64 [rows, len(names)] of the files, one after another."""
    size = sum(plain_bytes(path) for path in paths)
    if size > memory_limit:
        raise DataError(
            f"A series of {size >> 20:,} MiB in {len(paths)} files",
            f"a series that fits in memory: up to {memory_limit >> 20:,} MiB of text",
            "Write it as sequences (a window a row) or as TFRecord examples, which are streamed",
        )
    of_path = {found.path: found for found in heads}
    return np.concatenate([block for path in paths for block in rows.read(_layout(of_path[path], heads[0], names))])


def _layout(found: Head, like: Head, names: tuple[str, ...]) -> Layout:
    if found.first != like.first:
        raise DataError(
            f"{found.path}:{found.first_line}: its header is not that of {like.path} ({_difference(found, like)})",
            "the same columns in the same order in every file of a series",
            "Leave the file out, or write its columns as in the first file",
        )
    return Layout(
        path=found.path,
        dialect=found.dialect,
        width=len(found.first),
        columns=tuple(found.first.index(name) for name in names),
        names=found.first,
        width_rule=f"{len(found.first)} values a row, as many as the header names",
        skip=found.first_line,
        advice="Fill the value or remove the row, or choose other columns with --feature_columns and --target_columns",
    )


def _difference(found: Head, like: Head) -> str:
    for ours, theirs in zip(found.first, like.first, strict=False):
        if ours != theirs:
            return f"{rows.shown(ours)} instead of {rows.shown(theirs)}"
    return f"{len(found.first)} columns instead of {len(like.first)}"


def _split(
    table: np.ndarray,
    ends: tuple[int, ...],
    steps: int,
    data: ForecastData,
    names: tuple[str, ...],
    targets: tuple[str, ...],
) -> list[Windows]:
    """Windows of each part; the later ones reach `steps` rows back for the history of their first label."""
    parts = []
    for name, start, end in zip(("training", "evaluation", "test"), (0, *ends), ends, strict=False):
        place = f"the {name} part (rows {start:,} to {end:,} by --split={_listed(data.split)})"
        parts.append(_cut(table, max(0, start - steps), end, steps, data, names, targets, place))
    return parts


def _cut(
    table: np.ndarray,
    start: int,
    end: int,
    steps: int,
    data: ForecastData,
    names: tuple[str, ...],
    targets: tuple[str, ...],
    place: str,
) -> Windows:
    """Every window of the rows `start` to `end`; DataError when there is none."""
    count = end - start - steps - data.horizon + 1
    if count < 1:
        raise DataError(
            f"No window of {steps} + {data.horizon} rows fits in {place}: {end - start} with the history before it",
            "lookback + horizon rows or more in every part",
            "Set a shorter --lookback (or --sequence_length) or --horizon, another --split, or give more data",
        )
    labels = table if targets == names else table[:, [names.index(target) for target in targets]]
    return Windows(
        values=table,
        labels=labels,
        count=count,
        steps=steps,
        horizon=data.horizon,
        first_value=start,
        first_label=start + steps,
    )


def check_settings(data: ForecastData) -> None:
    """Raises UsageError for a window without history."""
    if _steps(data) < 1:
        raise UsageError(
            f"--horizon={data.horizon} of --sequence_length={data.sequence_length} leaves no history",
            "a --lookback, or a smaller --horizon",
        )
