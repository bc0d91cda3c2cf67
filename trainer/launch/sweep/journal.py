"""The record of a study on disk, from which a killed one continues: Optuna's journal, which optuna-dashboard opens.

`journal.log` in the study's directory is the only source of truth. A trial enters it in one line with all its
parameters, before its process is started, and leaves it as done, stopped or failed after its process has ended. Who
holds the directory's lock may write, and every process of a study holds it: a study cannot go on beside what is left of
another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
import fcntl
import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from trainer.job.errors import UsageError
from trainer.launch.study.study import Assignment, Goal, Kind, Parameter, Scale, Study
from trainer.launch.sweep import parzen, space
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.optimiser import Outcome, Result, Suggestion

FILE = "journal.log"
_LOCK_FILE = ".sweep.lock"
_NAME = "sweep"
_LEFTOVER_SECS = 10.0  # the kernel ends what a killed study left at once; disks may take their time
_STALE_LOCK_SECS = 3
_OUTCOMES = {
    TrialState.COMPLETE: Outcome.DONE,
    TrialState.PRUNED: Outcome.STOPPED,
    TrialState.FAIL: Outcome.FAILED,
}
_STATES = {outcome: state for state, outcome in _OUTCOMES.items()}
# What may change between two runs of one study: how long it goes on and when it ends trials, not what it searches.
_CHANGEABLE = ("max_trials", "max_parallel_trials", "max_failed_trials", "stopping", "study_stopping")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A trial as the journal has it.

    Attributes:
      number: from 1; the name of its folder.
      assignment: values of its parameters.
      outcome: None while it runs, or has yet to go on.
      value: of the metric; None without one.
      evaluations: what it reported, in the order of steps; without seconds while it runs.
      reason: why it was stopped or has failed.
      log_tail: the last lines of its log, if it has failed.
      started_at: seconds since the epoch.
      secs: from its start to its end, by the clock on the wall; None while it runs.
    """

    number: int
    assignment: Assignment
    outcome: Outcome | None = None
    value: float | None = None
    evaluations: tuple[Evaluation, ...] = ()
    reason: str = ""
    log_tail: tuple[str, ...] = ()
    started_at: float
    secs: float | None = None


