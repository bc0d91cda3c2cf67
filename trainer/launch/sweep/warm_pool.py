"""The processes of trials, which `trainer.fork_server` forks, watches and ends on our behalf."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.job import signals
from trainer.job.errors import TrainingError
from trainer.launch.sweep import tails

FORK_SERVER = "trainer.fork_server"
_START_SECS = 120.0
_END_SECS = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Started:
    name: str
    pid: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """The process of a trial has ended; `code` as a shell counts, 137 after SIGKILL."""

    name: str
    code: int


Event = Started | Ended


class TrialProcesses(contextlib.AbstractContextManager["TrialProcesses"]):
    """Starts the fork server, which imports what `module` needs. When it is closed, no process is left.

    Args:
      module: what trials run.
      environ: of the fork server; a trial's own is given with it.
      log: file that takes the fork server's output.
      fresh: whether each trial imports everything itself.
      keep: descriptors that the processes hold open as long as they live.
    """

    def __init__(
        self, module: str, environ: Mapping[str, str], log: pathlib.Path, *, fresh: bool, keep: Iterable[int] = ()
    ) -> None:
        self._log, self._fresh = log, fresh
        self._unread = b""
        self.is_ready = False
        self._control, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", FORK_SERVER, module, str(theirs.fileno())],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs.fileno(), *keep],
                preexec_fn=signals.bound_to(os.getpid()),
            )

    @property
    def pid(self) -> int:
        """Of the process that forks those of the trials."""
        return self._process.pid

    def start(self, name: str, argv: Sequence[str], environ: Mapping[str, str], log: pathlib.Path) -> None:
        """Runs `python -m MODULE *argv` in the background; `events` tells when it has started and ended.

        Args:
          name: of the trial.
          argv: of the module.
          environ: the whole environment of the process.
          log: file that its output is added to.
        """
        command = {"name": name, "argv": list(argv), "environ": dict(environ), "log": str(log.absolute())}
        self._say({"start": {**command, "fresh": self._fresh}})

    def send(self, name: str, number: signal.Signals) -> None:
        """Signals the process of a trial alone, as a runner does. Nothing happens where it has ended."""
        self._say({"signal": int(number), "name": name})

    def kill(self, name: str) -> None:
        """Ends the process of a trial and its group now."""
        self._say({"kill": name})

    def events(self, wait_secs: float) -> list[Event]:
        """What has happened since the last call; waits up to `wait_secs` for it.

        Raises:
          ForkServerError: the fork server has ended, and all trials with it.
        """
        readable, _, _ = select.select([self._control], [], [], wait_secs)
        if not readable:
            return []
        received = b""
        with contextlib.suppress(ConnectionError):
            received = self._control.recv(1 << 16)
        if not received:
            raise self._death()
        *lines, self._unread = (self._unread + received).split(b"\n")
        return [event for line in lines if (event := self._event(json.loads(line)))]

    def close(self) -> None:
        """Ends all processes and waits for them."""
        self._control.close()
        try:
            self._process.wait(_END_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # `events` raises then
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _event(self, message: Mapping[str, Any]) -> Event | None:
        match message:
            case {"started": str(name), "pid": int(pid)}:
                return Started(name=name, pid=pid)
            case {"ended": str(name), "code": int(code)}:
                return Ended(name=name, code=code)
        self.is_ready = True
        return None

    def _death(self) -> ForkServerError:
        code = self._process.wait()
        tail = tails.last_lines(self._log, 3)
        was = "The process that forks the trials" if self.is_ready else "The process that imports the task"
        got = f"{was} ended with {code if code >= 0 else 128 - code}: {' / '.join(tail) or 'it printed nothing'}"
        return ForkServerError(got, None, f"See {self._log}")


class ForkServerError(TrainingError):
    """The fork server is gone."""
