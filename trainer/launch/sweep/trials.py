"""One trial of a study: how its process is started, and what follows from the way it ended."""

from __future__ import annotations

import dataclasses
import enum
import math
import pathlib
from collections.abc import Mapping, Sequence

from trainer.job.cluster import Cluster
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.launch.cluster import supervision
from trainer.launch.study.study import Assignment, Study
from trainer.launch.sweep import evaluations
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.optimiser import Outcome, Result

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
        return self.folder / LOG

    @property
    def metrics(self) -> pathlib.Path:
        return self.folder / METRICS


class Cause(enum.Enum):
    """Why a trial was asked to end."""

    HOPELESS = enum.auto()
    TIMEOUT = enum.auto()
    STUDY_ENDS = enum.auto()


class Verdict(enum.Enum):
    """What follows where an end is no result."""

    RESTART = enum.auto()  # the same trial again; it goes on from its checkpoint
    LEAVE = enum.auto()  # it stays under way in the journal, until the study is continued
    REFUSE = enum.auto()  # the study is wrong: no trial can work


@dataclasses.dataclass(frozen=True, kw_only=True)
class End:
    """How a process of a trial ended.

    Attributes:
      code: its exit code.
      reported: all evaluations of the trial.
      cause: why it was asked to; None: nobody asked.
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
    """The process of trial `number`: as a cloud starts it, with the parameters behind the person's flags."""
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


def judge(study: Study, end: End, *, max_restarts: int, nothing_reported_yet: bool) -> Result | Verdict:
    """What the end of a trial's process means.

    Args:
      study: for its goal and measurement.
      end: of the process.
      max_restarts: of a trial that exits 143.
      nothing_reported_yet: whether no trial of the study has ever told anything.
    """
    match end.cause:
        case Cause.STUDY_ENDS:
            return Verdict.LEAVE
        case Cause.TIMEOUT:
            return _failed(end, f"it did not end within {end.why}")
        case Cause.HOPELESS:
            return _stopped(study, end)
    if end.code == 0:
        return _done(study, end)
    if end.code == supervision.USAGE_EXIT_CODE and nothing_reported_yet and not end.reported:
        return Verdict.REFUSE
    if end.code == SAVED_EXIT_CODE and end.restarts < max_restarts:
        return Verdict.RESTART
    said = f": {end.log_tail[-1]}" if end.log_tail else ", and its log is empty"
    return _failed(end, f"it {supervision.described(end.code)}{said}")


def _done(study: Study, end: End) -> Result:
    found = evaluations.result(end.reported, study.measurement, study.goal)
    if found is None:
        return _failed(end, f"it ended with 0 and reported no {study.metric}")
    if not math.isfinite(found.value):
        return _failed(end, f"{study.metric} is {found.value} at step {found.step}")
    return Result(outcome=Outcome.DONE, value=found.value, evaluations=tuple(end.reported))


def _stopped(study: Study, end: End) -> Result:
    found = evaluations.result(end.reported, study.measurement, study.goal)
    value = found.value if found is not None and math.isfinite(found.value) else None
    return Result(outcome=Outcome.STOPPED, value=value, evaluations=tuple(end.reported), reason=end.why)


def _failed(end: End, reason: str) -> Result:
    return Result(outcome=Outcome.FAILED, evaluations=tuple(end.reported), reason=reason)
