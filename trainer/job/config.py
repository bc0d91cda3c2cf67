"""The settings of a job: frozen dataclasses whose fields are the flags of `trainer.task`."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Any

from trainer.job.errors import UsageError


class DataFormat(enum.Enum):
    AUTO = "auto"
    SEQUENCES = "sequences"
    SERIES = "series"
    EXAMPLES = "examples"


class Strategy(enum.Enum):
    AUTO = "auto"
    LOCAL = "local"
    PS = "ps"
    SYNC = "sync"


class ExporterKind(enum.Enum):
    LATEST = "latest"
    BEST = "best"
    FINAL = "final"


def setting(default: Any, help: str, *, alias: tuple[str, ...] = ()) -> Any:
    """A field of settings that becomes a flag.

    Args:
      default: its value when the flag is not given.
      help: text of the flag.
      alias: other names of the flag.
    """
    return dataclasses.field(default=default, metadata={"help": help, "alias": alias})


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data are and how examples are cut from them."""

    train_data_paths: tuple[str, ...] = setting(
        (), "files or globs to train on, local or gs://, comma separated, plain or .gz; none: the course's sine waves"
    )
    eval_data_paths: tuple[str, ...] = setting(
        (), "files or globs to evaluate on; none: the evaluation part of --split"
    )
    data_cache_dir: str | None = setting(
        None, "where files of buckets are kept for later epochs and runs; default: each is deleted when others follow"
    )
    data_format: DataFormat = setting(
        DataFormat.AUTO,
        "auto looks at the first file; sequences: headerless CSV, one a row; series: one long CSV with a header; "
        "examples: TFRecord of tf.train.Example",
    )
    sequence_length: int = setting(10, "values in a row of sequences, label included")
    horizon: int = setting(1, "values to forecast: the last of a sequence, the rows after a window")
    lookback: int | None = setting(None, "rows of history in a window of a series; default: sequence_length - horizon")
    target_columns: tuple[str, ...] = setting((), "columns of a series to forecast; default: every numeric one")
    feature_columns: tuple[str, ...] = setting((), "columns of a series to forecast from; default: every numeric one")
    split: tuple[float, ...] = setting(
        (0.7, 0.1, 0.2), "train, evaluation and test part of a series, in row counts (8640,2880,2880) or fractions"
    )
    standardize: bool | None = setting(
        None, "scale columns by mean and deviation of the training part; default: yes for a series"
    )
    train_batch_size: int = setting(100, "examples in a training step, for each device of each process that trains")
    eval_batch_size: int = setting(1000, "examples in an evaluation step")
    num_epochs: int | None = setting(None, "passes over the training data; default: as many as --train_steps needs")
    seed: int | None = setting(
        None, "of weights and data order; default: other weights each time, and one order, in which a run can continue"
    )

    def __post_init__(self) -> None:
        _check_paths(self)
        _check_window(self)
        _check_counts(self)
        _check_split(self.split)


