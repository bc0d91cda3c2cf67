"""One trial of a study: how its process is started, and what its exit means."""

from __future__ import annotations

import dataclasses
import enum
import math
import pathlib
from collections.abc import Mapping, Sequence

from trainer.job.cluster import Cluster
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.launch.cluster import supervision
from trainer.launch.study.parameter import Assignment
from trainer.launch.study.study import Study
from trainer.launch.sweep import evaluations
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.trial_records import Outcome, Result

LOG = "trial.log"
METRICS = "output.metrics"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A process of a trial.

    Attributes:
      name: the trial's number, as a cloud's variables have it.
      argv: flags of the task.
      environ: with the trial's number and the tuner's file.
      folder: of the trial, as the task makes it from that number.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    folder: pathlib.Path

    @property
    def log(self) -> pathlib.Path:
        """The file of what the trial prints."""
        return self.folder / LOG

    @property
    def metrics(self) -> pathlib.Path:
        """The file to which the trial reports its evaluations."""
        return self.folder / METRICS


class Cause(enum.Enum):
    """Why a trial was asked to end."""

    PRUNED = enum.auto()
    TIMEOUT = enum.auto()
    STUDY_ENDS = enum.auto()


class ExitAction(enum.Enum):
    """What follows where an exit is not a result."""

    RESTART = enum.auto()  # the same trial again, from its checkpoint
    SUSPEND = enum.auto()  # the trial stays running in the journal until the study is continued
    REFUSE = enum.auto()  # the study is wrong: no trial can work


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process of a trial ended.

    Attributes:
      code: its exit code.
      reported: all evaluations of the trial.
      cause: why it was asked to end; None: it was not.
      why: more of the cause, for people.
      log_tail: the last lines of its log.
      restarts: how often the trial was started again before.
    """

    code: int
    reported: Sequence[Evaluation]
    cause: Cause | None = None
    why: str = ""
    log_tail: Sequence[str] = ()
    restarts: int = 0


def plan(
    study: Study,
    number: int,
    assignment: Assignment,
    task_argv: Sequence[str],
    directory: pathlib.Path,
    environ: Mapping[str, str],
) -> Plan:
    """The process of a trial: as a cloud starts it, with the parameters after the person's flags.

    Args:
      study: for its metric and the spelling of its parameters.
      number: of the trial, from 1.
      assignment: values of the trial's parameters.
      task_argv: flags of every trial.
      directory: of the study.
      environ: of every trial.
    """
    name = str(number)
    folder = directory.absolute() / name
    of_trial = {
        "CLOUD_ML_TRIAL_ID": name,
        "CLOUD_ML_HP_METRIC_TAG": study.metric,
        "CLOUD_ML_HP_METRIC_FILE": str(folder / METRICS),
        "TF_CONFIG": Cluster(trial=name).to_tf_config(),
    }
    return Plan(
        name=name,
        argv=(f"--output_dir={directory}", *task_argv, *study.flags(assignment)),
        environ={**environ, **of_trial},
        folder=folder,
    )


def classify_exit(study: Study, end: Exit, *, max_restarts: int, nothing_reported_yet: bool) -> Result | ExitAction:
    """The result of a trial whose process has ended, or what is to be done where that is not its result.

    Args:
      study: for its goal and measurement.
      end: of the process.
      max_restarts: of a trial that exits with 143.
      nothing_reported_yet: whether no trial of the study has ever reported anything.
    """
    match end.cause:
        case Cause.STUDY_ENDS:
            return ExitAction.SUSPEND
        case Cause.TIMEOUT:
            return _failed(end, f"it did not end within {end.why}")
        case Cause.PRUNED:
            return _stopped(study, end)
    if end.code == 0:
        return _done(study, end)
    if end.code == supervision.USAGE_EXIT_CODE and nothing_reported_yet and not end.reported:
        return ExitAction.REFUSE
    if end.code == SAVED_EXIT_CODE and end.restarts < max_restarts:
        return ExitAction.RESTART
    last_line = f": {end.log_tail[-1]}" if end.log_tail else ", and its log is empty"
    return _failed(end, f"it {supervision.described(end.code)}{last_line}")


def _done(study: Study, end: Exit) -> Result:
    counted = evaluations.result(end.reported, study.measurement, study.goal)
    if counted is None:
        return _failed(end, f"it ended with 0 and reported no {study.metric}")
    if not math.isfinite(counted.value):
        return _failed(end, f"{study.metric} is {counted.value} at step {counted.step}")
    return Result(outcome=Outcome.DONE, value=counted.value, evaluations=tuple(end.reported))


def _stopped(study: Study, end: Exit) -> Result:
    value = evaluations.finite_result(end.reported, study)
    return Result(outcome=Outcome.STOPPED, value=value, evaluations=tuple(end.reported), reason=end.why)


def _failed(end: Exit, reason: str) -> Result:
    return Result(outcome=Outcome.FAILED, evaluations=tuple(end.reported), reason=reason)
