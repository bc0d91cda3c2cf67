"""A signal asks for a save; where there is nothing to save yet it ends the process; others after it change nothing."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from trainer.job import signals

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize("number", signals.STOPS)
def test_a_signal_tells_the_listener(number: signal.Signals) -> None:
    told: list[str] = []
    with signals.listening() as request:
        request.tell(told.append)
        os.kill(os.getpid(), number)
        assert told == [number.name]
        assert request.reason == number.name


def test_later_signals_are_counted_and_change_nothing() -> None:
    told: list[str] = []
    with signals.listening() as request:
        request.tell(told.append)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert (told, request.reason, request.requests) == (["SIGTERM"], "SIGTERM", 3)


@pytest.mark.process
@pytest.mark.parametrize("number", signals.STOPS)
def test_a_signal_before_there_is_anything_to_save_ends_the_process(number: signal.Signals) -> None:
    code = f"import os; from trainer.job import signals\nwith signals.listening(): os.kill(os.getpid(), {int(number)})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 143
    assert done.stderr == f"trainer: Asked to end by {number.name}; there was nothing to save yet.\n"


def test_what_nohup_says_of_sighup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.listening() as request:
            request.tell(lambda reason: None)
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.reason is None
    finally:
        signal.signal(signal.SIGHUP, before)


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
