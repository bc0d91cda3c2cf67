"""A command of the package as a real process, whose lines a test reads; it is ended after a time."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

ROOT = pathlib.Path(__file__).parent.parent
WITH_PYTHON = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("trainer.launch", run_name="__main__", alter_sys=True)
"""
"""`-c` with a path in front of the launcher's arguments: the interpreter that it starts processes with."""


class Launched:
    """`python -m trainer.launch`, or another module, with its output as far as it was read.

    Args:
      argv: its arguments.
      cwd: where it runs.
      environ: its whole environment.
      secs: after which it is killed.
      python: the interpreter that it starts processes with; None for its own.
      module: another one of the package to run.
      own_python: the interpreter that it runs in itself.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: pathlib.Path,
        environ: Mapping[str, str],
        secs: float,
        python: pathlib.Path | None = None,
        module: str = "trainer.launch",
        own_python: str | pathlib.Path = sys.executable,
    ) -> None:
        program = ["-c", WITH_PYTHON, str(python)] if python else ["-m", module]
        self._process = subprocess.Popen(
            [own_python, *program, *argv],
            cwd=cwd,
            env=dict(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self.text = ""
        self._watchdog = threading.Timer(secs, self._process.kill)
        self._watchdog.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def until(self, pattern: str) -> re.Match[str]:
        """Reads on until a line matches."""
        for line in self._output:
            self.text += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.text}")

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Reads to the end, and returns the exit code."""
        self.text += self._output.read()
        return self._process.wait()

    def close(self) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        self._output.close()
