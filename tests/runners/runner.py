"""Starts a job's processes, starts them again as a runner does, and makes failures when a line is said."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from tests.runners.places import Place
from trainer import storage
from trainer.launch.cluster.child import Child

_POLL_SECS = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """A signal to a process, once.

    Attributes:
      name: who gets it.
      when: looks at the job; the signal is sent as soon as it is true. Failures come about in their order.
      signal: what is sent.
    """

    name: str
    when: Callable[[Runner], bool]
    signal: signal.Signals = signal.SIGKILL


def says(name: str, pattern: str) -> Callable[[Runner], bool]:
    """Whether a process has said a line with the pattern in it."""
    return lambda runner: re.search(pattern, runner.said(name), re.MULTILINE) is not None


def newest_step(directory: str) -> int:
    """Of the newest checkpoint that is committed in a bucket's directory; -1 where there is none."""
    path = f"{directory}/checkpoint"
    state = storage.read(path) if storage.exists(path) else b""
    found = re.search(rb'^model_checkpoint_path: "model\.ckpt-(\d+)"', state, re.MULTILINE)
    return int(found[1]) if found else -1


@dataclasses.dataclass(kw_only=True)
class _Process:
    place: Place
    child: Child | None = None
    restarts: int = 0
    codes: list[int] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)


class Runner(contextlib.ExitStack):
    """One job, from its start to the end of all its processes.

    Args:
      places: what to start; the first is the one whose success is the job's.
      python: of the environment in which the package is installed.
      machines: a folder for what each process's machine has on its disk.
      environ: what all get besides.
      restarted: whether a process that ended with this code is started again.
      most_restarts: of each process.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        python: pathlib.Path,
        machines: pathlib.Path,
        environ: Mapping[str, str],
        restarted: Callable[[int], bool],
        most_restarts: int = 5,
    ) -> None:
        super().__init__()
        self._python, self._machines, self._environ = python, machines, environ
        self._restarted, self._most_restarts = restarted, most_restarts
        self._processes = {place.name: _Process(place=place) for place in places}
        self._selector = self.enter_context(selectors.DefaultSelector())
        self._failures: list[Failure] = []
        self.callback(self._destroy)

    def run(self, *failures: Failure, secs: float) -> int:
        """The first process's last exit code, when all have ended; fails loudly after `secs`."""
        self._failures = list(failures)
        deadline = time.monotonic() + secs
        for process in self._processes.values():
            self._start(process)
        while any(process.child for process in self._processes.values()):
            assert time.monotonic() < deadline, f"the job goes on after {secs} s:\n{self.log()}"
            self._pass_lines_on()
            self._fail()
            self._notice_ends()
        assert not self._failures, f"never came about: {self._failures}\n{self.log()}"
        return next(iter(self._processes.values())).codes[-1]

    def codes(self, name: str) -> list[int]:
        """Exit codes of a process's lives."""
        return self._processes[name].codes

    def said(self, name: str) -> str:
        return "\n".join(self._processes[name].lines)

    def log(self) -> str:
        """Everything that was said, for a test that fails."""
        return "\n".join(f"{name} | {line}" for name, process in self._processes.items() for line in process.lines)

    def _start(self, process: _Process) -> None:
        # -P: what is imported is what is installed, and nothing of the folder that the tests run in
        argv = [str(self._python), "-P", "-m", "trainer.task", *process.place.argv]
        disk = {"TRAINER_SCRATCH": str(self._machines / process.place.name)}
        environ = {**self._environ, **disk, **process.place.environ}
        process.child = Child(argv, environ, started_at=time.monotonic())
        self._selector.register(process.child, selectors.EVENT_READ, process)

    def _pass_lines_on(self) -> None:
        for key, _ in self._selector.select(_POLL_SECS):
            process: _Process = key.data
            assert process.child is not None
            lines, more = process.child.read()
            if not more:
                self._selector.unregister(process.child)
            process.lines += lines

    def _fail(self) -> None:
        if not self._failures:
            return
        victim = self._processes[self._failures[0].name].child
        if victim is not None and self._failures[0].when(self):
            failure = self._failures.pop(0)
            self._processes[failure.name].lines.append(f"{time.strftime('%T')} gets {failure.signal.name}")
            victim.send(failure.signal)

    def _notice_ends(self) -> None:
        for process in self._processes.values():
            code = process.child.exit_code() if process.child else None
            if process.child is None or code is None:
                continue
            child, process.child = process.child, None
            with contextlib.suppress(KeyError):
                self._selector.unregister(child)
            process.lines += child.close()
            process.codes.append(code)
            if self._restarted(code) and process.restarts < self._most_restarts:
                process.restarts += 1
                self._start(process)

    def _destroy(self) -> None:
        for process in self._processes.values():
            if process.child:
                process.child.destroy()
                process.child.close()
