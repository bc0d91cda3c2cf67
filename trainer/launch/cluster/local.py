"""A whole job on this machine: chief, workers, parameter servers and evaluator as processes, watched until the end."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import re
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence

from trainer.job.cluster import CHIEF, EVALUATOR
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest, listening
from trainer.launch import machine
from trainer.launch.cluster import options, supervision, tasks
from trainer.launch.cluster.child import Child
from trainer.launch.cluster.options import ClusterOptions
from trainer.launch.cluster.ports import Reservation
from trainer.launch.cluster.supervision import Phase, Verdict
from trainer.launch.cluster.tasks import Task
from trainer.launch.console import Console, wants_colour

_MAX_MOVES = 3
_POLL_SECS = 0.05  # a pipe that ends, as it does when its process dies, is noticed earlier
# Python and other servers say the first; of TensorFlow's server the others are seen.
_ADDRESS_IN_USE = re.compile(
    "address already in use|no address added out of|could not start grpc server", re.IGNORECASE
)

Planning = Callable[[Sequence[str]], list[Task]]
Clock = Callable[[], float]


def main(argv: Sequence[str]) -> int:
    """Runs the job that `argv` describes and returns its exit code, which is the chief's.

    Raises:
      flags.HelpRequested, UsageError: before anything is started.
    """
    chosen, task_argv = options.parse(argv)
    cores = machine.cores()
    console = Console(sys.stdout, tasks.names(chosen), colour=wants_colour(sys.stdout, os.environ))

    def planning(addresses: Sequence[str]) -> list[Task]:
        return tasks.plan(chosen, task_argv, addresses, os.environ, cores)

    with listening() as stop, LocalCluster(chosen, planning, console, random.Random(), time.monotonic) as job:
        return job.run(stop)


@dataclasses.dataclass(kw_only=True)
class _Place:
    """One process's place in the job, which its restarts take over.

    Attributes:
      task: what to start there.
      child: the process that is there now; None when it has ended.
      restarts: how often one was started again.
      address_in_use: whether the process there said so.
      term_at: on the job's clock, when the process is asked to end.
      kill_at: when it is killed, because it did not; None until it was asked.
    """

    task: Task
    child: Child | None = None
    restarts: int = 0
    address_in_use: bool = False
    term_at: float = math.inf
    kill_at: float | None = None

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def role(self) -> str:
        return self.task.role


class LocalCluster(contextlib.ExitStack):
    """The processes of one job. When it is closed, none of them is left, whatever happened.

    Args:
      chosen: how many of each, restarts, patience and faults.
      planning: from addresses to what is started, the chief first.
      console: where the lines of all go.
      rng: chooses ports.
      clock: seconds that only grow.

    Raises:
      JobError: there are not enough free ports.
    """

    def __init__(
        self, chosen: ClusterOptions, planning: Planning, console: Console, rng: random.Random, clock: Clock
    ) -> None:
        super().__init__()
        self._options, self._planning, self._console, self._rng, self._clock = chosen, planning, console, rng, clock
        self._phase = Phase.RUNNING
        self._exit_code: int | None = None  # None: the chief's, when it ends
        self._stop_reason: str | None = None
        self._faults = sorted(chosen.injected, key=lambda fault: fault.at_secs)
        self._places: list[_Place] = []
        self._moves = 0
        self._started_at = clock()
        self._selector = self.enter_context(selectors.DefaultSelector())
        self._reservation = self._reserve()
        self.callback(lambda: self._reservation.close())
        self.callback(self._destroy_all)

    def run(self, stop: StopRequest) -> int:
        """Starts all, and returns the job's exit code when all have ended."""
        stop.tell(self._hear)
        self._start_all()
        while any(place.child for place in self._places):
            self._pass_lines_on(_POLL_SECS)
            self._notice_ends()
            self._notice_requests()
            self._send_what_is_due()
            self._inject_faults()
        return self._conclude()

    @property
    def _chief(self) -> _Place:
        return self._places[0]

    @property
    def _secs(self) -> float:
        """Since the start of the job."""
        return self._clock() - self._started_at

    def _hear(self, reason: str) -> None:
        self._stop_reason = reason

    def _event(self, text: str) -> None:
        self._console.event(self._secs, text)

    def _conclude(self) -> int:
        code = SAVED_EXIT_CODE if self._exit_code is None else self._exit_code
        for fault in self._faults:
            self._event(f"--kill={fault.text} was not reached")
        self._event(f"the job ended with {code}")
        return code

    # Starting

    def _reserve(self) -> Reservation:
        return Reservation(tasks.num_addresses(self._options), self._rng)

    def _start_all(self) -> None:
        self._places = [_Place(task=task) for task in self._planning(self._reservation.addresses)]
        for place in self._places:
            self._start(place, "started")

    def _start(self, place: _Place, verb: str) -> None:
        place.child = Child(place.task.argv, place.task.environ, started_at=self._clock())
        self._selector.register(place.child, selectors.EVENT_READ, place)
        at = f", {place.task.address}" if place.task.address else ""
        self._event(f"{place.name} {verb} (process {place.child.pid}{at})")

    def _move(self, place: _Place) -> None:
        """Starts all again on other ports; those that were no good stay reserved until others are found."""
        self._moves += 1
        self._event(f"{place.name} found {place.task.address} in use: starting all again on other ports")
        self._destroy_all()
        taken, self._reservation = self._reservation, self._reserve()
        taken.close()
        self._start_all()

    # While they run

    def _pass_lines_on(self, wait_secs: float) -> None:
        for key, _ in self._selector.select(wait_secs):
            place: _Place = key.data
            assert place.child is not None
            lines, more = place.child.read()
            if not more:
                self._selector.unregister(place.child)
            self._show(place, lines)

    def _show(self, place: _Place, lines: Sequence[str]) -> None:
        place.address_in_use = place.address_in_use or any(map(_ADDRESS_IN_USE.search, lines))
        self._console.lines(place.name, lines)

    def _notice_requests(self) -> None:
        """Somebody asked the launcher to end, or went away."""
        if self._phase is Phase.STOPPING or not (self._stop_reason or self._console.closed):
            return
        self._event(f"{self._stop_reason or 'nobody reads this output'}: ending all processes")
        # Where the chief has ended with 0 already, it is the last evaluation that is cut off.
        self._stop(SAVED_EXIT_CODE if self._phase is Phase.FINISHING else None)

    def _inject_faults(self) -> None:
        places = {place.name: place.child for place in self._places}
        for fault in list(self._faults):
            child = places[fault.name]
            if self._secs >= fault.at_secs and child:
                self._faults.remove(fault)
                self._event(f"{fault.name} gets {fault.signal.name} (--kill={fault.text})")
                child.send(fault.signal)

    # When one ends

    def _notice_ends(self) -> None:
        for place in self._places:
            code = place.child.exit_code() if place.child else None
            if place.child and code is not None:
                secs = self._clock() - place.child.started_at
                self._clear(place)
                if self._must_move(place, code):
                    self._move(place)
                    return
                self._follow(place, code, f"{place.name} {supervision.described(code)} after {secs:.1f} s")

    def _clear(self, place: _Place) -> None:
        """Makes room where a process has ended, once its last lines are shown."""
        assert place.child is not None
        child, place.child = place.child, None
        with contextlib.suppress(KeyError):
            self._selector.unregister(child)
        self._show(place, child.close())

    def _must_move(self, place: _Place, code: int) -> bool:
        fresh = self._phase is Phase.RUNNING and not any(other.restarts for other in self._places)
        return place.address_in_use and code != 0 and fresh and self._moves < _MAX_MOVES

    def _follow(self, place: _Place, code: int, what: str) -> None:
        """Does what follows from the end of one process."""
        match supervision.after_exit(
            place.role,
            code,
            phase=self._phase,
            asked_to_end=place.kill_at is not None,
            restarts=place.restarts,
            max_restarts=self._options.max_restarts,
        ):
            case Verdict.RESTART:
                place.restarts += 1
                self._event(f"{what}: restart {place.restarts} of {self._options.max_restarts}")
                self._start(place, "restarted")
            case Verdict.FINISH:
                self._event(f"{what}: training is done")
                self._finish()
            case Verdict.STOP:
                self._event(f"{what}: ending the job")
                self._stop(code)
            case Verdict.LEAVE:
                self._event(what)
                if place is self._chief:
                    self._let_all_end(code)

    # Ending

    def _finish(self) -> None:
        """The chief ended with 0. Whoever is left gets the time that its role needs."""
        self._phase, self._exit_code = Phase.FINISHING, 0
        for place in self._places:
            place.term_at = self._secs + supervision.patience_secs(
                place.role,
                has_ps=self._options.ps > 0,
                last_evaluation_secs=self._options.last_evaluation_secs,
            )

    def _stop(self, code: int | None) -> None:
        """Ends all. The chief goes first, and until it has ended it may need the others to save."""
        self._phase, self._exit_code = Phase.STOPPING, code
        later = self._secs + (self._options.grace if self._chief.child else 0)
        for place in self._places:
            place.term_at = self._secs if place.role in (CHIEF, EVALUATOR) else later

    def _let_all_end(self, chief_code: int) -> None:
        if self._exit_code is None:
            self._exit_code = chief_code
        for place in self._places:
            place.term_at = self._secs

    def _send_what_is_due(self) -> None:
        for place in self._places:
            if place.child and place.kill_at is None and self._secs >= place.term_at:
                if self._phase is Phase.FINISHING and place.role == EVALUATOR:
                    self._event(
                        f"{place.name} goes on {self._options.last_evaluation_secs:g} s after training: SIGTERM"
                    )
                place.kill_at = self._secs + self._options.grace
                place.child.send(signal.SIGTERM)
            elif place.child and place.kill_at is not None and self._secs >= place.kill_at:
                self._event(f"{place.name} is still there {self._options.grace:g} s after SIGTERM: SIGKILL")
                place.child.destroy()

    def _destroy_all(self) -> None:
        for place in self._places:
            if place.child:
                place.child.destroy()
                self._clear(place)
