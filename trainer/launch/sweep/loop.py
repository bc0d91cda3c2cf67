"""The loop of a sweep: starts trials, follows their processes and reports, and enters how each of them ended."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from trainer.job.errors import JobError
from trainer.job.signals import StopRequest
from trainer.launch.cluster import supervision
from trainer.launch.study.study import Study
from trainer.launch.sweep import evaluations, tails, trials
from trainer.launch.sweep.console import View
from trainer.launch.sweep.ending import Ending
from trainer.launch.sweep.journal import Journal
from trainer.launch.sweep.narration import Narration
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.sweep.progress import Progress, best
from trainer.launch.sweep.trial_records import Outcome, Result, TrialRecord
from trainer.launch.sweep.trial_runs import TrialRun, TrialRuns
from trainer.launch.sweep.trials import Cause, ExitAction
from trainer.launch.sweep.warm_pool import ForkServerError, TrialProcesses

_TAIL_LINES = 5


class Sweep:
    """The trials of one study under way.

    Args:
      options: how they are run.
      study: what is searched.
      task_argv: flags of every trial.
      journal: open; the study continues with what it has.
      open_processes: starts a fork server.
      view: where the study is shown.
      environ: of every trial.
    """

    def __init__(
        self,
        options: SweepOptions,
        study: Study,
        task_argv: Sequence[str],
        journal: Journal,
        open_processes: Callable[[], TrialProcesses],
        view: View,
        environ: Mapping[str, str],
    ) -> None:
        self._options, self._study, self._task_argv = options, study, task_argv
        self._journal, self._view, self._environ = journal, view, environ
        self._directory = pathlib.Path(options.directory).expanduser()
        self._runs = TrialRuns(options, open_processes)
        self._narration = Narration(study, view, options.max_restarts)
        self._interrupted = [record.number for record in journal.trials() if record.outcome is None]
        self._exhausted = False
        self._ending = Ending(study, self._runs, self._narration)

    def run(self, stop: StopRequest) -> int:
        """Runs trials until the study ends, and returns its exit code."""
        stop.tell(self._ending.request)
        self._narration.greeting(self._directory, self._journal.seed, self._journal.trials())
        while True:
            if self._view.closed:
                self._ending.request("nobody reads this output")
            self._ending.repeated(stop.requests, self._options.grace)
            self._ending.check(self._journal.trials())
            self._start_trials()
            if not self._runs:
                return self._ending.exit_code(self._journal.trials())
            self._follow_processes()
            self._read_reports()
            self._runs.end_overdue()
            records = self._runs.with_reports(self._journal.trials())
            self._view.show(Progress(study=self._study, trials=records, now=time.time()))

    def close(self) -> None:
        """Ends every process."""
        self._runs.close()

    def _start_trials(self) -> None:
        while not self._ending.is_decided and len(self._runs) < self._study.max_parallel_trials:
            record = self._next()
            if record is None:
                return
            plan = trials.plan(
                self._study, record.number, record.assignment, self._task_argv, self._directory, self._environ
            )
            run = TrialRun(record=record, plan=plan)
            self._runs.start(run)
            self._narration.start(run)

    def _next(self) -> TrialRecord | None:
        """A trial that was interrupted, else a new one; None when there are no more."""
        if self._interrupted:
            return self._journal.resume(self._interrupted.pop(0))
        if self._exhausted or len(self._journal.trials()) >= self._study.max_trials:
            return None
        record = self._journal.ask()
        if record is None:
            self._exhausted = True
            self._narration.say("every combination has been tried")
        return record

    def _follow_processes(self) -> None:
        try:
            ended = self._runs.wait()
        except ForkServerError as error:
            self._read_reports()
            self._runs.recover(error)
            self._narration.say(f"{error.got}: starting it again")
            for run in self._runs:
                self._narration.start(run)
            return
        for run, code in ended:
            self._read_report(run)
            self._follow_exit(run, code)

    def _read_reports(self) -> None:
        for run in self._runs:
            if self._read_report(run) and run.cause is None:
                reason = self._journal.reason_to_prune(run.record.number)
                if reason is not None:
                    self._runs.request_end(run, Cause.PRUNED, reason)

    def _read_report(self, run: TrialRun) -> bool:
        """Whether the trial has reported anything new."""
        reported = evaluations.read(
            run.plan.metrics, metric=self._study.metric, trial=run.plan.name, started_at=run.record.started_at
        )
        if len(reported) <= len(run.reported):
            return False
        run.reported = reported
        self._journal.report(run.record.number, reported)
        return True

    def _follow_exit(self, run: TrialRun, code: int) -> None:
        log_tail = tails.last_lines(run.plan.log, _TAIL_LINES)
        nothing_yet = not any(record.evaluations or record.outcome for record in self._journal.trials())
        action = trials.classify_exit(
            self._study,
            run.exited(code, log_tail),
            max_restarts=self._options.max_restarts,
            nothing_reported_yet=nothing_yet,
        )
        match action:
            case Result() as result:
                self._enter(run, result, code, log_tail)
            case ExitAction.SUSPEND:
                self._runs.remove(run)
                self._narration.say(f"trial {run.plan.name} is saved")
            case ExitAction.RESTART:
                run.restarts += 1
                self._narration.restart(run, code)
                self._runs.start(run)
                self._narration.start(run)
            case ExitAction.REFUSE:
                raise _RefusedError(f"Trial {run.plan.name} ended with 2: {log_tail[-1] if log_tail else 'no output'}")

    def _enter(self, run: TrialRun, result: Result, code: int, log_tail: Sequence[str]) -> None:
        """Writes the result of a trial to the journal, and says it.

        Args:
          run: of the trial.
          result: of it.
          code: with which its process ended.
          log_tail: the last lines of its log.
        """
        number = run.record.number
        self._runs.remove(run)
        failed = result.outcome is Outcome.FAILED
        self._journal.tell(number, result, exit_code=code, log_tail=log_tail if failed else ())
        leader = best(self._study, self._journal.trials())
        self._narration.result(run, result, log_tail, is_best=leader is not None and leader.number == number)


class _RefusedError(JobError):
    """The first trial found that no trial can work."""

    exit_code = supervision.USAGE_EXIT_CODE
