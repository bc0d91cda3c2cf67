"""`python server.py DESCRIPTOR` imports what `trainer.task` needs once, and is then forked for every client.

The descriptor is a socket that listens; the process ends when its standard input does. A client says what a fork shall
run, and stands for it (`client.py`). `trainer.fork_server` ends the fork when the client's end of their connection is
closed, even by kill -9.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import runpy
import select
import signal
import socket
import sys

from trainer import fork_server
from trainer.job import signals

_OFTEN_USED = (
    "failure",
    "formats.pipeline.datasets",
    "formats.reading",
    "formats.files.remote",
    "formats.serving",
    "storage.client",
)
"""Modules of the package that a task imports when it comes to them, as nearly all tasks of tests do."""


def main(descriptor: str) -> None:
    fork_server.prepare(fork_server.TASK_MODULE)
    for module in _OFTEN_USED:
        importlib.import_module(f"trainer.{module}")
    with socket.socket(fileno=int(descriptor)) as listener:
        command = serve(listener)
    if command is not None:
        run(command)


def serve(listener: socket.socket) -> fork_server.Command | None:
    """Forks until the standard input ends; returns what to run in the fork of a fork that runs it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what is forked here needs not be waited for
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in readable:
            return None
        control, _ = listener.accept()
        bind = signals.bound_to(os.getpid())
        with control:
            if os.fork() == 0:
                if bind:
                    bind()
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                command = fork_server.ForkServer(control).serve()
                if command is None:
                    os._exit(0)  # the client and what it stood for have ended
                return command


def run(command: fork_server.Command) -> None:
    """What `python *command.argv` does, in the folder and with the standard streams of the client.

    Its process id is the command's name.
    """
    client = f"/proc/{command.name}"
    os.chdir(f"{client}/cwd")
    streams = [os.open(f"{client}/fd/{number}", flags) for number, flags in ((0, os.O_RDONLY), (2, os.O_WRONLY))]
    kind, program, *argv = command.argv
    fork_server.become(dataclasses.replace(command, argv=argv), program if kind == "-m" else kind)
    for stream, number in zip(streams, (0, 2), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main(sys.argv[1])
