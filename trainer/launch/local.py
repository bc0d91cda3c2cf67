"""A whole job on this machine: chief, workers, parameter servers and evaluator as processes, watched until the end."""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from trainer.job.cluster import CHIEF
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest, listening
from trainer.launch import machine, members, options, supervision
from trainer.launch.child import Child
from trainer.launch.console import Console, wants_colour
from trainer.launch.members import Member
from trainer.launch.options import ClusterOptions
from trainer.launch.ports import Reservation
from trainer.launch.supervision import Phase, Verdict

_CHIEF = f"{CHIEF}:0"
_MAX_MOVES = 3
_POLL_SECS = 0.05  # a pipe that ends, as it does when its process dies, is noticed earlier
# Python and other servers say the first; of TensorFlow's server the others are seen.
_ADDRESS_IN_USE = re.compile(
    "address already in use|no address added out of|could not start grpc server", re.IGNORECASE
)

Planning = Callable[[Sequence[str]], list[Member]]


def main(argv: Sequence[str]) -> int:
    """Runs the job that `argv` describes and returns the chief's exit code.

    Raises:
      flags.HelpRequested, UsageError: before anything is started.
    """
    chosen, task_argv = options.parse_cluster(argv)
    cores = machine.cores()
    console = Console(sys.stdout, members.names(chosen), colour=wants_colour(sys.stdout, os.environ))
    with listening() as stop:
        return LocalCluster(
            chosen,
            lambda addresses: members.plan(chosen, task_argv, addresses, os.environ, cores),
            console=console,
            rng=random.Random(),
            clock=time.monotonic,
        ).run(stop)


