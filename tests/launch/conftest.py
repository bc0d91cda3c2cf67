"""A launcher as a real process, whose lines a test waits for."""

from __future__ import annotations

import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.deadlines import ANSWER_SECS

ROOT = pathlib.Path(__file__).parent.parent.parent


class Launcher:
    """`python -m trainer.launch cluster` with the actor as its task, in a directory of its own."""

    def __init__(self, directory: pathlib.Path, flags: list[str], acts: list[str], environ: dict[str, str]) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "launch")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trainer.launch", "cluster", "--module=actor", *flags, "--", *acts],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self.output = self._process.stdout
        self.text = ""
        self._directory = directory
        self._fifos: list[int] = []
        self._watchdog = threading.Timer(ANSWER_SECS, self._process.kill)
        self._watchdog.start()

    @property
    def pids(self) -> list[int]:
        """Every process that it said to have started."""
        return [int(pid) for pid in re.findall(r"\(process (\d+)", self.text)]

    def until(self, pattern: str) -> re.Match[str]:
        """Reads on until a line matches."""
        for line in self.output:
            self.text += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.text}")

    def pid_of(self, name: str, verb: str = "started") -> int:
        return int(self.until(rf"{name} {verb} \(process (\d+)")[1])

    def let(self, fifo: str) -> None:
        """Lets one process go on that waits, or will wait, for the fifo."""
        self._fifos.append(os.open(self._directory / fifo, os.O_RDWR))  # without a reader O_WRONLY would wait for one
        os.write(self._fifos[-1], b"go\n")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Reads to the end, and returns the exit code."""
        self.text += self.output.read()
        return self._process.wait()

    def close(self) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        self.output.close()
        for fifo in self._fifos:
            os.close(fifo)


Launch = Callable[..., Launcher]


@pytest.fixture
def launch(tmp_path: pathlib.Path) -> Iterator[Launch]:
    """Starts a launcher: flags of its own, then acts by role; `fifos` are made for `wait`."""
    started: list[Launcher] = []

    def start(*flags: str, environ: dict[str, str] | None = None, fifos: tuple[str, ...] = (), **acts: str) -> Launcher:
        for fifo in fifos:
            os.mkfifo(tmp_path / fifo)
        words = [f"--{role}={words}" for role, words in acts.items()]
        started.append(Launcher(tmp_path, list(flags), words, environ or {}))
        return started[-1]

    yield start
    for launcher in started:
        launcher.close()


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> pathlib.Path:
    """A virtual environment that is set up already, whose Python says what it was asked to run."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/bash\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    stamp = 'root=$0; cat "$root/setup.py" "$root/pyproject.toml" <(echo "$root") | cksum'
    done = subprocess.run(["bash", "-c", stamp, str(ROOT)], capture_output=True, text=True, check=True)
    for stamped in (".trainer.stamp", ".trainer-launch.stamp"):
        (tmp_path / stamped).write_text(done.stdout)
    return tmp_path


def await_end(pids: list[int]) -> None:
    """Waits until all have ended; fails after a while. Reaped or not does not matter."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([handle], [], [], ANSWER_SECS)[0], f"process {pid} goes on"
        finally:
            os.close(handle)


def assert_gone(pids: list[int]) -> None:
    """None of them runs now."""
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
