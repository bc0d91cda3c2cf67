"""Says which process, phase and peer a job waits for, when nothing has happened for some time.

A thread looks at the process from outside, now and then, so a step costs nothing: it compares the number of device
calls, and outside of them the place in the code where the process is. It asks the other processes by the first words of
HTTP/2, which a gRPC server answers by itself and a process that is stopped does not. It only speaks: whether a job that
waits is worth more than one that starts again is for whoever runs it to say.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from types import FrameType
from typing import Any

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.job import hosts
from trainer.job.cluster import EVALUATOR, Cluster
from trainer.job.stall import News, Patience

_log = logging.getLogger("trainer")

_LONGEST_LOOK_SECS = 30.0
_LOOKS = 5  # in the time after which a stall is said
_CALLS = "in a device call"
# By the beginning of a module's name, what a process does in it; of several frames the innermost counts.
_PHASES = {
    "trainer.estimator.steps.input.batches": "waiting for the next batch of the input function",
    "trainer.estimator.steps.inner.iterated_steps": f"{_CALLS}, or waiting for its next batch of the input function",
    "trainer.estimator.distribution.sync": "waiting for the other processes that train in step",
    "trainer.estimator.distribution.collectives": "waiting for the other processes that train in step",
    "trainer.estimator.distribution.ps.servers": "waiting for the other processes to start",
    "trainer.estimator.distribution.ps": "waiting for steps of the workers",
    "trainer.estimator.steps.compiling.xla": "compiling with XLA",
    "trainer.estimator.steps.inner.stacked_steps": _CALLS,
    "trainer.estimator.steps.outer.saves": "saving a checkpoint",
    "trainer.estimator.evaluation.evaluator": "waiting for a checkpoint to evaluate",
    "trainer.estimator.evaluation.exporters": "exporting",
    "trainer.estimator.evaluation.best_exporter": "exporting",
    "trainer.estimator.evaluation": "evaluating",
    "trainer.estimator.graph": "tracing the model function",
    "trainer.storage": "waiting for the disk or the bucket",
    "trainer.formats": "reading data",
    "trainer.closing": "writing the summary",
}
_IDLE = frozenset({"trainer.estimator.evaluation.evaluator"})
"""Where a process may wait as long as it likes."""
_BY_CALLS = ("trainer.estimator.steps", "trainer.estimator.distribution")
"""Where the number of device calls tells whether it gets on: its place in the code changes while it waits."""


class StallWatch(TrainingHook):
    """Watches the thread that makes it, as a hook of the training, from `start` to `close`.

    Args:
      timeout_secs: without any progress, after which it speaks; 0 for never.
      cluster: all processes of the job, and which of them this is.
      clock: seconds.
    """

    every_n_steps = None

    def __init__(self, timeout_secs: float, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout, self._clock, self._name = timeout_secs, clock, _name_of(cluster)
        self._look_secs = min(max(timeout_secs / _LOOKS, 0.1), _LONGEST_LOOK_SECS)
        self._watched, self._calls, self._ended = threading.get_ident(), 0, threading.Event()
        self._peers = Peers(cluster, self._look_secs)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        """Counts a device call."""
        self._calls += 1

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watches the thread that enters this, until it leaves."""
        if self._timeout > 0:
            threading.Thread(target=self._watch, name="stall watch", daemon=True).start()
        try:
            yield
        finally:
            self._ended.set()

    @contextlib.contextmanager
    def naming_peers(self) -> Iterator[None]:
        """Where a peer is lost within it, says which of them do not answer."""
        try:
            yield
        except PeerLostError:
            if words := self._peers.told(only_missing=True):
                _log.warning("%s", words)
            raise

    def _watch(self) -> None:
        patience = Patience(self._timeout, self._look_secs)
        while not self._ended.wait(self._look_secs):
            module, mark = self._seen()
            if module not in _IDLE:
                self._say(patience, module, mark)
            for line in self._peers.changes(self._clock()):
                _log.warning("%s", line)

    def _say(self, patience: Patience, module: str, mark: Hashable) -> None:
        verdict = patience.look(self._clock(), mark)
        match verdict.news:
            case News.STALLED:
                line = f"No progress for {verdict.secs:.0f} s: {self._name} is {_PHASES.get(module, 'starting')}."
                _log.warning("%s", " ".join(filter(None, [line, self._peers.told()])))
            case News.RESUMED:
                _log.warning("%s gets on again after %.0f s.", self._name, verdict.secs)
            case News.PAUSED:
                _log.warning("%s was stopped for %.0f s, or its machine slept.", self._name, verdict.secs)

    def _seen(self) -> tuple[str, Hashable]:
        """What the process does, as a key of _PHASES or "", and what changes when it gets on."""
        frames = list(_frames(sys._current_frames().get(self._watched)))
        module = next((known for name, _ in frames if (known := _phase_of(name))), "")
        if module.startswith(_BY_CALLS):
            return module, self._calls
        return module, (self._calls, tuple(frames))


