"""A process that is a fork behaves as one of its own: streams, folder, environment, signals, exit code and end."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess

import pytest

from tests.deadlines import ANSWER_SECS

pytestmark = pytest.mark.process

LOOKS = """
import os, sys
print(os.getcwd(), os.environ.get("SAID"), sys.argv, "tensorflow" in sys.modules, sys.stdin.read())
print("an error", file=sys.stderr)
sys.exit(7)
"""
WAITS = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
print(os.getpid(), flush=True)
signal.pause()
"""


def test_it_has_the_streams_folder_and_environment_of_its_command(
    forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    done = subprocess.run(
        [forking_python, "-c", LOOKS, "--flag"],
        cwd=tmp_path,
        env={"SAID": "to it", "PATH": "/usr/bin:/bin"},
        input="read",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{tmp_path} to it ['-c', '--flag'] True read\n", "an error\n")
    assert done.returncode == 7


def test_modules_run_as_programs_and_their_errors_are_theirs(forking_python: pathlib.Path) -> None:
    command = [forking_python, "-P", "-m", "trainer.task", "--train_steps=x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("trainer.task: --train_steps=x. Accepted: a whole number")
    broken = subprocess.run([forking_python, "-c", "1 / 0"], capture_output=True, text=True, check=False)
    assert broken.returncode == 1 and broken.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_signals_reach_it(forking_python: pathlib.Path) -> None:
    with subprocess.Popen([forking_python, "-c", WAITS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
    assert process.returncode == signal.SIGTERM


def test_it_does_not_outlive_a_killed_client(forking_python: pathlib.Path) -> None:
    with subprocess.Popen([forking_python, "-c", WAITS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        fork = os.pidfd_open(int(process.stdout.readline()))
        try:
            process.kill()
            assert select.select([fork], [], [], ANSWER_SECS)[0], "the fork goes on"
        finally:
            os.close(fork)
