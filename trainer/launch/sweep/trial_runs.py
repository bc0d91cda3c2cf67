"""The trials under way: their processes, what each has reported, and the requests to end them."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from trainer.launch.sweep import tails
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.sweep.trial_records import TrialRecord
from trainer.launch.sweep.trials import Cause, Exit, Plan
from trainer.launch.sweep.warm_pool import Ended, ForkServerError, Started, TrialProcesses

_POLL_SECS = 0.1
_MOST_FORK_SERVERS = 4


@dataclasses.dataclass(kw_only=True)
class TrialRun:
    """A trial whose process runs.

    Attributes:
      record: as it stood in the journal when the process was started.
      plan: what runs.
      reported: its evaluations so far.
      began: when this process started, on the monotonic clock; None until it has.
      cause: why it was asked to end; None: it was not.
      why: more of that, for people.
      kill_at: when it is killed because it did not end, on the monotonic clock.
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

    def exited(self, code: int, log_tail: Sequence[str]) -> Exit:
        """How its process ended: with `code`, after the lines `log_tail`."""
        return Exit(
            code=code,
            reported=self.reported,
            cause=self.cause,
            why=self.why,
            log_tail=log_tail,
            restarts=self.restarts,
        )


class TrialRuns:
    """Starts and ends the processes of trials, through a fork server that is started with the first of them.

    Args:
      options: time limits.
      open_processes: starts a fork server.
    """

    def __init__(self, options: SweepOptions, open_processes: Callable[[], TrialProcesses]) -> None:
        self._options, self._open_processes = options, open_processes
        self._processes: TrialProcesses | None = None
        self._fork_servers = 0
        self._runs: dict[str, TrialRun] = {}

    def __iter__(self) -> Iterator[TrialRun]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def with_reports(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """The records, where those of running trials have all that was reported, with the seconds, and their step."""
        running = {run.record.number: run for run in self}
        return [
            dataclasses.replace(
                record,
                evaluations=tuple(running[record.number].reported),
                step=tails.last_step(running[record.number].plan.log),
            )
            if record.number in running
            else record
            for record in records
        ]

    def start(self, run: TrialRun) -> None:
        """Starts its process, for the first time or again."""
        if self._processes is None:
            self._fork_servers += 1
            self._processes = self._open_processes()
        self._runs[run.plan.name] = run
        run.began = None
        run.plan.folder.mkdir(exist_ok=True)
        self._processes.start(run.plan.name, run.plan.argv, run.plan.environ, run.plan.log)

    def remove(self, run: TrialRun) -> None:
        """Its process has ended, and is not started again."""
        del self._runs[run.plan.name]

    def wait(self) -> list[tuple[TrialRun, int]]:
        """Waits a little for processes to end; returns those that have, with their exit codes.

        Raises:
          ForkServerError: the fork server has ended, and all processes with it; see `recover`.
        """
        assert self._processes is not None
        ended = []
        for event in self._processes.events(_POLL_SECS):
            match event:
                case Started(name=name):
                    self._runs[name].began = time.monotonic()
                case Ended(name=name, code=code):
                    ended.append((self._runs[name], code))
        return ended

    def recover(self, error: ForkServerError) -> None:
        """Starts another fork server in the place of one that died, and the trials that died with it.

        Trials that were asked to end because the study ends are left as they are.

        Raises:
          ForkServerError: `error`, where the fork server never worked or dies again and again.
        """
        assert self._processes is not None
        was_ready = self._processes.is_ready
        self.close()
        if not was_ready or self._fork_servers >= _MOST_FORK_SERVERS:
            raise error
        for run in self:
            if run.cause is Cause.STUDY_ENDS:
                self.remove(run)
            else:
                run.restarts += 1
                run.cause, run.kill_at = None, None
                self.start(run)

    def request_end(self, run: TrialRun, cause: Cause, why: str = "") -> None:
        """Asks a trial to save its state and end; it is killed where it takes too long.

        Args:
          run: of the trial.
          cause: decides what its end means.
          why: more of that, for people.
        """
        run.cause, run.why = cause, why
        run.kill_at = time.monotonic() + self._options.grace
        if self._processes is not None:
            self._processes.send(run.plan.name, signal.SIGTERM)

    def request_end_of_all(self, cause: Cause, why: str = "") -> None:
        """Asks all of them, those that were asked already only where the study ends."""
        for run in self:
            if run.cause is None or cause is Cause.STUDY_ENDS:
                self.request_end(run, cause, why)

    def end_overdue(self) -> None:
        """Asks trials to end whose time is up, and kills those that were asked and have not ended."""
        now, limit = time.monotonic(), self._options.trial_timeout_secs
        for run in self:
            if run.kill_at is not None and now >= run.kill_at and self._processes is not None:
                self._processes.kill(run.plan.name)
            elif run.cause is None and limit is not None and run.began and now - run.began >= limit:
                self.request_end(run, Cause.TIMEOUT, f"{limit:g} s")

    def close(self) -> None:
        """Ends every process."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None
