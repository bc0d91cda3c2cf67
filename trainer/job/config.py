"""The settings of a job: frozen dataclasses whose fields are the flags of `trainer.task`."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Any

from trainer.job.errors import UsageError


class Strategy(enum.Enum):
    AUTO = "auto"
    LOCAL = "local"
    PS = "ps"
    SYNC = "sync"


class Notices(enum.Enum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class LogFormat(enum.Enum):
    TEXT = "text"
    JSON = "json"


class TrackerKind(enum.Enum):
    MLFLOW = "mlflow"
    WANDB = "wandb"
    TENSORBOARD_HPARAMS = "tensorboard_hparams"


class ExporterKind(enum.Enum):
    LATEST = "latest"
    BEST = "best"
    FINAL = "final"


def setting(
    default: Any,
    help: str,
    *,
    alias: tuple[str, ...] = (),
    positive: str | None = None,
    choices: type[enum.Enum] | None = None,
    may_change: bool = False,
    repeats: bool = False,
) -> Any:
    """A field that becomes a flag.

    Args:
      default: its value where the flag is left out.
      help: what `--help` says of it.
      alias: other spellings of the flag.
      positive: what is accepted where the value has to be above 0 ("a whole number from 1 up"); seen to by `Checked`.
      choices: of which the value has to be one; seen to by `Checked`.
      may_change: whether a run that is continued may have another value; for settings of data and models, whose other
        values are refused in a used directory.
      repeats: whether a list may be given by several flags, as by other programs; of others the last flag counts.
    """
    metadata = {"help": help, "alias": alias, "positive": positive, "choices": choices, "may_change": may_change}
    metadata |= {"repeats": repeats}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checked:
    """Settings whose values are checked, when they are built, against what their fields say."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if positive := field.metadata.get("positive"):
                require_positive(field.name, value, positive)
            choices = field.metadata.get("choices")
            if choices is not None and not isinstance(value, choices):
                names = ", ".join(str(choice.value) for choice in choices)
                raise UsageError(f"--{field.name}={value}", f"one of {names}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data are, and how many examples a batch has."""

    train_data_paths: tuple[str, ...] = setting((), "files or globs to train on, local or gs://, comma separated")
    eval_data_paths: tuple[str, ...] = setting((), "files or globs to evaluate on")
    data_cache_dir: str | None = setting(
        None,
        "where copies of files in buckets are kept for later epochs and runs; default: a temporary directory, which is "
        "emptied as others are read",
        may_change=True,
    )
    train_batch_size: int = setting(100, "examples in a training step, for each device of each process that trains")
    eval_batch_size: int = setting(1000, "examples in an evaluation step", may_change=True)
    num_epochs: int | None = setting(
        None, "passes over the training data; default: as many as --train_steps needs", may_change=True
    )
    seed: int | None = setting(
        None,
        "seed of weights and data order; default: other weights each time, but a fixed order, so that a run can resume",
    )

    def __post_init__(self) -> None:
        require_names(self, "train_data_paths", "eval_data_paths")
        for name in ("train_batch_size", "eval_batch_size", "num_epochs"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")


DEFAULT_PROBLEM = "trainer.model"
TABLE_PROBLEM = "trainer.problems.table"
"""What `--data_format=table` trains where no other problem is named."""
OLD_DEFAULT_TAG = "training/hptuning/metric"
"""Under this tag a tuner looks where a study names none; the task reports its score there."""
DEFAULT_TRAIN_STEPS = 2000
DEFAULT_SAVE_SECS = 60.0
DEFAULT_STALL_SECS = 300.0
DEFAULT_GRACE_SECS = 25.0
_NOT_NEGATIVE = (
    "stall_timeout_secs",
    "eval_delay_secs",
    "min_eval_frequency",
    "keep_checkpoint_max",
    "early_stopping_min_delta",
    "explain_nan_secs",
    "rejoin_secs",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where results go, how long to train, and when to save, evaluate and export."""

    problem: str = setting(
        DEFAULT_PROBLEM, "what to train: a module, or a Python file (path/to/file.py), that defines PROBLEM"
    )
    preset: str | None = setting(
        None, "begin with the flags of a recipe, which --help lists at its end; others that are given win"
    )
    output_dir: str | None = setting(
        None, "where checkpoints, events and exports go; a run that is there is continued", alias=("job_dir",)
    )
    new_data: bool = setting(
        False, "train the run in a used directory further on other data than it was trained on: they are begun afresh"
    )
    new_settings: bool = setting(False, "train it further with other settings of the model than it was trained with")
    train_steps: int | None = setting(
        None, f"step to train up to, counted from the first run; default: {DEFAULT_TRAIN_STEPS}, or all of --num_epochs"
    )
    eval_steps: int | None = setting(None, "batches in an evaluation; default: the whole evaluation set")
    eval_delay_secs: float = setting(10.0, "seconds that a separate evaluator waits before its first evaluation")
    min_eval_frequency: float = setting(60.0, "shortest time between two evaluations, in seconds")
    save_checkpoints_steps: int | None = setting(None, "steps between checkpoints; instead of --save_checkpoints_secs")
    save_checkpoints_secs: float | None = setting(
        None, f"seconds between checkpoints; default: {DEFAULT_SAVE_SECS:g} where no steps are given"
    )
    keep_checkpoint_max: int = setting(5, "checkpoints to keep; 0 keeps all")
    exporter: tuple[ExporterKind, ...] = setting(
        (ExporterKind.LATEST,), "when to export: latest (each evaluation), best, final (once); empty for never"
    )
    score: str | None = setting(
        None,
        "metric to judge models by: the best export, early stopping, the table; default: the first of the problem's",
    )
    early_stopping_steps: int | None = setting(
        None, "stop when no evaluation for so many steps has a better score (see --min_eval_frequency); default: never"
    )
    early_stopping_min_delta: float = setting(0.0, "how much better the score has to be to count for that")
    separate_evaluator: bool = setting(False, "another process of the job evaluates; set by launchers")
    strategy: Strategy = setting(Strategy.AUTO, "auto: ps if the cluster has ps, sync if it has workers, else local")
    push_every: int = setting(1, "steps between a worker's pushes to the parameter servers")
    steps_per_loop: int | None = setting(None, "steps in one device call; default: found automatically")
    explain_nan_secs: float = setting(
        120.0, "seconds for finding the operation and the rows that made a loss NaN; 0 leaves that out"
    )
    profile: bool = setting(
        False, "trace some steps, for TensorBoard, and say at the end what the time went into; see docs/profile.md"
    )
    grace_secs: float = setting(
        DEFAULT_GRACE_SECS, "seconds from a signal to the end of the process, in which it saves; see also the runner's"
    )
    preemption_notices: Notices = setting(
        Notices.AUTO,
        "end as after SIGTERM when Google Cloud takes the machine away: auto (where it runs there), on, off",
    )
    rejoin_secs: float = setting(
        600.0,
        "seconds that the processes of a synchronous job wait for one that was lost, without ending; 0: they end",
    )
    stall_timeout_secs: float = setting(
        DEFAULT_STALL_SECS, "say what is waited for when nothing has happened for so many seconds; 0: never"
    )
    log_format: LogFormat = setting(
        LogFormat.TEXT, "text, or json: a JSON object a line, as Cloud Logging and other collectors read them"
    )
    report: bool | None = setting(
        None, "write report.html at the end; default: where matplotlib is installed, but not for trials of a sweep"
    )
    tracker: tuple[TrackerKind, ...] = setting(
        (), "tell trackers of experiments: mlflow, wandb, tensorboard_hparams; comma separated"
    )
    hyperparameter_metric_tag: str | None = setting(
        None, "metric to report to the tuner; default: CLOUD_ML_HP_METRIC_TAG, else the score"
    )

    def __post_init__(self) -> None:
        for name in (
            "train_steps",
            "eval_steps",
            "save_checkpoints_steps",
            "steps_per_loop",
            "push_every",
            "early_stopping_steps",
        ):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        require_positive("save_checkpoints_secs", self.save_checkpoints_secs, "seconds above 0")
        require_positive("grace_secs", self.grace_secs, "seconds above 0")
        for name in _NOT_NEGATIVE:
            require_not_negative(name, getattr(self, name))
        if self.save_checkpoints_steps is not None and self.save_checkpoints_secs is not None:
            raise UsageError(
                f"--save_checkpoints_steps={self.save_checkpoints_steps} together with "
                f"--save_checkpoints_secs={self.save_checkpoints_secs:g}",
                "one of the two",
                "Drop one",
            )
        if len(set(self.exporter)) != len(self.exporter):
            raise UsageError(
                f"--exporter={','.join(kind.value for kind in self.exporter)} names one twice",
                "each of latest, best and final at most once",
            )
        if len(set(self.tracker)) != len(self.tracker):
            got = f"--tracker={','.join(kind.value for kind in self.tracker)} names one twice"
            raise UsageError(got, "each at most once", "Remove one")
        if self.output_dir is not None and not self.output_dir.strip():
            raise UsageError("--output_dir is empty", "a directory, local or gs://", "Name one, or leave the flag out")

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
        raise UsageError(f"--{name}={value}", accept, "Change the number, or leave the flag out")


def require_not_negative(name: str, value: float) -> None:
    """Raises UsageError naming the flag when `value` is not a number from 0 up."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"--{name}={value}", "0 or more", "Change the number, or leave the flag out")


def require_names(settings: Any, *flags: str) -> None:
    """Raises UsageError naming the flag where a list of names has an empty one."""
    for flag in flags:
        names = getattr(settings, flag)
        if any(not name.strip() for name in names):
            raise UsageError(
                f"--{flag}={','.join(names)} has an empty name between two commas", None, "Remove the extra comma"
            )
