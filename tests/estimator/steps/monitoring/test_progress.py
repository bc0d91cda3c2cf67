"""What is shown while training runs, with a clock of the test's own."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from trainer.estimator.contract.hooks import RunContext, RunValues
from trainer.estimator.steps.monitoring.progress import Progress, Speed, Window, duration, line


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def call(progress: Progress, clock: Clock, *, at: float, step: int, steps: int, seconds: float) -> None:
    """One device call that ended `at` seconds after the start."""
    clock.now = 100.0 + at
    values = RunValues(global_step=step, losses=np.full(steps, 0.25, np.float32), results={}, seconds=seconds)
    progress.after_run(RunContext(global_step=step - steps), values)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1200, 2000, 850.4, 0.01234, 0.94), "step 1,200/2,000 (60 %) · 850 steps/s · loss 0.01234 · 1 s left"),
        ((1, 2000, None, 0.5, None), "step 1/2,000 (0 %) · loss 0.5"),
        ((1999, 2000, 0.125, 0.5, 8.0), "step 1,999/2,000 (99 %) · 0.12 steps/s · loss 0.5 · 8 s left"),
        ((2000, 2000, 10.0, 0.5, 0.0), "step 2,000/2,000 (100 %) · 10 steps/s · loss 0.5"),
        ((7, None, 10.0, float("nan"), 3.0), "step 7 · 10 steps/s · loss nan"),
    ],
)
def test_a_line_says_what_is_known(
    arguments: tuple[int, int | None, float | None, float, float | None], expected: str
) -> None:
    assert line(*arguments) == expected


@pytest.mark.parametrize(
    ("secs", "expected"), [(0.2, "1 s"), (59.5, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_rounded_up(secs: float, expected: str) -> None:
    assert duration(secs) == expected


def test_the_first_call_does_not_count_as_speed_because_it_compiles() -> None:
    speed = Speed()
    assert speed.steps_per_sec is None
    speed.add(10, 5.0)
    assert speed.steps_per_sec == 2.0
    speed.add(100, 0.5)
    speed.add(100, 0.5)
    assert speed.steps_per_sec == 200.0


def test_a_window_forgets_what_is_old() -> None:
    rate = Window(30.0)
    rate.add(0.0, 100)
    assert rate.steps_per_sec is None
    rate.add(10.0, 200)
    assert rate.steps_per_sec == 10.0
    rate.add(50.0, 1000)
    assert rate.steps_per_sec == 20.0


def test_without_a_terminal_a_plain_line_comes_every_five_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(1000, stream=stream, clock=clock)
    with progress.shown():
        for at in range(12):
            call(progress, clock, at=at, step=100 + 50 * at, steps=50, seconds=1.0)
        progress.end(RunContext(global_step=650))
    assert stream.getvalue().splitlines() == [
        "step 100/1,000 (10 %) · loss 0.25",
        "step 350/1,000 (35 %) · 50 steps/s · loss 0.25 · 13 s left",
        "step 600/1,000 (60 %) · 50 steps/s · loss 0.25 · 8 s left",
        "step 650/1,000 (65 %) · 50 steps/s · loss 0.25 · 7 s left",
    ]


def test_the_time_left_counts_pauses_between_calls_and_the_speed_does_not() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(1000, stream=stream, clock=clock)
    call(progress, clock, at=0, step=100, steps=100, seconds=1.0)
    call(progress, clock, at=20, step=200, steps=100, seconds=1.0)
    assert stream.getvalue().splitlines()[-1].endswith(" · 100 steps/s · loss 0.25 · 2 min 40 s left")
    assert progress.speed.steps_per_sec == 100.0


def test_an_evaluation_does_not_throw_the_time_left_about() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(100_000, stream=stream, clock=clock)
    for at in range(100):
        call(progress, clock, at=at, step=100 * (at + 1), steps=100, seconds=1.0)
    before = stream.getvalue().splitlines()[-1]
    call(progress, clock, at=110, step=10_100, steps=100, seconds=1.0)  # after an evaluation of ten seconds
    assert before.endswith("15 min 4 s left")
    assert stream.getvalue().splitlines()[-1].endswith("16 min 29 s left")


def test_on_a_terminal_one_live_line_comes_and_goes() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(1000, stream=stream, clock=clock)
    with progress.shown():
        call(progress, clock, at=0, step=100, steps=100, seconds=1.0)
    assert "step 100/1,000 (10 %)" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


def test_the_last_line_stays_once_when_the_live_one_goes() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(1000, stream=stream, clock=clock)
    with progress.shown():
        call(progress, clock, at=0, step=100, steps=100, seconds=1.0)
        before = len(stream.getvalue())
        progress.end(RunContext(global_step=100))
    left = re.sub(r"[^\n]*\x1b\[2K|\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()[before:].replace("\r", ""))
    assert left.strip() == "step 100/1,000 (10 %) · loss 0.25"


def test_the_live_line_goes_when_training_fails() -> None:
    stream = Terminal()
    with pytest.raises(RuntimeError, match="boom"), Progress(10, stream=stream).shown():
        raise RuntimeError("boom")
    assert "\x1b[?25h" in stream.getvalue()


def test_the_step_is_known_after_each_call() -> None:
    clock = Clock()
    progress = Progress(None, stream=io.StringIO(), clock=clock)
    assert progress.global_step is None
    call(progress, clock, at=0, step=30, steps=30, seconds=1.0)
    assert progress.global_step == 30
    assert progress.every_n_steps is None
