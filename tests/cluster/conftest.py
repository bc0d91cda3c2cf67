"""A whole job on loopback through the launcher, whose lines a test reads and whose processes it may kill."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
TOO_LONG_SECS = 150


class Job:
    """`python -m trainer.launch cluster`, with its output as far as it was read."""

    def __init__(self, argv: list[str], environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trainer.launch", "cluster", *argv],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self.text = ""
        self._watchdog = threading.Timer(TOO_LONG_SECS, self._process.kill)
        self._watchdog.start()

    def until(self, pattern: str) -> re.Match[str]:
        """Reads on until a line matches."""
        for line in self._output:
            self.text += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.text}")

    def kill(self, name: str) -> None:
        """kill -9 of the process that has a place in the job now."""
        pids = re.findall(rf"{name} (?:re)?started \(process (\d+)", self.text)
        os.kill(int(pids[-1]), signal.SIGKILL)

    def end(self) -> int:
        """Reads to the end, and returns the exit code; every process that was started has to be gone."""
        self.text += self._output.read()
        code = self._process.wait()
        for pid in re.findall(r"\(process (\d+)", self.text):
            with pytest.raises(ProcessLookupError):
                os.kill(int(pid), 0)
        return code

    def completes(self) -> None:
        """Reads to the end, which has to be a good one."""
        assert self.end() == 0, self.text

    def lines(self, name: str) -> list[str]:
        """What one process said."""
        return re.findall(rf"^{name} *\| (.*)$", self.text, re.MULTILINE)

    def close(self) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        self._output.close()


Start = Callable[..., Job]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a launcher with its flags and those of the task; whatever happens, nothing of it outlives the test."""
    jobs: list[Job] = []

    def started(*flags: str, task: list[str], module: str = "trainer.task", **environ: str) -> Job:
        jobs.append(Job([*flags, f"--module={module}", "--", *task], environ))
        return jobs[-1]

    yield started
    for job in jobs:
        job.close()
