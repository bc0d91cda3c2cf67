"""ENTRY of sweeps: `python -m trainer.fork_server MODULE SOCKET` imports what MODULE needs once, and forks the trials.

The process that started it (`launch.sweep.warm_pool`) sends commands over the socket. A fork is a process like any
other: it has its own arguments, environment, log, process group and randomness. TensorFlow's runtime starts with its
first use, which is in the fork, so that no thread of it is lost. All forks die with this process, and this process with
its parent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib.util
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job import imports, logs, signals

TASK_MODULE = "trainer.task"
_POLL_SECS = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """What a fork becomes: `python -m MODULE *argv`.

    Attributes:
      name: by which later commands and events call it.
      argv: of the module.
      environ: its whole environment.
      log: file that its output is added to.
      fresh: whether it is a new interpreter, which imports everything again.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    log: str
    fresh: bool = False


class ForkServer:
    """Forks processes on command, and tells when they end.

    Args:
      control: commands come in here, a JSON object a line, and events go out.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._unread = b""
        self._pids: dict[str, int] = {}

    def serve(self) -> Command | None:
        """Forks until the other end of the socket is closed, then ends all forks. In a fork, returns its command."""
        self._say({"ready": os.getpid()})
        while True:
            readable, _, _ = select.select([self._control], [], [], _POLL_SECS)
            if readable:
                received = self._received()
                if not received:
                    self._end_all()
                    return None
                for line in self._lines(received):
                    command = self._obey(json.loads(line))
                    if command is not None:
                        return command
            self._reap()

    def _received(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return self._control.recv(1 << 16)
        return b""

    def _lines(self, received: bytes) -> list[bytes]:
        *lines, self._unread = (self._unread + received).split(b"\n")
        return lines

    def _obey(self, message: dict[str, Any]) -> Command | None:
        """The command, where this is the fork that it is for; else None."""
        match message:
            case {"signal": int(number), "name": str(name)}:
                if name in self._pids:
                    os.kill(self._pids[name], number)
            case {"kill": str(name)}:
                if name in self._pids:
                    os.killpg(self._pids[name], signal.SIGKILL)
            case {"start": dict(fields)}:
                return self._start(Command(**fields))
        return None

    def _start(self, command: Command) -> Command | None:
        sys.stdout.flush()
        sys.stderr.flush()
        bind = signals.bound_to(os.getpid())
        pid = os.fork()
        if pid == 0:
            if bind:
                bind()
            self._control.close()
            return command
        with contextlib.suppress(PermissionError, ProcessLookupError):  # the fork does it too; one of them is first
            os.setpgid(pid, pid)
        self._pids[command.name] = pid
        self._say({"started": command.name, "pid": pid})
        return None

    def _reap(self) -> None:
        for name, pid in list(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._end_group(name)
                code = os.waitstatus_to_exitcode(status)
                self._say({"ended": name, "code": code if code >= 0 else 128 - code})

    def _end_group(self, name: str) -> None:
        """Ends what a process that has just ended left in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pids[name], signal.SIGKILL)
        del self._pids[name]

    def _end_all(self) -> None:
        for name, pid in list(self._pids.items()):
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            del self._pids[name]

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            self._control.sendall(json.dumps(message).encode() + b"\n")


def main(argv: Sequence[str]) -> None:
    """Serves; in a fork, runs the module as `python -m` would."""
    module, descriptor = argv
    prepare(module)
    with contextlib.closing(socket.socket(fileno=int(descriptor))) as control:
        command = ForkServer(control).serve()
    if command is not None:
        become(command, module)
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def prepare(module: str) -> None:
    """Imports what the task uses and starts nothing: threads would be lost in the forks."""
    if importlib.util.find_spec(module) is None:
        sys.exit(f"No module named {module}")
    if module == TASK_MODULE:
        logs.quiet_tensorflow(os.environ, errors=False)  # the forks read compiled programs
        with imports.quick():
            import numpy.random  # noqa: F401

            import trainer.bound_problem
            import trainer.model
            import trainer.process  # noqa: F401
    gc.collect()
    gc.freeze()  # so that collections in the forks leave the shared memory alone


def become(command: Command, module: str) -> None:
    """Makes a fork what the command says, up to the point where the module runs."""
    os.setpgid(0, 0)
    _redirect(command.log)
    if command.fresh:
        os.execve(sys.executable, [sys.executable, "-m", module, *command.argv], dict(command.environ))
    os.environ.clear()
    os.environ.update(command.environ)
    sys.argv = [module, *command.argv]
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _redirect(log: str) -> None:
    os.makedirs(os.path.dirname(log), exist_ok=True)
    nothing, output = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    main(sys.argv[1:])
