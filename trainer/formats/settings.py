"""The settings of data to forecast from: which format the files have, and how windows are cut from them."""

from __future__ import annotations

import dataclasses
import enum
import math

from trainer.job.config import DataConfig, require_names, require_positive, setting
from trainer.job.errors import UsageError

MEMORY_LIMIT = 1 << 30
"""Bytes of text or records, uncompressed, up to which a part of the data is held in memory."""


class DataFormat(enum.Enum):
    AUTO = "auto"
    SEQUENCES = "sequences"
    SERIES = "series"
    EXAMPLES = "examples"
    TABLE = "table"


class BadRowsPolicy(enum.Enum):
    ERROR = "error"
    SKIP = "skip"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowsData(DataConfig):
    """Where the data are, and what becomes of missing values and rows that cannot be read."""

    missing_values: tuple[str, ...] = setting((), "texts that stand for no value (-9999,NA), beside blank, ?, NA, nan")
    bad_rows: BadRowsPolicy = setting(
        BadRowsPolicy.ERROR,
        "what a row that cannot be read is: an error, or skip it and list it in bad_rows.csv",
        may_change=True,
    )
    max_bad_fraction: float = setting(0.01, "how many of all rows --bad_rows=skip may skip", may_change=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.max_bad_fraction < 1:
            raise UsageError(
                f"--max_bad_fraction={self.max_bad_fraction:g}", "a fraction from 0 up, below 1", "Set 0.01"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastData(RowsData):
    """Where the data are, and how examples are cut from them."""

    train_data_paths: tuple[str, ...] = setting(
        (), "files or globs to train on, local or gs://, comma separated, plain or .gz; none: the course's sine waves"
    )
    eval_data_paths: tuple[str, ...] = setting(
        (), "files or globs to evaluate on; none: the evaluation part of --split"
    )
    data_format: DataFormat = setting(
        DataFormat.AUTO,
        "auto looks at the first file; sequences: headerless CSV, one a row; series: one long CSV with a header; "
        "examples: TFRecord of tf.train.Example; table: CSV with a header, a row an example, with a --label_column "
        "(--data_format=table --help lists the flags of tables)",
        may_change=True,
    )
    sequence_length: int = setting(10, "values in a row of sequences, label included")
    horizon: int = setting(1, "values to forecast: the last of a sequence, the rows after a window")
    lookback: int | None = setting(None, "rows of history in a window of a series; default: sequence_length - horizon")
    target_columns: tuple[str, ...] = setting((), "columns of a series to forecast; default: every numeric one")
    feature_columns: tuple[str, ...] = setting((), "columns of a series to forecast from; default: every numeric one")
    split: tuple[float, ...] = setting(
        (0.7, 0.1, 0.2), "train, evaluation and test part of a series, in row counts (8640,2880,2880) or fractions"
    )
    sort: str | None = setting(
        None,
        "column that orders the rows of a series, or none for the order of the file; default: dates have to ascend",
    )
    period: int | None = setting(
        None, "rows after which a series repeats itself (24 for hours of days); default: found in the training part"
    )
    series_id: str | None = setting(None, "column that names the series of a row, where a table holds several")
    missing_values: tuple[str, ...] = setting(
        (),
        "texts that stand for no value (-9999,NA), beside blank, ?, NA and nan; windows and sequences that hold one "
        "are left out; default: a missing value is an error",
    )
    standardize: bool | None = setting(
        None, "scale columns by mean and deviation of the training part; default: yes for a series"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_paths(self)
        _check_columns(self)
        _check_window(self)
        _check_split(self.split)


def _check_paths(data: ForecastData) -> None:
    if data.eval_data_paths and not data.train_data_paths:
        raise UsageError(
            "--eval_data_paths without --train_data_paths",
            "both, or neither (then the course's sine waves are generated)",
            "Set --train_data_paths",
        )


def _check_columns(data: ForecastData) -> None:
    require_names(data, "feature_columns", "target_columns")
    for flag in ("feature_columns", "target_columns"):
        names = getattr(data, flag)
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise UsageError(f"--{flag} names {doubled[0]!r} twice", "each column once", "Remove one of them")


def _check_window(data: ForecastData) -> None:
    """Without a `lookback` the history is what `horizon` leaves of `sequence_length`."""
    for name in ("sequence_length", "horizon", "lookback", "period"):
        require_positive(name, getattr(data, name), "a whole number from 1 up")
    if data.lookback is None and data.sequence_length <= data.horizon:
        raise UsageError(
            f"--sequence_length={data.sequence_length} with --horizon={data.horizon} leaves no history",
            f"--sequence_length of {data.horizon + 1} or more",
            "Set a longer --sequence_length, or --lookback for a series",
        )


def _check_split(split: tuple[float, ...]) -> None:
    """Two or three parts: whole rows each, or fractions that sum to 1."""
    fractions = all(0 < part < 1 for part in split) and abs(sum(split) - 1) < 1e-6
    counts = all(math.isfinite(part) and part >= 1 and part == int(part) for part in split)
    if len(split) not in (2, 3) or not (fractions or counts):
        raise UsageError(
            f"--split={','.join(f'{part:g}' for part in split)}",
            "two or three parts (training, evaluation, test), row counts or fractions that sum to 1",
            "Set --split=0.7,0.1,0.2 or --split=8640,2880,2880",
        )
