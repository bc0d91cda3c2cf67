"""One long table with a header: columns are chosen, rows are split by time, windows are cut with stride 1.

Split, windows and standardisation follow the LTSF protocol (Zeng et al., AAAI 2023).
"""

from __future__ import annotations

import numpy as np

from trainer.formats import moments
from trainer.formats.files.contents import first_lines
from trainer.formats.schema import Schema
from trainer.formats.series import head, located_rows, time_order, wide
from trainer.formats.series import period as repeats
from trainer.formats.series.located_rows import Rows
from trainer.formats.series.parts import Spans
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Source
from trainer.formats.text import missing
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Head, read_head
from trainer.job.errors import DataError, UsageError


def source(
    data: ForecastData,
    train: tuple[str, ...],
    evaluation: tuple[str, ...],
    memory_limit: int,
    bad: BadRows | None = None,
) -> Source:
    """Reads the series, and splits it where no files are given to evaluate on.

    Args:
      data: the settings.
      train: the files to train on, one series in their order.
      evaluation: those to evaluate on; empty to split the series.
      memory_limit: bytes of text that may be held in memory.
      bad: takes the rows that cannot be read; None for those of the settings.

    Raises:
      DataError: the first fault in the files, or too few rows for a window in each part.
    """
    bad = bad or BadRows(data)
    located_rows.check_size((*train, *evaluation), memory_limit)
    if wide.resembles(read_head(train[0], first_lines(train[0]))):
        series, later = (wide.series(paths, data, bad) if paths else [] for paths in (train, evaluation))
        return _source(data, (wide.COLUMN,), (wide.COLUMN,), series, later, bad)
    heads = [head.read(path) for path in (*train, *evaluation)]
    columns, targets = head.chosen(data, heads[0])
    names = tuple(dict.fromkeys((*columns, *targets)))
    series = _series(heads[: len(train)], heads[0], names, data, bad)
    later = _series(heads[len(train) :], heads[0], names, data, bad) if evaluation else []
    time_order.tell_overlap(series, later, _time_name(data, heads[0]))
    return _source(data, names, targets, series, later, bad)


def training_rows(data: ForecastData, train: tuple[str, ...]) -> list[Rows]:
    """The rows of each series to train on, in the order in which they were read, with where each stands.

    Args:
      data: the settings.
      train: the files.
    """
    bad = BadRows(data)
    if wide.resembles(read_head(train[0], first_lines(train[0]))):
        return wide.series(train, data, bad)
    heads = [head.read(path) for path in train]
    columns, targets = head.chosen(data, heads[0])
    return _series(heads, heads[0], tuple(dict.fromkeys((*columns, *targets))), data, bad)


def _source(
    data: ForecastData,
    names: tuple[str, ...],
    targets: tuple[str, ...],
    series: list[Rows],
    later: list[Rows],
    bad: BadRows,
) -> Source:
    """The parts of the series and their schema.

    Args:
      data: the settings.
      names: of the columns.
      targets: those to forecast.
      series: to train on, and to split where there are no others.
      later: to evaluate on; may be empty.
      bad: took the rows that cannot be read.
    """
    left_out = bad.checked()
    spans = Spans.of_files(series, later) if later else Spans.of_split(series, data.split)
    training = _with_values(spans.training, names)
    missing.tell_sentinels(names, training)
    measured = moments.of(training)
    mean, scale = measured.scales(standardize=data.standardize is not False)
    chosen = [names.index(target) for target in targets]
    each = [rows[:, chosen] for rows in spans.training_series]
    period = data.period or repeats.found(max(each, key=len), _steps(data))
    schema = Schema(
        steps=_steps(data),
        columns=names,
        horizon=data.horizon,
        targets=targets,
        mean=mean,
        scale=scale,
        dtype=measured.dtype,
        period=period,
        naive_errors=repeats.naive_errors(each, period or 1),
    )
    moments.tell(schema, measured)
    return Source.of(schema, format=DataFormat.SERIES, left_out=left_out, **spans.windows(schema))


def _series(heads: list[Head], like: Head, names: tuple[str, ...], data: ForecastData, bad: BadRows) -> list[Rows]:
    """The rows of each series in the files, in the order of time.

    Args:
      heads: of the files.
      like: the head that says the columns.
      names: of the columns.
      data: the settings.
      bad: takes the rows that cannot be read.
    """
    layouts = [head.layout(found, like, names, data) for found in heads]
    times = head.time_columns(data, like)
    rows = located_rows.read(layouts, bad, times=len(times))
    return time_order.arranged(rows.by_series(), _time_name(data, like), sort=data.sort is not None)


def _time_name(data: ForecastData, found: Head) -> str:
    return data.sort or next((found.first[at] for at in head.time_columns(data, found)), "")


def _with_values(training: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """The rows of training, float64 [rows, columns]; DataError for none, and for a column that has no value there."""
    if not len(training):
        raise DataError(
            "No row is left to train on", "rows in the training part", "Set another --split, or give more data"
        )
    for name, column in zip(names, training.T, strict=True):
        if np.isnan(column).all():
            raise DataError(
                f"Column {name} has no value in the {len(column):,} rows of training",
                "a value in some of them",
                "Leave it out with --feature_columns and --target_columns, or look at --missing_values",
            )
    return training


def _steps(data: ForecastData) -> int:
    return data.sequence_length - data.horizon if data.lookback is None else data.lookback


def check_settings(data: ForecastData) -> None:
    """Raises UsageError for a window without history."""
    if _steps(data) < 1:
        raise UsageError(
            f"--horizon={data.horizon} of --sequence_length={data.sequence_length} leaves no history",
            "a --lookback, or a smaller --horizon",
        )
