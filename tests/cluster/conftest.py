"""A whole job on loopback through the launcher, whose lines a test reads and whose processes it may kill."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.deadlines import JOB_SECS
from tests.launched import ROOT, Launched


class Job(Launched):
    """`python -m trainer.launch cluster`."""

    def __init__(self, argv: list[str], environ: dict[str, str], python: pathlib.Path | None) -> None:
        own = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        super().__init__(["cluster", *argv], cwd=ROOT, environ=own | environ, secs=JOB_SECS, python=python)

    def kill(self, name: str) -> None:
        """kill -9 of the process that has a place in the job now."""
        pids = re.findall(rf"{name} (?:re)?started \(process (\d+)", self.text)
        os.kill(int(pids[-1]), signal.SIGKILL)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Within it nothing of the job runs, as on a machine that is paused; not for forks of another process."""
        pids = list(_stopped(self.pid))
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def end(self) -> int:
        """Reads to the end, and returns the exit code; every process that was started has to be gone."""
        code = super().end()
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


def _stopped(pid: int) -> Iterator[int]:
    """Stops a process and all that it has started, which it does no more once it is stopped; gives their ids."""
    os.kill(pid, signal.SIGSTOP)
    yield pid
    for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text().split():
            yield from _stopped(int(child))


Start = Callable[..., Job]
EVERY = "every"
"""Instead of a role."""


def fresh_in(path: pathlib.Path, role: str, otherwise: pathlib.Path) -> pathlib.Path:
    """Makes a `python` whose processes of a role import TensorFlow themselves, and others are `otherwise`'s."""
    path.write_text(
        f"""#!/bin/sh
case "$TF_CONFIG" in
  *'"type": "{role}"'*) exec "{sys.executable}" "$@" ;;
  *) exec "{otherwise}" "$@" ;;
esac
"""
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def start(forking_python: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Start]:
    """Starts a launcher with its flags and those of the task; whatever happens, nothing of it outlives the test.

    The processes that it starts are forks of one that has imported TensorFlow, but for those of the `fresh` role, or of
    `EVERY` one.
    """
    jobs: list[Job] = []

    def started(*flags: str, task: list[str], module: str = "trainer.task", fresh: str = "", **environ: str) -> Job:
        python = fresh_in(tmp_path / "python", fresh, forking_python) if fresh else forking_python
        if fresh == EVERY:
            python = None
        unreported = ["--noreport"] if module == "trainer.task" else []  # drawing it takes longer than a short training
        jobs.append(Job([*flags, f"--module={module}", "--", *unreported, *task], environ, python))
        return jobs[-1]

    yield started
    for job in jobs:
        job.close()