class LocalCluster:
    """The processes of one job.

    Args:
      chosen: how many of each, restarts, patience and faults.
      planning: from addresses to what is started.
      console: where the lines of all go.
      rng: chooses ports.
      clock: seconds that only grow.
    """

    def __init__(
        self,
        chosen: ClusterOptions,
        planning: Planning,
        *,
        console: Console,
        rng: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self._options, self._planning, self._console, self._rng, self._clock = chosen, planning, console, rng, clock
        self._phase = Phase.RUNNING
        self._exit_code: int | None = None  # None: the chief's, when it ends
        self._members: Mapping[str, Member] = {}
        self._children: dict[str, Child] = {}
        self._restarts: dict[str, int] = {}
        self._moves = 0
        self._met_used_address: set[str] = set()
        self._term_at: dict[str, float] = {}
        self._kill_at: dict[str, float] = {}
        self._faults = sorted(chosen.injected, key=lambda fault: fault.at_secs)
        self._stop_reason: str | None = None
        self._started_at = 0.0

    def run(self, stop: StopRequest) -> int:
        """Starts all, returns the job's exit code when all have ended. No process is left, whatever happens here."""
        self._started_at = self._clock()
        stop.tell(self._hear)
        with contextlib.ExitStack() as on_exit:
            self._selector = on_exit.enter_context(selectors.DefaultSelector())
            on_exit.callback(self._destroy_all)
            self._reservation = self._reserve()
            on_exit.callback(lambda: self._reservation.close())
            self._start_all()
            while self._children:
                self._turn()
        return self._conclude()

    def _turn(self) -> None:
        """Passes lines on, handles what has ended, sends signals that are due."""
        for key, _ in self._selector.select(_POLL_SECS):
            self._pass_on(key.data)
        for name in list(self._children):
            child = self._children.get(name)
            code = child.exit_code() if child else None
            if code is not None:
                self._ended(name, code)
        if self._phase is not Phase.STOPPING and (self._stop_reason or self._console.closed):
            self._event(f"{self._stop_reason or 'nobody reads this output'}: ending all processes")
            self._stop(self._interrupted_code())
        self._send_what_is_due()

    def _hear(self, reason: str) -> None:
        self._stop_reason = reason

    def _interrupted_code(self) -> int | None:
        """Where the chief has ended already, what is cut off is the last evaluation."""
        return SAVED_EXIT_CODE if self._phase is Phase.FINISHING or _CHIEF not in self._children else None

    def _conclude(self) -> int:
        code = SAVED_EXIT_CODE if self._exit_code is None else self._exit_code
        for fault in self._faults:
            self._event(f"--kill={fault.text} was not reached")
        self._event(f"the job ended with {code}")
        return code

    # Starting

    def _reserve(self) -> Reservation:
        return Reservation(members.num_addresses(self._options), self._rng)

    def _start_all(self) -> None:
        planned = self._planning(self._reservation.addresses)
        self._members = {member.name: member for member in planned}
        for name in self._members:
            self._start(name, "started")

    def _start(self, name: str, verb: str) -> None:
        member = self._members[name]
        child = Child(member.argv, member.environ, started_at=self._clock())
        self._children[name] = child
        self._selector.register(child, selectors.EVENT_READ, name)
        at = f", {member.address}" if member.address else ""
        self._event(f"{name} {verb} (process {child.pid}{at})")

    def _move(self, name: str) -> None:
        """Starts all again on other ports; the ones that were no good stay reserved until others are found."""
        self._moves += 1
        self._event(f"{name} found {self._members[name].address} in use: starting all again on other ports")
        self._destroy_all()
        self._met_used_address.clear()
        taken, self._reservation = self._reservation, self._reserve()
        taken.close()
        self._start_all()

    # While they run

    def _pass_on(self, name: str) -> None:
        child = self._children[name]
        lines, more = child.read()
        if not more:
            self._selector.unregister(child)
        self._show(name, lines)

    def _show(self, name: str, lines: Sequence[str]) -> None:
        if any(_ADDRESS_IN_USE.search(line) for line in lines):
            self._met_used_address.add(name)
        self._console.lines(name, lines)

    def _event(self, text: str) -> None:
        self._console.event(self._clock() - self._started_at, text)

    # When one ends

    def _ended(self, name: str, code: int) -> None:
        asked_to_end = name in self._kill_at
        child = self._forget(name)
        self._show(name, child.close())
        if self._must_move(name, code):
            self._move(name)
            return
        restarts = self._restarts.get(name, 0)
        verdict = supervision.after_exit(
            self._members[name].role,
            code,
            phase=self._phase,
            asked_to_end=asked_to_end,
            restarts=restarts,
            max_restarts=self._options.max_restarts,
        )
        what = f"{name} {supervision.described(code)} after {self._clock() - child.started_at:.1f} s"
        self._act(verdict, name, code, what)

    def _act(self, verdict: Verdict, name: str, code: int, what: str) -> None:
        match verdict:
            case Verdict.RESTART:
                self._restarts[name] = self._restarts.get(name, 0) + 1
                self._event(f"{what}: restart {self._restarts[name]} of {self._options.max_restarts}")
                self._start(name, "restarted")
            case Verdict.FINISH:
                self._event(f"{what}: training is done")
                self._finish()
            case Verdict.STOP:
                tail = "" if code == supervision.USAGE_EXIT_CODE or name == _CHIEF else ", for good"
                self._event(f"{what}{tail}: ending the job")
                self._stop(code)
            case Verdict.LEAVE:
                self._event(what)
                if name == _CHIEF:
                    self._chief_left(code)

    def _must_move(self, name: str, code: int) -> bool:
        fresh = self._phase is Phase.RUNNING and not self._restarts and self._moves < _MAX_MOVES
        return fresh and code != 0 and name in self._met_used_address

    def _forget(self, name: str) -> Child:
        child = self._children.pop(name)
        with contextlib.suppress(KeyError):
            self._selector.unregister(child)
        self._kill_at.pop(name, None)
        return child

    # Ending

    def _finish(self) -> None:
        """The chief ended with 0. Whoever is left gets the time that its role needs."""
        self._phase, self._exit_code = Phase.FINISHING, 0
        for name, member in self._members.items():
            self._term_at[name] = self._clock() + supervision.patience_secs(
                member.role,
                has_ps=self._options.ps > 0,
                last_evaluation_secs=self._options.last_evaluation_secs,
            )

    def _stop(self, code: int | None) -> None:
        """Ends all. The chief goes first, and until it has ended it may need the others to save."""
        self._phase, self._exit_code = Phase.STOPPING, code
        now = self._clock()
        later = now + self._options.grace if _CHIEF in self._children else now
        for name in self._members:
            is_first = name == _CHIEF or members.is_evaluator(name)
            self._term_at[name] = now if is_first else later

    def _chief_left(self, code: int) -> None:
        if self._exit_code is None:
            self._exit_code = code
        for name in self._term_at:
            self._term_at[name] = self._clock()

    def _send_what_is_due(self) -> None:
        now = self._clock()
        for name, child in list(self._children.items()):
            if now >= self._kill_at.get(name, math.inf):
                self._event(f"{name} is still there {self._options.grace:g} s after SIGTERM: SIGKILL")
                self._kill_at[name] = math.inf
                child.destroy()
            elif now >= self._term_at.get(name, math.inf) and name not in self._kill_at:
                self._end(name, child)
        self._inject(now - self._started_at)

    def _end(self, name: str, child: Child) -> None:
        if self._phase is Phase.FINISHING and members.is_evaluator(name):
            self._event(f"{name} has not ended {self._options.last_evaluation_secs:g} s after training: SIGTERM")
        self._kill_at[name] = self._clock() + self._options.grace
        child.send(signal.SIGTERM)

    def _inject(self, secs: float) -> None:
        for fault in list(self._faults):
            if secs >= fault.at_secs and fault.name in self._children:
                self._faults.remove(fault)
                self._event(f"{fault.name} gets {fault.signal.name} (--kill={fault.text})")
                self._children[fault.name].send(fault.signal)

    def _destroy_all(self) -> None:
        for name in list(self._children):
            child = self._forget(name)
            child.destroy()
            self._show(name, child.close())