def _name_of(cluster: Cluster) -> str:
    return "this process" if cluster.is_local else f"{cluster.task_type}:{cluster.task_id}"


def _frames(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """Modules and lines of a stack, the innermost first."""
    while frame is not None:
        yield str(frame.f_globals.get("__name__")), frame.f_lasti
        frame = frame.f_back


def _phase_of(module: str) -> str:
    """The longest key of _PHASES that a module's name begins with; "" for none."""
    return max((known for known in _PHASES if f"{module}.".startswith(f"{known}.")), key=len, default="")


class Peers:
    """The other processes of a job that listen, and since when each has been silent.

    Args:
      cluster: all of them, and which one this is.
      ask_secs: how long one has to answer.
    """

    def __init__(self, cluster: Cluster, ask_secs: float) -> None:
        self._ask_secs = min(max(ask_secs, 1.0), 5.0)
        own = (cluster.task_type, cluster.task_id)
        self._names = {
            address: f"{job}:{index} at {address}"
            for job, nodes in cluster.jobs.items()
            for index, address in nodes.items()
            if job != EVALUATOR and (job, index) != own
        }
        self._asks = cluster.is_chief and not cluster.is_local
        self._silent_since: dict[str, float] = {}
        self._said: set[str] = set()

    def changes(self, now: float) -> Iterator[str]:
        """A line for each that fell silent, or answers again; only the chief asks while all is well.

        Args:
          now: seconds.
        """
        for address, answer in self._answers() if self._asks else ():
            since = self._silent_since.get(address)
            if answer is not hosts.Answer.SILENT:
                self._silent_since.pop(address, None)
                if address in self._said:
                    self._said.discard(address)
                    yield f"{self._names[address]} answers again after {now - (since or now):.0f} s."
            elif since is None:
                self._silent_since[address] = now
            elif address not in self._said:
                self._said.add(address)
                yield (
                    f"{self._names[address]} has not answered for {now - since + self._ask_secs:.0f} s: "
                    "it is stopped, or its machine is overloaded or away."
                )

    def told(self, *, only_missing: bool = False) -> str:
        """What the others answer now, in words; empty where there are none, or `only_missing` and none is."""
        if not self._names:
            return ""
        silent = [
            f"{self._names[address]}: {answer.value if answer is not hosts.Answer.SILENT else 'does not answer'}"
            for address, answer in self._answers()
            if answer is not hosts.Answer.LISTENS
        ]
        if not silent:
            return "" if only_missing else "All other processes answer."
        return f"{'; '.join(silent)}. {'The others answer.' if len(silent) < len(self._names) else ''}".strip()

    def _answers(self) -> list[tuple[str, Any]]:
        return [(reached.address, reached.answer) for reached in hosts.greet(self._names, self._ask_secs)]
