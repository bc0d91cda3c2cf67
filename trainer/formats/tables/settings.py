"""The settings of a table: its label, what its columns are, and which rows are looked at for what."""

from __future__ import annotations

import dataclasses
import enum

from trainer.formats.settings import DataFormat, RowsData
from trainer.job.config import require_names, require_positive, setting
from trainer.job.errors import UsageError


class Task(enum.Enum):
    AUTO = "auto"
    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableData(RowsData):
    """A table: where its rows are, and what its columns mean."""

    train_data_paths: tuple[str, ...] = setting(
        (), "CSV files with a header, or globs, local or gs://, comma separated, plain or .gz"
    )
    eval_data_paths: tuple[str, ...] = setting((), "files or globs to evaluate on; none: a part of the others")
    data_format: DataFormat = setting(DataFormat.TABLE, "table; other formats have other flags", may_change=True)
    label_column: str | None = setting(None, "the column to predict")
    task: Task = setting(
        Task.AUTO,
        "auto: text and few whole numbers are classes, other numbers a regression; else regression, binary, multiclass",
    )
    positive_class: str | None = setting(
        None, "which of two classes precision, recall and AUC are of; default: the second in order (no, yes; 0, 1)"
    )
    feature_columns: tuple[str, ...] = setting((), "columns to predict from; default: all but the label and row ids")
    ignored_columns: tuple[str, ...] = setting((), "columns not to predict from")
    categorical_columns: tuple[str, ...] = setting((), "columns whose numbers are names, such as zip codes")
    split: tuple[float, ...] = setting(
        (0.8, 0.1, 0.1), "fractions of the rows for training, evaluation and test, without --eval_data_paths"
    )
    split_column: str | None = setting(
        None, "column that says for what a row is: train, eval (validation, valid, dev) or test; instead of --split"
    )
    vocabulary_size: int = setting(1000, "most frequent values of a category that are known by themselves")
    min_count: int = setting(2, "how often a value of a category occurs in training to be known by itself")
    oov_buckets: int = setting(4, "ids that all other values of a category share, by their hash")

    parsed_cache_gb: float = setting(
        64.0,
        "space for the parsed rows of large tables, on this machine's disk (TRAINER_SCRATCH), from which later epochs "
        "and runs read; 0 keeps none",
        may_change=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_files()
        if not 0 <= self.parsed_cache_gb < 1e6:
            raise UsageError(f"--parsed_cache_gb={self.parsed_cache_gb:g}", "gigabytes, 0 for none", "Leave it out")
        names = ("feature_columns", "ignored_columns", "categorical_columns")
        require_names(self, *names)
        for name in ("vocabulary_size", "min_count", "oov_buckets"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        for name in names:
            if self.label_column in getattr(self, name):
                raise UsageError(f"--{name} names the label {self.label_column!r}", "other columns", "Leave it out")
        doubled = sorted({*self.ignored_columns} & {*self.feature_columns, *self.categorical_columns})
        if doubled:
            raise UsageError(f"--ignored_columns names {doubled[0]!r}, which another flag uses", None, "Drop one")
        if len(self.split) not in (2, 3) or min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6:
            raise UsageError(
                f"--split={','.join(f'{part:g}' for part in self.split)}",
                "two or three fractions above 0 that sum to 1 (training, evaluation, test)",
                "Set --split=0.8,0.1,0.1",
            )

    def _check_files(self) -> None:
        if self.data_format not in (DataFormat.TABLE, DataFormat.AUTO):
            got = f"--data_format={self.data_format.value} for a table"
            raise UsageError(got, "--data_format=table", "Leave --problem out to train on other formats")
        if self.eval_data_paths and not self.train_data_paths:
            raise UsageError("--eval_data_paths without --train_data_paths", "both", "Set --train_data_paths")
        if self.eval_data_paths and self.split_column is not None:
            got = f"--split_column={self.split_column} together with --eval_data_paths"
            raise UsageError(got, "one of the two ways to say what is evaluated on", "Drop one")
