"""The loop of a sweep: begins trials, follows their processes and reports, and enters how each of them ended."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from trainer.job.errors import JobError
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest
from trainer.launch.cluster import supervision
from trainer.launch.study.study import Study
from trainer.launch.sweep import evaluations, limits, tails, trials
from trainer.launch.sweep.console import View, settings
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.journal import Journal, TrialRecord
from trainer.launch.sweep.nursery import Ended, Nursery, Started, WarmProcessError
from trainer.launch.sweep.optimiser import Optimiser, Outcome, Result
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.sweep.progress import Progress, best
from trainer.launch.sweep.trials import Cause, End, Plan, Verdict

_POLL_SECS = 0.1
_TAIL_LINES = 5
_MOST_WARM_PROCESSES = 4


@dataclasses.dataclass(kw_only=True)
class _Running:
    """A trial whose process runs.

    Attributes:
      record: as it stands in the journal.
      plan: what runs.
      reported: what it has told so far.
      began: on the sweep's clock, when this process was started; None until it is there.
      cause: why it was asked to end; None: it was not.
      why: more of that.
      kill_at: on the sweep's clock, when it is killed, because it did not end.
      restarts: how often it was started again.
    """

    record: TrialRecord
    plan: Plan
    reported: Sequence[Evaluation] = ()
    began: float | None = None
    cause: Cause | None = None
    why: str = ""
    kill_at: float | None = None
    restarts: int = 0


class Sweep:
    """The trials of one study under way.

    Args:
      chosen: how they are run.
      study: what is searched.
      task_argv: flags of every trial.
      journal: open; what it has is gone on with.
      optimiser: chooses parameters; knows the trials of the journal, not yet how they ended.
      nurse: starts a warm process.
      view: where it is shown.
      environ: of every trial.
    """

    def __init__(
        self,
        chosen: SweepOptions,
        study: Study,
        task_argv: Sequence[str],
        journal: Journal,
        optimiser: Optimiser,
        nurse: Callable[[], Nursery],
        view: View,
        environ: Mapping[str, str],
    ) -> None:
        self._options, self._study, self._task_argv = chosen, study, task_argv
        self._journal, self._optimiser, self._view, self._environ = journal, optimiser, view, environ
        self._directory = pathlib.Path(chosen.directory).expanduser()
        self._nurse, self._warm_processes = nurse, 0
        self._nursery: Nursery | None = None
        self._started_at = time.monotonic()
        self._running: dict[str, _Running] = {}
        self._stop_reason: str | None = None
        self._exhausted = self._hinted = False
        self._exit_code: int | None = None  # known when no more trials are begun
        records = journal.trials()
        self._interrupted = [record for record in records if record.outcome is None]
        for record in records:
            if record.outcome is not None:
                optimiser.tell(record.number, _result(record))

    def run(self, stop: StopRequest) -> int:
        """Runs trials until the study ends, and returns its exit code."""
        stop.tell(self._hear)
        self._greet()
        while True:
            self._check_limits()
            self._begin_trials()
            if not self._running:
                return self._conclude()
            self._follow_processes()
            self._read_reports()
            self._end_what_is_due()
            self._view.show(self._progress())

    def close(self) -> None:
        """Ends every process."""
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _hear(self, reason: str) -> None:
        self._stop_reason = reason

    def _event(self, text: str) -> None:
        self._view.event(time.monotonic() - self._started_at, text)

    def _progress(self) -> Progress:
        live = {running.record.number: running for running in self._running.values()}
        records = [
            dataclasses.replace(record, evaluations=tuple(live[record.number].reported))
            if record.number in live
            else record
            for record in self._journal.trials()
        ]
        return Progress(study=self._study, trials=records, now=time.time())

    def _greet(self) -> None:
        records = self._journal.trials()
        count = f"{self._study.max_trials} trials, {self._study.max_parallel_trials} at a time"
        self._event(f"{count}, into {self._directory} (seed {self._journal.seed})")
        if records:
            ended = len(records) - len(self._interrupted)
            again = ", ".join(str(record.number) for record in self._interrupted)
            under_way = f"; trial {again} was under way and goes on" if again else ""
            self._event(f"continuing: {ended} of {self._study.max_trials} trials have ended{under_way}")

    # When no more trials are begun

    def _check_limits(self) -> None:
        """Whether the study ends, and with which exit code."""
        if (self._stop_reason or self._view.closed) and self._exit_code != SAVED_EXIT_CODE:
            self._event(f"{self._stop_reason or 'nobody reads this output'}: the trials under way save and end")
            self._exit_code = SAVED_EXIT_CODE
            self._ask_all(Cause.STUDY_ENDS)
        if self._exit_code is not None:
            return
        records = self._journal.trials()
        failed, most = sum(record.outcome is Outcome.FAILED for record in records), limits.most_failures(self._study)
        if failed >= most:
            self._event(f"{failed} trials have failed, of {most} that end the study")
            self._exit_code = 1
            self._ask_all(Cause.STUDY_ENDS)
            return
        reached = limits.reached(self._study, records, time.time())
        if reached is not None:
            self._event(f"the study's limit is reached: {reached}")
            self._exit_code = 0
            assert self._study.study_stopping is not None
            if self._study.study_stopping.should_stop_asap:
                self._ask_all(Cause.HOPELESS, f"the study ended: {reached}")

    def _conclude(self) -> int:
        if self._exit_code is None:
            self._exit_code = 0
        if self._exit_code == 0 and best(self._study, self._journal.trials()) is None:
            self._event("no trial has a result")
            self._exit_code = 1
        return self._exit_code

    # Starting

    def _begin_trials(self) -> None:
        while self._exit_code is None and len(self._running) < self._study.max_parallel_trials:
            record = self._next()
            if record is None:
                return
            plan = trials.plan(
                self._study, record.number, record.assignment, self._task_argv, self._directory, self._environ
            )
            self._running[plan.name] = _Running(record=record, plan=plan)
            self._start(self._running[plan.name])

    def _next(self) -> TrialRecord | None:
        """A trial that was interrupted, else a new one; None when there are no more."""
        if self._interrupted:
            return self._interrupted.pop(0)
        if self._exhausted or len(self._journal.trials()) >= self._study.max_trials:
            return None
        suggestion = self._optimiser.ask()
        if suggestion is None:
            self._exhausted = True
            self._event("every combination has been tried")
            return None
        return self._journal.begin(suggestion)

    def _start(self, running: _Running) -> None:
        if self._nursery is None:
            self._warm_processes += 1
            self._nursery = self._nurse()
        running.began = None
        plan = running.plan
        plan.folder.mkdir(exist_ok=True)
        self._nursery.start(plan.name, plan.argv, plan.environ, plan.log)
        verb = "goes on" if running.restarts else "starts"
        self._event(f"trial {plan.name} {verb}: {settings(self._study, running.record)}")

    # While they run

    def _follow_processes(self) -> None:
        assert self._nursery is not None
        try:
            events = self._nursery.events(_POLL_SECS)
        except WarmProcessError as error:
            self._revive(error)
            return
        for event in events:
            running = self._running[event.name]
            match event:
                case Started():
                    running.began = time.monotonic()
                case Ended(code=code):
                    self._read_report(running)
                    self._follow_end(running, code)

    def _revive(self, error: WarmProcessError) -> None:
        """Starts another warm process in the place of one that died, and the trials that died with it."""
        assert self._nursery is not None
        was_ready = self._nursery.is_ready
        self.close()
        if not was_ready or self._warm_processes >= _MOST_WARM_PROCESSES:
            raise error
        self._event(f"{error.got}: starting it again")
        for running in list(self._running.values()):
            self._read_report(running)
            if running.cause is Cause.STUDY_ENDS:
                del self._running[running.plan.name]
            else:
                running.restarts += 1
                running.cause, running.kill_at = None, None
                self._start(running)

    def _read_reports(self) -> None:
        for running in self._running.values():
            if self._read_report(running) and running.cause is None:
                why = self._optimiser.should_stop(running.record.number, running.reported)
                if why is not None:
                    self._ask(running, Cause.HOPELESS, why)

    def _read_report(self, running: _Running) -> bool:
        """Whether the trial has told anything new."""
        record = running.record
        found = evaluations.read(
            running.plan.metrics, metric=self._study.metric, trial=running.plan.name, started_at=record.started_at
        )
        if len(found) <= len(running.reported):
            return False
        running.reported = found
        self._journal.report(record.number, found)
        return True

    def _end_what_is_due(self) -> None:
        now, limit = time.monotonic(), self._options.trial_timeout_secs
        for running in self._running.values():
            if running.kill_at is not None and now >= running.kill_at and self._nursery is not None:
                self._nursery.destroy(running.plan.name)
            elif running.cause is None and limit is not None and running.began and now - running.began >= limit:
                self._ask(running, Cause.TIMEOUT, f"{limit:g} s")

    def _ask(self, running: _Running, cause: Cause, why: str = "") -> None:
        """Asks a trial to end."""
        running.cause, running.why = cause, why
        running.kill_at = time.monotonic() + self._options.grace
        if self._nursery is not None:
            self._nursery.send(running.plan.name, signal.SIGTERM)

    def _ask_all(self, cause: Cause, why: str = "") -> None:
        for running in self._running.values():
            if running.cause is None or cause is Cause.STUDY_ENDS:
                self._ask(running, cause, why)

    # When one ends

    def _follow_end(self, running: _Running, code: int) -> None:
        tail = tails.last_lines(running.plan.log, _TAIL_LINES)
        end = End(
            code=code,
            reported=running.reported,
            cause=running.cause,
            why=running.why,
            log_tail=tail,
            restarts=running.restarts,
        )
        told = any(record.evaluations or record.outcome for record in self._journal.trials())
        verdict = trials.judge(self._study, end, max_restarts=self._options.max_restarts, nothing_reported_yet=not told)
        match verdict:
            case Result() as result:
                del self._running[running.plan.name]
                self._enter(running, result, tail)
            case Verdict.LEAVE:
                del self._running[running.plan.name]
                self._event(f"trial {running.plan.name} is saved")
            case Verdict.RESTART:
                running.restarts += 1
                self._event(
                    f"trial {running.plan.name} {supervision.described(code)}: "
                    f"restart {running.restarts} of {self._options.max_restarts}"
                )
                self._start(running)
            case Verdict.REFUSE:
                raise _Refused(f"Trial {running.plan.name} ended with 2: {' '.join(tail[-1:]) or 'its log is empty'}")

    def _enter(self, running: _Running, result: Result, tail: Sequence[str]) -> None:
        number = running.record.number
        before = best(self._study, self._journal.trials())
        failed = result.outcome is Outcome.FAILED
        self._journal.finish(number, result, tail if failed else ())
        self._optimiser.tell(number, result)
        value = "" if result.value is None else f", {self._study.metric} {result.value:.4g}"
        now = best(self._study, self._journal.trials())
        praise = " (the best so far)" if now is not None and now != before and now.number == number else ""
        reason = f": {result.reason}" if result.reason else ""
        self._event(f"trial {number} {result.outcome.value}{value}{praise}{reason}")
        self._hint(result)
        if failed:
            for line in (*tail, f"log: {running.plan.log}"):
                if line not in result.reason:
                    self._event(f"    {line}")

    def _hint(self, result: Result) -> None:
        """Says once why no trial can be stopped early, where each reports at its end only."""
        silent = result.outcome is Outcome.DONE and len(result.evaluations) == 1
        if silent and self._study.stopping is not None and not self._hinted:
            self._hinted = True
            self._event(
                "trials report once, at their end, so that none can be stopped early; "
                "--save_checkpoints_steps=100 --min_eval_frequency=0 behind -- makes them report on their way"
            )


class _Refused(JobError):
    """The first trial found that no trial can work."""

    exit_code = supervision.USAGE_EXIT_CODE


def _result(record: TrialRecord) -> Result:
    assert record.outcome is not None
    return Result(outcome=record.outcome, value=record.value, evaluations=record.evaluations, reason=record.reason)