class Journal(contextlib.ExitStack):
    """The open record of the study in `directory`; nobody else can open it meanwhile.

    Args:
      directory: exists; of a new study, or of one that is to be continued.
      study: that is recorded.
      task_argv: the flags that all trials have.
      seed: of a new study; None: that of the study that is continued, else `draw_seed()`.
      draw_seed: gives a seed where nobody did.

    Raises:
      UsageError: another sweep has the directory, or a different study lies there.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        study: Study,
        task_argv: Sequence[str],
        seed: int | None,
        draw_seed: Callable[[], int],
    ) -> None:
        super().__init__()
        self._path = directory / FILE
        self._parameters = study.parameters
        self._records: list[TrialRecord] | None = None  # what was read last; None once something was added
        self.lock = _locked(directory)
        self.callback(os.close, self.lock)
        try:
            self.enter_context(parzen.quiet())
            self._study = self._opened(study)
            self.seed = self._checked(study, task_argv, seed, draw_seed)
        except BaseException:
            self.close()
            raise

    def trials(self) -> Sequence[TrialRecord]:
        """All of them, by number."""
        if self._records is None:
            self._records = [self._record(trial) for trial in self._study.get_trials(deepcopy=False)]
        return self._records

    def begin(self, suggestion: Suggestion) -> TrialRecord:
        """Enters a trial that is to be run. It is the journal's next: `suggestion.number` is one more than it has."""
        self._records = None
        entries = [entry for entry in self._parameters if entry.name in suggestion.assignment]
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params={entry.name: suggestion.assignment[entry.name] for entry in entries},
                distributions={entry.name: distribution(entry) for entry in entries},
            )
        )
        record = self.trials()[-1]
        assert record.number == suggestion.number
        return record

    def report(self, number: int, evaluations: Sequence[Evaluation]) -> None:
        """Adds evaluations of a running trial that the journal does not have yet."""
        self._records = None
        trial = self._study.get_trials(deepcopy=False)[number - 1]
        for evaluation in evaluations:
            if evaluation.step not in trial.intermediate_values:
                self._storage.set_trial_intermediate_value(trial._trial_id, evaluation.step, evaluation.value)

    def finish(self, number: int, result: Result, log_tail: Sequence[str] = ()) -> None:
        """Enters how a trial ended. Its last line is the one that counts."""
        self._records = None
        trial = self._study.get_trials(deepcopy=False)[number - 1]
        if result.reason:
            self._storage.set_trial_user_attr(trial._trial_id, "reason", result.reason)
        if result.evaluations:
            secs = {str(evaluation.step): evaluation.secs for evaluation in result.evaluations}
            self._storage.set_trial_user_attr(trial._trial_id, "secs", secs)
        if log_tail:
            self._storage.set_trial_user_attr(trial._trial_id, "log_tail", list(log_tail))
        values = None if result.value is None else [result.value]
        self._storage.set_trial_state_values(trial._trial_id, _STATES[result.outcome], values)

    def importance(self) -> dict[str, float]:
        """How much each parameter mattered for being among the best, in shares of 1; empty where too few trials tell.

        By PED-ANOVA (Watanabe et al. 2023), which needs nothing but the trials.
        """
        done = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state is TrialState.COMPLETE]
        if len(done) < 5 or len({trial.value for trial in done}) < 2:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, min(0.5, 4 / len(done))))
        with contextlib.suppress(ValueError, RuntimeError, ZeroDivisionError):
            found = evaluator.evaluate(self._study)
            total = sum(found.values())
            return {name: value / total for name, value in found.items()} if total > 0 else {}
        return {}

    @property
    def _storage(self) -> optuna.storages.BaseStorage:
        return self._study._storage

    def _opened(self, study: Study) -> optuna.Study:
        _cut_torn_line(self._path)
        absolute = str(self._path.absolute())  # Optuna's lock is a link to it
        lock = JournalFileSymlinkLock(absolute, grace_period=_STALE_LOCK_SECS)
        storage = JournalStorage(JournalFileBackend(absolute, lock_obj=lock))
        directions = optuna.study.StudyDirection
        direction = directions.MINIMIZE if study.goal is Goal.MINIMIZE else directions.MAXIMIZE
        with contextlib.suppress(KeyError):
            return optuna.load_study(study_name=_NAME, storage=storage)
        return optuna.create_study(study_name=_NAME, storage=storage, direction=direction)

    def _checked(self, study: Study, task_argv: Sequence[str], seed: int | None, draw_seed: Callable[[], int]) -> int:
        """The seed, once it is sure that the journal is of this study; notes what it is of, in a new one."""
        said: dict[str, Any] = {"study": _plain(study), "task_argv": list(task_argv)}
        known = self._study.user_attrs.get("trainer")
        if known is None or not self._study.get_trials(deepcopy=False):
            chosen = draw_seed() if seed is None else seed
            self._study.set_user_attr("trainer", {**said, "seed": chosen})
            return chosen
        if not self._has_reports():
            known = {**known, "task_argv": said["task_argv"]}
        _refuse_differences(known, {**said, "seed": known["seed"] if seed is None else seed}, self._path)
        said["seed"] = known["seed"]
        if self._study.user_attrs["trainer"] != said:
            self._study.set_user_attr("trainer", said)
        return int(known["seed"])

    def _has_reports(self) -> bool:
        """Whether any trial has ended or told anything: results that others are compared with."""
        trials = self._study.get_trials(deepcopy=False)
        return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        started = trial.datetime_start or datetime.datetime.now()
        ended = trial.datetime_complete
        outcome, secs = _OUTCOMES.get(trial.state), trial.user_attrs.get("secs", {})
        return TrialRecord(
            number=trial.number + 1,
            assignment=dict(trial.params),
            outcome=outcome,
            value=trial.value if outcome in (Outcome.DONE, Outcome.STOPPED) else None,
            evaluations=tuple(
                Evaluation(step=step, value=value, secs=secs.get(str(step), 0.0))
                for step, value in sorted(trial.intermediate_values.items())
            ),
            reason=trial.user_attrs.get("reason", ""),
            log_tail=tuple(trial.user_attrs.get("log_tail", ())),
            started_at=started.timestamp(),
            secs=(ended - started).total_seconds() if ended else None,
        )


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """What Optuna's tools are told of a parameter; of the reverse logarithm they know nothing."""
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        return optuna.distributions.CategoricalDistribution(parameter.values)
    low, high = space.limits(parameter)
    is_log = parameter.scale is Scale.LOG
    if parameter.kind is Kind.INTEGER:
        return optuna.distributions.IntDistribution(int(low), int(high), log=is_log)
    return optuna.distributions.FloatDistribution(float(low), float(high), log=is_log)


