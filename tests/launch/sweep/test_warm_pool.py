"""Processes that a fork server forks: what they are given, how they end, that none is left."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.deadlines import ANSWER_SECS
from tests.launch.conftest import await_end
from trainer.launch.sweep.warm_pool import Ended, Event, ForkServerError, Started, TrialProcesses

pytestmark = pytest.mark.process
ROOT = pathlib.Path(__file__).parent.parent.parent.parent
PROGRAM = """
import json, os, signal, sys
print(json.dumps({"argv": sys.argv[1:], "environ": dict(os.environ), "group": os.getpgid(0), "pid": os.getpid()}))
sys.stdout.flush()
if "wait" in sys.argv:
    signal.pause()
if "raise" in sys.argv:
    raise ValueError("as it is")
sys.exit(3 if "three" in sys.argv else None)
"""


@pytest.fixture(params=[False, True], ids=["forked", "fresh"])
def processes(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[TrialProcesses]:
    (tmp_path / "program.py").write_text(PROGRAM)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    with TrialProcesses("program", environ, tmp_path / "warm.log", fresh=request.param) as opened:
        yield opened


def until(processes: TrialProcesses, kind: type[Event], name: str) -> Event:
    deadline = time.monotonic() + ANSWER_SECS
    while time.monotonic() < deadline:
        for event in processes.events(0.5):
            if isinstance(event, kind) and event.name == name:
                return event
    raise AssertionError(f"{name} has not {kind.__name__}")


def started(processes: TrialProcesses, directory: pathlib.Path, name: str, *argv: str) -> pathlib.Path:
    log = directory / name / "log"
    environ = {"PYTHONPATH": str(directory), "OWN": name}
    processes.start(name, argv, environ, log)
    return log


@pytest.mark.parametrize(("word", "code"), [("zero", 0), ("three", 3), ("raise", 1)])
def test_a_fork_has_its_own_arguments_environment_group_and_log(
    processes: TrialProcesses, tmp_path: pathlib.Path, word: str, code: int
) -> None:
    log = started(processes, tmp_path, "a", word, "ä b")
    assert until(processes, Ended, "a") == Ended(name="a", code=code)
    printed = json.loads(log.read_text().splitlines()[0])
    assert printed["argv"] == [word, "ä b"]
    assert printed["environ"].pop("LC_CTYPE", None) in (None, "C.UTF-8")  # Python's own, where no locale is set
    assert printed["environ"] == {"PYTHONPATH": str(tmp_path), "OWN": "a"}
    assert printed["group"] == printed["pid"]
    assert ("ValueError: as it is" in log.read_text()) == (word == "raise")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_one_of_them(
    processes: TrialProcesses, tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    for name in "ab":
        log = started(processes, tmp_path, name, "wait")
        until(processes, Started, name)
        while not log.exists() or not log.read_text():
            time.sleep(0.01)
    processes.send("a", number)
    assert until(processes, Ended, "a") == Ended(name="a", code=128 + number)
    processes.send("a", number)
    processes.kill("a")
    processes.kill("b")
    assert until(processes, Ended, "b") == Ended(name="b", code=137)


def test_none_is_left_when_it_is_closed(processes: TrialProcesses, tmp_path: pathlib.Path) -> None:
    started(processes, tmp_path, "a", "wait")
    event = until(processes, Started, "a")
    assert isinstance(event, Started)
    processes.close()
    await_end([event.pid, processes.pid])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system does not tell children")
def test_the_death_of_the_fork_server_is_told_and_ends_the_forks(
    processes: TrialProcesses, tmp_path: pathlib.Path
) -> None:
    started(processes, tmp_path, "a", "wait")
    event = until(processes, Started, "a")
    assert isinstance(event, Started)
    os.kill(processes.pid, signal.SIGKILL)
    with pytest.raises(ForkServerError, match="The process that forks the trials ended with 137: it printed nothing"):
        until(processes, Ended, "a")
    await_end([event.pid])
