"""A whole job on this machine: chief, workers, parameter servers and evaluator as processes, watched until the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence

from trainer.job import early_flags
from trainer.job.cluster import CHIEF, EVALUATOR
from trainer.job.config import LogFormat
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest, listening
from trainer.launch import machine
from trainer.launch.cluster import options, supervision, tasks
from trainer.launch.cluster.options import ClusterOptions
from trainer.launch.cluster.ports import Reservation
from trainer.launch.cluster.processes import Processes, Slot
from trainer.launch.cluster.supervision import Decision, Phase
from trainer.launch.cluster.tasks import Task
from trainer.launch.console import Console, JsonConsole, wants_colour

_MAX_MOVES = 3
_POLL_SECS = 0.05  # a pipe that ends, as it does when its process dies, is noticed earlier

Planning = Callable[[Sequence[str]], list[Task]]
Clock = Callable[[], float]


def main(argv: Sequence[str]) -> int:
    """Runs the job that `argv` describes and returns its exit code, which is the chief's.

    Raises:
      flags.HelpRequested, UsageError: before anything is started.
    """
    chosen, task_argv = options.parse(argv)
    cores = machine.cores()
    console = _console(chosen, task_argv)

    def planning(addresses: Sequence[str]) -> list[Task]:
        return tasks.plan(chosen, task_argv, addresses, os.environ, cores)

    with listening() as stop, LocalCluster(chosen, planning, console, random.Random(), time.monotonic) as job:
        return job.run(stop)


def _console(chosen: ClusterOptions, task_argv: Sequence[str]) -> Console:
    """Shows lines as the task writes them: as texts, or as JSON objects."""
    if early_flags.value(task_argv, "log_format") == LogFormat.JSON.value:
        return JsonConsole(sys.stdout, tasks.names(chosen))
    return Console(sys.stdout, tasks.names(chosen), colour=wants_colour(sys.stdout, os.environ))


class LocalCluster(contextlib.ExitStack):
    """One job on this machine. When it is closed, none of its processes is left, whatever happened.

    Args:
      chosen: how many of each, restarts, time to end and faults.
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
        started_at = clock()
        self._options, self._planning, self._console, self._rng = chosen, planning, console, rng
        self._secs: Clock = lambda: clock() - started_at
        self._phase = Phase.RUNNING
        self._exit_code: int | None = None  # None: the chief's, when it ends
        self._faults = sorted(chosen.injected, key=lambda fault: fault.at_secs)
        self._moves = self._requests = 0
        self._reservation = Reservation(tasks.num_addresses(chosen), rng)
        self.callback(lambda: self._reservation.close())
        self._processes = self.enter_context(contextlib.closing(Processes(console, self._secs)))

    def run(self, stop: StopRequest) -> int:
        """Starts all, and returns the job's exit code when all have ended."""
        stop.tell(lambda reason: None)  # the loop looks
        self._start_all()
        while self._processes.are_running:
            self._processes.show_lines(_POLL_SECS)
            self._handle_ends()
            self._handle_stop_request(stop)
            self._send_due_signals()
            self._inject_faults()
        for fault in self._faults:
            self._event(f"--kill={fault.text}: the job ended before")
        code = SAVED_EXIT_CODE if self._exit_code is None else self._exit_code
        self._event(f"the job ended with {code}")
        return code

    def _event(self, text: str) -> None:
        self._console.event(self._secs(), text)

    def _start_all(self) -> None:
        self._processes.slots = [Slot(task=task) for task in self._planning(self._reservation.addresses)]
        for slot in self._processes.slots:
            self._start(slot, "started")

    def _start(self, slot: Slot, verb: str) -> None:
        pid = self._processes.start(slot)
        at = f", {slot.task.address}" if slot.task.address else ""
        self._event(f"{slot.name} {verb} (process {pid}{at})")

    def _move(self, slot: Slot) -> None:
        """Starts all again on other ports; the ports that were in use stay reserved until others are found."""
        self._moves += 1
        self._event(f"{slot.name} found {slot.task.address} in use: restarting all on other ports")
        self._processes.destroy()
        taken, self._reservation = self._reservation, Reservation(tasks.num_addresses(self._options), self._rng)
        taken.close()
        self._start_all()

    def _handle_stop_request(self, stop: StopRequest) -> None:
        """The launcher was asked to end, or the reader of its output is gone."""
        if stop.requests > self._requests and self._phase is Phase.STOPPING:
            secs = _last_end(self._processes.slots, self._options.grace) - self._secs()
            self._event(f"processes are saving, for {secs:.0f} s more at most; kill -9 {os.getpid()} would not wait")
        self._requests = stop.requests
        if self._phase is Phase.STOPPING or not (stop.reason or self._console.closed):
            return
        self._event(f"{stop.reason or 'nobody reads this output any longer'}: ending all processes")
        # Where the chief has ended with 0 already, it is the last evaluation that is cut off.
        self._stop(SAVED_EXIT_CODE if self._phase is Phase.FINISHING else None)

    def _inject_faults(self) -> None:
        children = {slot.name: slot.child for slot in self._processes.slots}
        for fault in list(self._faults):
            child = children[fault.name]
            if self._secs() >= fault.at_secs and child:
                self._faults.remove(fault)
                self._event(f"{fault.name} gets {fault.signal.name} (--kill={fault.text})")
                child.send(fault.signal)

    def _handle_ends(self) -> None:
        for slot, code, secs in self._processes.ended():
            fresh = self._phase is Phase.RUNNING and not any(other.restarts for other in self._processes.slots)
            if slot.address_in_use and code != 0 and fresh and self._moves < _MAX_MOVES:
                self._move(slot)
                return
            self._handle_end(slot, code, f"{slot.name} {supervision.described(code)} after {secs:.1f} s")

    def _handle_end(self, slot: Slot, code: int, what: str) -> None:
        match supervision.classify_exit(
            slot.role,
            code,
            phase=self._phase,
            asked_to_end=slot.kill_at is not None,
            restarts=slot.restarts,
            max_restarts=self._options.max_restarts,
        ):
            case Decision.RESTART:
                slot.restarts += 1
                self._event(f"{what}: restart {slot.restarts} of {self._options.max_restarts}")
                self._start(slot, "restarted")
            case Decision.FINISH:
                self._event(f"{what}: training is done")
                self._finish()
            case Decision.STOP:
                self._event(f"{what}: ending the job")
                self._stop(code)
            case Decision.CONTINUE:
                self._event(what)
                if slot.role == CHIEF:
                    self._exit_code = code if self._exit_code is None else self._exit_code
                    self._end_at(lambda role: self._secs())

    def _finish(self) -> None:
        """The chief ended with 0. The others get the time that their roles need."""
        self._phase, self._exit_code = Phase.FINISHING, 0
        has_ps, last = self._options.ps > 0, self._options.last_evaluation_secs
        self._end_at(lambda role: self._secs() + supervision.grace_secs(role, has_ps=has_ps, last_evaluation_secs=last))

    def _stop(self, code: int | None) -> None:
        """Ends all. The chief is first, and until it has ended it may need the others to save."""
        self._phase, self._exit_code = Phase.STOPPING, code
        later = self._secs() + (self._options.grace if self._processes.slots[0].child else 0)
        self._end_at(lambda role: self._secs() if role in (CHIEF, EVALUATOR) else later)

    def _end_at(self, secs_of_role: Callable[[str], float]) -> None:
        for slot in self._processes.slots:
            slot.term_at = secs_of_role(slot.role)

    def _send_due_signals(self) -> None:
        """SIGTERM when a process is to end, and SIGKILL where it has not ended within the grace."""
        grace = self._options.grace
        for slot in self._processes.slots:
            if slot.child and slot.kill_at is None and self._secs() >= slot.term_at:
                if self._phase is Phase.FINISHING and slot.role == EVALUATOR:
                    secs = self._options.last_evaluation_secs
                    self._event(f"{slot.name} is still running {secs:g} s after training: SIGTERM")
                slot.kill_at = self._secs() + grace
                slot.child.send(signal.SIGTERM)
            elif slot.child and slot.kill_at is not None and self._secs() >= slot.kill_at:
                self._event(f"{slot.name} is still running {grace:g} s after SIGTERM: SIGKILL")
                slot.child.destroy()


def _last_end(slots: Sequence[Slot], grace: float) -> float:
    """When the last process that runs is killed, if none ends by itself; it has had SIGTERM so many seconds before."""
    ends = [slot.term_at + grace if slot.kill_at is None else slot.kill_at for slot in slots if slot.child]
    return max(ends, default=0.0)