def _locked(directory: pathlib.Path) -> int:
    """The descriptor that holds the directory; every process that inherits it holds it too."""
    descriptor = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    deadline = time.monotonic() + _LEFTOVER_SECS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            if _runs(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise _taken(directory, holder) from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _runs(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(directory: pathlib.Path, holder: str) -> UsageError:
    if _runs(holder):
        return UsageError(
            f"Another sweep, process {holder}, runs in {directory}",
            "One sweep for a directory",
            "Wait for it, end it, or choose another --output_dir",
        )
    return UsageError(
        f"Processes of an ended sweep still run in {directory}", "None", f"End them: fuser {directory / _LOCK_FILE}"
    )


def _cut_torn_line(path: pathlib.Path) -> None:
    """Takes away a last line that a killed process left unfinished: the next one would be added to it.

    Raises:
      UsageError: the file is no journal; then it stays as it is.
    """
    if not path.exists():
        return
    with path.open("rb+") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            _require_entry(line, path, number)
        if whole < len(content):
            _require_start(content[whole:], path)
            stream.truncate(whole)
            os.fsync(stream.fileno())


def _require_entry(line: bytes, path: pathlib.Path, number: int) -> None:
    try:
        if "op_code" in json.loads(line):
            return
    except (ValueError, TypeError):
        pass
    raise UsageError(
        f"{path}:{number} is no entry of a sweep's journal",
        "The journal that a sweep has left",
        "Restore the file, or choose another --output_dir",
    )


def _require_start(torn: bytes, path: pathlib.Path) -> None:
    """Optuna's entries all begin so; what does not may be somebody's only copy of something else."""
    start = b'{"op_code":'
    if not torn.startswith(start[: len(torn)]):
        _require_entry(torn, path, 1)


def _plain(value: Any) -> Any:
    """A study as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _refuse_differences(known: Mapping[str, Any], said: Mapping[str, Any], path: pathlib.Path) -> None:
    differences = [
        f"{name}: {_shown(known['study'].get(name))} before, now {_shown(value)}"
        for name, value in said["study"].items()
        if name not in (*_CHANGEABLE, "parameters") and known["study"].get(name) != value
    ]
    differences += _parameter_differences(known["study"]["parameters"], said["study"]["parameters"])
    if known["task_argv"] != said["task_argv"]:
        before, now = " ".join(known["task_argv"]) or "none", " ".join(said["task_argv"]) or "none"
        differences.append(f"flags of the task: {before} before, now {now}")
    if known["seed"] != said["seed"]:
        differences.append(f"--seed: {known['seed']} before, now {said['seed']}")
    if differences:
        raise UsageError(
            f"Another study lies in {path.parent} ({'; '.join(differences)})",
            "The same study, with other counts and stopping rules at most, since its results are compared",
            "Undo the change, or choose another --output_dir",
        )


def _parameter_differences(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    old, new = ({entry["name"]: entry for entry in entries} for entries in (before, now))
    found = [f"{name} is searched no more" for name in old if name not in new]
    found += [f"{name} was not searched before" for name in new if name not in old]
    for name in old:
        for key, value in new.get(name, {}).items():
            if old[name].get(key) != value:
                found.append(f"{name}.{key}: {_shown(old[name].get(key))} before, now {_shown(value)}")
    return found


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
