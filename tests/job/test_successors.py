"""Forks that take each other's place: what their process ends with, and what one leaves to the next."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.job import successors
from trainer.job.successors import Place

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parent.parent.parent
PROGRAM = """
import os, signal, sys, time
from trainer.job import logs, signals, successors

logs.to_stderr()

def wait(number):
    signal.signal(number, lambda *_: os._exit(3))
    print("waits", flush=True)
    signal.pause()

def fork(place):
    left = place.left().decode()
    print("after", repr(left), flush=True)
    place.write((left + "x").encode())
    with signals.listening() as stop:
{body}

with signals.listening() as stop:
    code = successors.work(fork, stop, {wait_secs})
    print("ended with", code, flush=True)
"""


def started(body: str, wait_secs: float = 60.0) -> subprocess.Popen[str]:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    program = PROGRAM.format(body=lines, wait_secs=wait_secs)
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=ANSWER_SECS)[0].splitlines()


def test_the_next_fork_has_what_the_one_before_left() -> None:
    lines = said(started("place.meet()\nreturn successors.PEER_LOST if len(left) < 2 else 7"))
    assert [line for line in lines if line.startswith("after")] == ["after ''", "after 'x'", "after 'xx'"]
    assert lines[-1] == "ended with 7"
    assert sum("Waiting up to 60 s for the process of the job that is gone" in line for line in lines) == 2


def test_a_process_that_never_comes_back_is_waited_for_so_long() -> None:
    body = "if not left:\n    place.meet()\n    return successors.PEER_LOST\nwait(signal.SIGUSR1)"
    lines = said(started(body, wait_secs=0.2))
    assert lines[-2].endswith("Waited 0.2 s for a process of the job that is gone; it did not come back.")
    assert lines[-1] == "ended with 143"


def test_a_fork_that_was_killed_has_no_successor() -> None:
    assert said(started("os.kill(os.getpid(), signal.SIGKILL)"))[-1] == "ended with 137"
    assert said(started("raise RuntimeError('it broke')"))[-1] == "ended with 1"


@pytest.mark.parametrize(("before", "code"), [("place.meet()\n", 3), ("", 143)])
def test_a_signal_reaches_the_fork_that_has_met_its_group_and_ends_one_that_has_not(before: str, code: int) -> None:
    process = started(f"{before}wait(signal.SIGTERM)")
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()] == ["after ''\n", "waits\n"]
    process.send_signal(signal.SIGTERM)
    assert said(process)[-1] == f"ended with {code}"


def test_no_fork_outlives_its_process() -> None:
    process = started("print(os.getpid(), flush=True)\nwait(signal.SIGTERM)")
    assert process.stdout is not None
    process.stdout.readline()
    assert int(process.stdout.readline()) != process.pid
    process.stdout.readline()
    process.kill()
    assert process.stdout.read() == ""  # the pipe ends with the last process that has it
    process.wait()
    process.stdout.close()


def test_what_is_left_is_whole_or_nothing() -> None:
    place = Place.empty()
    assert (place.left(), place.has_met) == (b"", False)
    place.write(b"much longer")
    place.meet()
    place.write(b"short")
    assert (place.left(), place.has_met) == (b"short", True)
    place.leave()
    assert (place.left(), place.has_met) == (b"short", False)
    assert successors.are_possible()
