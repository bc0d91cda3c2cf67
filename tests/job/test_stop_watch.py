"""Requests to stop are heard while the main thread is in C code, and the process ends when its grace is over."""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.job import signals, stop_watch

ROOT = pathlib.Path(__file__).parent.parent.parent
IN_C = "import ctypes; ctypes.CDLL(None).sleep({secs})"  # which no handler of Python's interrupts


def ended(*lines: str) -> subprocess.CompletedProcess[str]:
    """A process that has run these lines with a `watch`."""
    code = "\n".join(
        [
            "import os, signal, threading",
            "from trainer.job import stop_watch",
            "with stop_watch.watching() as watch:",
            *(f"    {line}" for line in lines),
        ]
    )
    command: Sequence[str] = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=ANSWER_SECS)


def test_a_signal_tells_the_listener_in_another_thread() -> None:
    told: list[tuple[str, bool]] = []
    heard = threading.Event()

    def listen(reason: str) -> None:
        told.append((reason, threading.current_thread() is threading.main_thread()))
        heard.set()

    with stop_watch.watching() as watch:
        watch.tell(listen)
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(ANSWER_SECS)
        assert 0 < watch.secs_left() <= watch.grace_secs
    assert told == [("SIGTERM", False)]


def test_later_signals_say_how_long_the_save_may_take(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    with stop_watch.watching() as watch, caplog.at_level("INFO", logger="trainer"):
        watch.tell(told.append)
        watch.receive("SIGINT")
        watch.receive("SIGINT")
    assert told == ["SIGINT"]
    assert "Saving since SIGINT, for 25 s more at most; kill -9 would not wait." in caplog.text


@pytest.mark.process
def test_a_signal_while_there_is_nothing_to_save_ends_a_process_that_is_in_c_code() -> None:
    kill = "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()"
    done = ended(kill, IN_C.format(secs=int(ANSWER_SECS)))
    assert done.returncode == 143
    assert done.stderr == "trainer: Asked to end by SIGTERM; there was nothing to save yet.\n"


@pytest.mark.process
def test_a_process_that_is_not_done_within_its_grace_is_ended_with_words_on_what_is_saved() -> None:
    done = ended(
        "watch.grace_secs = 0.2",
        "watch.tell(lambda reason: None, lambda: 'Step 7 is saved.')",
        "os.kill(os.getpid(), signal.SIGINT)",
        IN_C.format(secs=int(ANSWER_SECS)),
    )
    assert done.returncode == 143
    assert done.stderr == (
        "trainer: Not done 0.2 s after SIGINT, so it ends now. Step 7 is saved. "
        "Run the same command again to continue.\n"
    )


def test_a_library_that_has_taken_a_signal_loses_it_again() -> None:
    heard = threading.Event()
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    with stop_watch.watching() as watch:
        watch.tell(lambda reason: heard.set())
        libc.signal(int(signal.SIGTERM), 1)  # SIG_IGN, behind Python's back
        watch.look()
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(ANSWER_SECS)


@pytest.mark.process
def test_a_child_that_was_forked_ends_by_a_signal_of_its_own_and_its_parent_hears_nothing_of_it() -> None:
    done = ended(
        "watch.tell(lambda reason: print('told', reason, flush=True))",
        "child = os.fork()",
        "if child == 0: signal.pause()",
        "os.kill(child, signal.SIGTERM)",
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), watch.requests)",
    )
    assert (done.returncode, done.stdout) == (0, "-15 0\n"), done.stderr


def test_everything_is_as_before_when_it_is_closed() -> None:
    before = [signal.getsignal(number) for number in signals.STOPS]
    with stop_watch.watching():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(number) for number in signals.STOPS] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert "stop watch" not in [thread.name for thread in threading.enumerate()]


def test_outside_of_the_main_thread_only_requests_of_other_threads_are_heard() -> None:
    told: list[str] = []

    def work() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with stop_watch.watching() as watch:
            watch.tell(told.append)
            assert signal.getsignal(signal.SIGTERM) is before
            watch.receive("a notice")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == ["a notice"]
