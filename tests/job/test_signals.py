"""A signal asks for a save; where there is nothing to save, or nobody waits any more, it ends the process."""

from __future__ import annotations

import ctypes
import os
import signal
import threading

import pytest

from trainer.job import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_the_listener(number: signal.Signals) -> None:
    told: list[str] = []
    with signals.listening() as request:
        request.tell(told.append)
        os.kill(os.getpid(), number)
        assert told == [number.name]
        assert request.reason == number.name


def test_a_library_that_has_taken_the_signal_loses_it_again() -> None:
    told: list[str] = []
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    with signals.listening() as request:
        libc.signal(int(signal.SIGTERM), 1)  # SIG_IGN, behind Python's back
        request.tell(told.append)
        os.kill(os.getpid(), signal.SIGTERM)
    assert told == ["SIGTERM"]


def test_a_signal_before_there_is_anything_to_save_ends_the_process() -> None:
    with signals.listening(), pytest.raises(SystemExit) as caught:
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143


def test_a_second_signal_does_not_wait() -> None:
    with signals.listening() as request:
        request.tell(lambda reason: None)
        request.receive("SIGTERM")
        with pytest.raises(SystemExit) as caught:
            request.receive("SIGTERM")
    assert caught.value.code == 143


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals.listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_of_the_main_thread_nothing_is_caught() -> None:
    found: list[str | None] = []

    def work() -> None:
        with signals.listening() as request:
            found.append(request.reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]