DEFAULT_TRAIN_STEPS = 2000
DEFAULT_SAVE_SECS = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where results go, how long to train, and when to save, evaluate and export."""

    output_dir: str | None = setting(
        None, "where checkpoints, events and exports go; one that holds a run is continued", alias=("job_dir",)
    )
    train_steps: int | None = setting(
        None, f"step to train up to, counted from the first run; default: {DEFAULT_TRAIN_STEPS}, or all of --num_epochs"
    )
    eval_steps: int | None = setting(None, "batches in an evaluation; default: the whole evaluation set")
    eval_delay_secs: float = setting(10.0, "seconds that a separate evaluator waits before its first evaluation")
    min_eval_frequency: float = setting(60.0, "least seconds between two evaluations")
    save_checkpoints_steps: int | None = setting(None, "steps between checkpoints; instead of --save_checkpoints_secs")
    save_checkpoints_secs: float | None = setting(
        None, f"seconds between checkpoints; default: {DEFAULT_SAVE_SECS:g} where no steps are given"
    )
    keep_checkpoint_max: int = setting(5, "checkpoints to keep; 0 keeps all")
    exporter: tuple[ExporterKind, ...] = setting(
        (ExporterKind.LATEST,), "when to export: latest (each evaluation), best, final (once); empty for never"
    )
    separate_evaluator: bool = setting(False, "another process of the job evaluates; set by launchers")
    strategy: Strategy = setting(Strategy.AUTO, "auto: ps if the cluster has ps, sync if it has workers, else local")
    push_every: int = setting(1, "steps between a worker's exchanges with the parameter servers")
    steps_per_loop: int | None = setting(None, "steps in one device call; default: found automatically")
    hyperparameter_metric_tag: str | None = setting(
        None, "metric to report to the tuner; default: CLOUD_ML_HP_METRIC_TAG, else rmse"
    )

    def __post_init__(self) -> None:
        for name in ("train_steps", "eval_steps", "save_checkpoints_steps", "steps_per_loop", "push_every"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        require_positive("save_checkpoints_secs", self.save_checkpoints_secs, "seconds above 0")
        for name in ("eval_delay_secs", "min_eval_frequency", "keep_checkpoint_max"):
            require_not_negative(name, getattr(self, name))
        if self.save_checkpoints_steps is not None and self.save_checkpoints_secs is not None:
            raise UsageError(
                f"--save_checkpoints_steps={self.save_checkpoints_steps} beside "
                f"--save_checkpoints_secs={self.save_checkpoints_secs:g}",
                "One of the two is accepted",
                "Drop one",
            )
        if len(set(self.exporter)) != len(self.exporter):
            raise UsageError(
                f"--exporter={','.join(kind.value for kind in self.exporter)} names one twice",
                "Each of latest, best and final at most once",
            )
        if self.output_dir is not None and not self.output_dir.strip():
            raise UsageError("--output_dir is empty", "A directory, local or gs://", "Name one, or leave the flag out")

    def max_steps(self, num_epochs: int | None) -> int | None:
        """The step to train up to; None: until `num_epochs` passes over the data end."""
        if self.train_steps is None and num_epochs is None:
            return DEFAULT_TRAIN_STEPS
        return self.train_steps

    @property
    def save_secs(self) -> float | None:
        """Seconds between checkpoints; None where steps are counted instead."""
        if self.save_checkpoints_steps is None and self.save_checkpoints_secs is None:
            return DEFAULT_SAVE_SECS
        return self.save_checkpoints_secs


def require_positive(name: str, value: float | None, accept: str) -> None:
    """Refuses a number that is not above 0.

    Args:
      name: of its flag, for the message.
      value: None where the flag was not given.
      accept: what the flag accepts, for the message.

    Raises:
      UsageError: the value is 0 or less, or not finite.
    """
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UsageError(f"--{name}={value}", f"Accepted: {accept}", "Give such a number, or leave the flag out")


def require_not_negative(name: str, value: float) -> None:
    """Raises UsageError naming the flag when `value` is not a number from 0 up."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"--{name}={value}", "Accepted: 0 or more", "Give such a number, or leave the flag out")


def _check_paths(data: DataConfig) -> None:
    if data.eval_data_paths and not data.train_data_paths:
        raise UsageError(
            "--eval_data_paths without --train_data_paths",
            "Accepted: both, or neither (then the course's sine waves are generated)",
            "Set --train_data_paths",
        )
    for flag in ("train_data_paths", "eval_data_paths", "feature_columns", "target_columns"):
        names = getattr(data, flag)
        if any(not name.strip() for name in names):
            raise UsageError(
                f"--{flag}={','.join(names)} names nothing between two commas", None, "Remove the comma too many"
            )
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled and flag.endswith("columns"):
            raise UsageError(f"--{flag} names {doubled[0]!r} twice", "Accepted: each column once", "Remove one of them")


def _check_window(data: DataConfig) -> None:
    """Without a `lookback` the history is what `horizon` leaves of `sequence_length`."""
    for name in ("sequence_length", "horizon", "lookback"):
        require_positive(name, getattr(data, name), "a whole number from 1 up")
    if data.lookback is None and data.sequence_length <= data.horizon:
        raise UsageError(
            f"--sequence_length={data.sequence_length} with --horizon={data.horizon} leaves no history",
            f"Accepted: --sequence_length of {data.horizon + 1} or more",
            "Set a longer --sequence_length, or --lookback for a series",
        )


def _check_counts(data: DataConfig) -> None:
    for name in ("train_batch_size", "eval_batch_size", "num_epochs"):
        require_positive(name, getattr(data, name), "a whole number from 1 up")


def _check_split(split: tuple[float, ...]) -> None:
    """Two or three parts: whole rows each, or fractions that sum to 1."""
    fractions = all(0 < part < 1 for part in split) and abs(sum(split) - 1) < 1e-6
    counts = all(math.isfinite(part) and part >= 1 and part == int(part) for part in split)
    if len(split) not in (2, 3) or not (fractions or counts):
        raise UsageError(
            f"--split={','.join(f'{part:g}' for part in split)}",
            "Accepted: two or three parts (training, evaluation, test), row counts or fractions that sum to 1",
            "Set --split=.7,.1,.2 or --split=8640,2880,2880",
        )
