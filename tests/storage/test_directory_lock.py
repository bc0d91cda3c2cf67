"""The lock on a directory: who is kept out, what they are told, and what a process that ends leaves."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from trainer.storage.directory_lock import FILE, DirectoryLock
from trainer.storage.errors import InUseError

HOLDS = """
import sys, signal
from trainer.storage.directory_lock import DirectoryLock
with DirectoryLock(sys.argv[1]).held():
    print("held", flush=True)
    signal.pause()
"""


def never(secs: float) -> None:
    raise AssertionError("there is nothing to wait for")


def passes(secs: float) -> None:
    """The seconds that a process of this machine may take to be gone pass at once."""


def test_a_second_one_is_told_who_has_it(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "new" / "run"
    one, other = DirectoryLock(str(directory), never), DirectoryLock(str(directory), passes)
    with one.held(), pytest.raises(InUseError) as raised, other.held():
        pass
    place = rf"{directory} is in use by process {os.getpid()} on {socket.gethostname()} since "
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Accepted: one process at a time that trains into a directory\. "
    do = r"Let that one end, or end it, or train into another directory \(--output_dir\)\."
    assert re.fullmatch(place + when + do, str(raised.value))
    assert raised.value.exit_code == 2
    assert os.listdir(directory) == []


def test_within_itself_it_does_nothing(tmp_path: pathlib.Path) -> None:
    lock = DirectoryLock(str(tmp_path), never)
    with lock.held():
        with lock.held():
            pass
        assert os.listdir(tmp_path) == [FILE]
        with pytest.raises(InUseError), DirectoryLock(str(tmp_path), passes).held():
            pass
    with lock.held():
        pass


@pytest.mark.process
def test_it_ends_with_the_process_that_is_killed(tmp_path: pathlib.Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(InUseError, match=f"process {process.pid} on "), DirectoryLock(str(tmp_path), passes).held():
            pass
        process.send_signal(signal.SIGKILL)
    assert os.listdir(tmp_path) == [FILE]
    with DirectoryLock(str(tmp_path), never).held():
        assert json.loads((tmp_path / FILE).read_text())["process"] == os.getpid()
    assert os.listdir(tmp_path) == []


def test_one_of_another_machine_is_waited_for(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    waited: list[float] = []
    with DirectoryLock(str(tmp_path)).held():
        record = {"host": "elsewhere", "process": 7, "since": "2026-01-01 00:00:00 UTC"}
        (tmp_path / FILE).write_text(json.dumps(record))
        with (
            pytest.raises(InUseError, match="process 7 on elsewhere"),
            DirectoryLock(str(tmp_path), waited.append).held(),
        ):
            pass
    assert sum(waited) == 120
    assert caplog.messages == [
        f"{tmp_path} is in use by process 7 on elsewhere since 2026-01-01 00:00:00 UTC. "
        "Waiting up to 120 s, as for a machine that is gone."
    ]


@pytest.mark.parametrize("host", ["elsewhere", socket.gethostname()])
def test_one_that_is_let_go_while_it_is_waited_for_is_taken(tmp_path: pathlib.Path, host: str) -> None:
    number = os.open(tmp_path / FILE, os.O_RDWR | os.O_CREAT)
    os.write(number, json.dumps({"host": host}).encode())
    fcntl.flock(number, fcntl.LOCK_EX)
    with DirectoryLock(str(tmp_path), lambda secs: os.close(number)).held():
        assert json.loads((tmp_path / FILE).read_text())["host"] == socket.gethostname()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"7", b"[]", b'{"host": null}'])
def test_a_lock_file_that_says_nothing_names_nobody(tmp_path: pathlib.Path, content: bytes) -> None:
    number = os.open(tmp_path / FILE, os.O_RDWR | os.O_CREAT)
    os.write(number, content)
    fcntl.flock(number, fcntl.LOCK_EX)
    with pytest.raises(InUseError, match="is in use by "), DirectoryLock(str(tmp_path), passes).held():
        pass
    os.close(number)


def test_where_there_are_no_locks_a_line_says_so(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    def flock(number: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with caplog.at_level(logging.WARNING), DirectoryLock(str(tmp_path), never, flock).held():
        pass
    assert caplog.messages == [
        f"{tmp_path} cannot be locked (No locks available). Make sure that no second process trains there."
    ]
