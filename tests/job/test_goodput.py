"""Goodput: what the time of a job is counted as, within a process and across kills."""

from __future__ import annotations

import json

import pytest

from trainer.job import goodput
from trainer.job.goodput import Activity, History, Tally, TimeAccount


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def account() -> tuple[Clock, TimeAccount]:
    clock = Clock()
    return clock, TimeAccount(clock)


def spent(tally: Tally) -> dict[str, float]:
    return {activity.value: secs for activity, secs in tally.secs.items() if secs}


def test_the_innermost_activity_counts_and_all_time_is_counted() -> None:
    clock, time = account()
    time.began(4.0)
    clock.now += 1
    with time.spent(Activity.INPUT):
        clock.now += 2
    clock.now += 1
    for secs in (3.0, 2.0, 2.0):
        with time.call():
            clock.now += secs
        time.made(10)
    with time.spent(Activity.SAVE):
        clock.now += 1
        with time.spent(Activity.EVALUATE):
            clock.now += 5
        clock.now += 1
    clock.now += 7
    tally = time.tally(30, at=0.0)
    assert spent(tally) == {
        "progress": 6.0,  # the first call too, at the speed of the others
        "startup": 6.0,
        "compile": 1.0,
        "input": 2.0,
        "save": 2.0,
        "evaluate": 5.0,
        "other": 7.0,
    }
    assert tally.total_secs == 4 + clock.now - 100
    assert tally.goodput == pytest.approx(6 / 29)


def test_a_single_call_is_taken_for_compiling() -> None:
    clock, time = account()
    with time.call():
        clock.now += 3
        with time.spent(Activity.INPUT):
            clock.now += 1
    time.made(1)
    assert spent(time.tally(1, at=0.0)) == {"compile": 3.0, "input": 1.0}


def test_time_is_counted_after_an_error_too() -> None:
    clock, time = account()
    with pytest.raises(RuntimeError, match="it broke"), time.call():
        clock.now += 3
        raise RuntimeError("it broke")
    clock.now += 2
    assert time.tally(0, at=0.0).total_secs == 5


def tally(at: float, step: int, **secs: float) -> Tally:
    return Tally(at=at, step=step, secs={Activity(name): value for name, value in secs.items()})


SAVED = tally(20.0, 100, startup=10.0, progress=10.0)
LATER = tally(36.0, 220, startup=10.0, progress=22.0, evaluate=3.0, save=1.0)


@pytest.mark.parametrize(
    ("history", "step", "started_at", "last_sign", "expected", "lost_steps"),
    [
        pytest.param(History(), 0, 50.0, 0.0, {}, 0, id="the first process"),
        pytest.param(
            History(saves=[SAVED], now=SAVED), 100, 25.0, 0.0, {"startup": 10, "progress": 10, "idle": 5}, 0,
            id="killed at the checkpoint",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER), 100, 40.0, 0.0,
            {"startup": 10, "progress": 10, "evaluate": 3, "save": 1, "lost": 12, "idle": 4}, 120,
            id="killed later",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER), 100, 40.0, 38.5,
            {"startup": 10, "progress": 10, "evaluate": 3, "save": 1, "lost": 14.5, "idle": 1.5}, 120,
            id="it was alive after its last record",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER), 220, 40.0, 0.0,
            {"startup": 10, "progress": 22, "evaluate": 3, "save": 1, "idle": 4}, 0,
            id="it saved before it ended",
        ),
        pytest.param(
            History(saves=[SAVED], now=SAVED), 150, 40.0, 26.0,
            {"startup": 10, "progress": 10, "lost": 6, "idle": 14}, 0,
            id="killed between a checkpoint and its record",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER), 0, 40.0, 0.0,
            {"startup": 10, "evaluate": 3, "save": 1, "lost": 22, "idle": 4}, 220,
            id="no checkpoint is left",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER), 100, 30.0, 0.0,
            {"startup": 10, "progress": 10, "evaluate": 3, "save": 1, "lost": 12}, 120,
            id="the clock was set back",
        ),
        pytest.param(
            History(saves=[SAVED], now=LATER, ended=True), 220, 90_000.0, 80_000.0,
            {"startup": 10, "progress": 22, "evaluate": 3, "save": 1}, 0,
            id="it had ended, and is made longer the day after",
        ),
    ],
)  # fmt: skip
def test_what_a_process_begins_with(
    history: History, step: int, started_at: float, last_sign: float, expected: dict[str, float], lost_steps: int
) -> None:
    found = goodput.resumed(history, step, started_at, last_sign)
    assert spent(found) == pytest.approx(expected)
    assert (found.lost_steps, found.at, found.step) == (lost_steps, started_at, step)
    assert found.restarts == (0 if history.now is None or history.ended else 1)


def test_a_tally_is_read_as_it_was_written() -> None:
    assert Tally.of_record(json.loads(json.dumps(LATER.record()))) == LATER


@pytest.mark.parametrize("record", [{}, [], {"secs": {"sleep": 1.0}, "at": 1.0}, {"secs": 3, "at": 1.0}, None])
def test_what_is_no_tally_is_refused(record: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Tally.of_record(record)
