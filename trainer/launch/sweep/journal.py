"""The record of a study on disk, from which a killed one resumes: a study of Optuna, which optuna-dashboard opens.

`journal.log` in the study's directory is the only source of truth. A trial enters it when its parameters are asked for,
before its process starts, and leaves it as complete, pruned or failed after its process has ended. A trial that is
still running in the journal when a sweep opens it is one that a kill interrupted, and is resumed.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import (
    directory_lock,
    importance,
    journal_file,
    optuna_output,
    pruners,
    same_study,
    samplers,
    space,
    trial_records,
)
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.trial_records import OUTCOMES, Outcome, Result, TrialRecord

FILE = "journal.log"
NAME = "sweep"
_DESCRIPTION = "trainer"
_STATES = {outcome: state for state, outcome in OUTCOMES.items()}


class Journal(contextlib.ExitStack):
    """The open record of the study in `directory`; nobody else can open it meanwhile.

    Args:
      directory: exists; of a new study, or of one that is to be resumed.
      definition: the study.
      task_argv: the flags that all trials have.
      seed: of a new study; None: that of the study that is resumed, else `draw_seed()`.
      draw_seed: gives a seed where none was given.

    Raises:
      UsageError: another sweep uses the directory, or it holds a different study.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        definition: Study,
        task_argv: Sequence[str],
        seed: int | None,
        draw_seed: Callable[[], int],
    ) -> None:
        super().__init__()
        self._directory, self._definition = directory, definition
        self._records: list[TrialRecord] | None = None  # as read last; None once something was written
        self._running: dict[int, optuna.Trial] = {}  # by number from 1, of this process
        self.lock = directory_lock.lock(directory)
        self.callback(os.close, self.lock)
        try:
            self.enter_context(optuna_output.silenced())
            self._storage = journal_file.storage(directory / FILE)
            self._study = _opened(self._storage, definition.goal)
            self.seed = self._checked(same_study.description(definition, task_argv), seed, draw_seed)
        except BaseException:
            self.close()
            raise
        self._sampler, self._pruner = samplers.sampler(definition, self.seed), pruners.pruner(definition)
        self._study.sampler, self._study.pruner = self._sampler, self._pruner or optuna.pruners.NopPruner()

    def trials(self) -> Sequence[TrialRecord]:
        """All of them, by number, but for those that somebody enqueued with Optuna and that have not begun."""
        if self._records is None:
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING, *_STATES.values()))
            self._records = [trial_records.from_optuna(trial, self._definition) for trial in trials]
        return self._records

    def ask(self) -> TrialRecord | None:
        """A new trial that is to be run, enqueued ones first; None when there is nothing left to try."""
        if self._sampler.is_exhausted(self._study):
            return None
        return self._entered(self._study.ask())

    def resume(self, number: int) -> TrialRecord:
        """A trial of the journal that is to be run again; parameters that a kill kept from being written are added."""
        # Optuna gives out `Trial` objects of new trials only, so that this one is made from the trial's id.
        study_id = self._storage.get_study_id_from_name(NAME)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, number - 1)
        return self._entered(optuna.Trial(self._study, trial_id))

    def report(self, number: int, evaluations: Sequence[Evaluation]) -> None:
        """Adds evaluations of a running trial that the journal does not have yet."""
        self._records = None
        trial, known = self._running[number], self._frozen(number).intermediate_values
        if self._pruner is not None and self._pruner.by_time:
            trial.set_user_attr(trial_records.SECS, _secs(evaluations))
        for evaluation in evaluations:
            if evaluation.step not in known:
                trial.report(evaluation.value, evaluation.step)

    def reason_to_prune(self, number: int) -> str | None:
        """Why a running trial should end now, by what the journal has of it and of the others; None: it should not."""
        if self._pruner is None or not self._running[number].should_prune():
            return None
        return self._pruner.reason(self._study, self._frozen(number))

    def tell(self, number: int, result: Result, *, exit_code: int | None = None, log_tail: Sequence[str] = ()) -> None:
        """Enters how a running trial ended; before the last line that this writes, it has not ended.

        Args:
          number: of the trial.
          result: its outcome and value.
          exit_code: of its process.
          log_tail: the last lines of its log.
        """
        self._records = None
        trial = self._running.pop(number)
        attributes = {
            trial_records.REASON: result.reason or None,
            trial_records.EXIT_CODE: exit_code,
            trial_records.LOG_TAIL: list(log_tail) or None,
            trial_records.SECS: _secs(result.evaluations) or None,
        }
        for name, content in attributes.items():
            if content is not None or name in trial.user_attrs:  # of a run that was killed between these lines
                trial.set_user_attr(name, content)
        value = result.value if result.outcome is Outcome.DONE else None
        self._study.tell(trial, value, state=_STATES[result.outcome])

    def importance(self) -> dict[str, float]:
        """How much each parameter matters for being among the best, in shares of 1; empty for too few trials."""
        return importance.of(self._study)

    def _frozen(self, number: int) -> FrozenTrial:
        """The trial as the storage has it now."""
        return self._study.get_trials(deepcopy=False)[number - 1]

    def _entered(self, trial: optuna.Trial) -> TrialRecord:
        self._records = None
        number = trial.number + 1
        self._running[number] = trial
        space.suggested(self._definition, trial)
        trial.set_user_attr(trial_records.FOLDER, str(self._directory.absolute() / str(number)))
        return trial_records.from_optuna(self._frozen(number), self._definition)

    def _checked(self, asked: dict[str, object], seed: int | None, draw_seed: Callable[[], int]) -> int:
        """The seed. Notes in a new journal which study it is of; refuses a journal of another one.

        Args:
          asked: description of the study that is asked for.
          seed: that is asked for; None: that of the journal.
          draw_seed: gives a seed to a new journal.
        """
        known = self._study.user_attrs.get(_DESCRIPTION)
        if known is None or not self._study.get_trials(deepcopy=False):
            chosen = draw_seed() if seed is None else seed
            self._study.set_user_attr(_DESCRIPTION, {**asked, "seed": chosen})
            return chosen
        if not self._has_reports():
            known = {**known, "task_argv": asked["task_argv"]}
        asked_seed = known["seed"] if seed is None else seed
        same_study.refuse_differences(known, {**asked, "seed": asked_seed}, self._directory / FILE)
        now = {**asked, "seed": known["seed"]}
        if self._study.user_attrs[_DESCRIPTION] != now:
            self._study.set_user_attr(_DESCRIPTION, now)
        return int(known["seed"])

    def _has_reports(self) -> bool:
        """Whether any trial has ended or reported anything: results that others are compared with."""
        trials = self._study.get_trials(deepcopy=False)
        return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)


def _opened(storage: optuna.storages.BaseStorage, goal: Goal) -> optuna.Study:
    with contextlib.suppress(KeyError):
        return optuna.load_study(study_name=NAME, storage=storage)
    directions = optuna.study.StudyDirection
    direction = directions.MINIMIZE if goal is Goal.MINIMIZE else directions.MAXIMIZE
    return optuna.create_study(study_name=NAME, storage=storage, direction=direction)


def _secs(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    return {str(evaluation.step): evaluation.secs for evaluation in evaluations}
