"""When training ends early: the decisions as tables, the hooks with a clock of their own, and one training."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.estimator.one_weight import batches, make
from trainer.estimator import (
    Estimator,
    EvalSpec,
    RunContext,
    RunValues,
    TrainingHook,
    TrainSpec,
    experimental,
    train_and_evaluate,
)
from trainer.estimator.evaluation.stopping_rules import beyond, stalled
from trainer.estimator.saving.events import Events, read_scalars
from trainer.job import records


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def estimator(tmp_path: Path) -> Estimator:
    return make(tmp_path)


def evaluated(directory: str | Path, losses: dict[int, float], metric: str = "loss") -> None:
    """Leaves the events of evaluations, by step."""
    events = Events(str(directory))
    for step, loss in losses.items():
        events.scalars({metric: loss}, step, now=1.0)
    events.close()


def stops(hook: TrainingHook) -> bool:
    """Whether the hook ends training before the first step, where its first look falls."""
    context = RunContext(0)
    hook.begin()
    hook.before_run(context)
    return context.stop_requested


def after(hook: TrainingHook, step: int) -> None:
    hook.after_run(RunContext(step - 1), RunValues(step, np.zeros([1], np.float32), {}, seconds=0.1))


# The decisions


@pytest.mark.parametrize(
    ("values", "threshold", "better", "reason"),
    [
        ([], 1.0, operator.gt, None),
        ([(10, 0.5), (20, 1.0)], 1.0, operator.gt, None),
        ([(10, 1.5), (20, 0.5)], 1.0, operator.gt, "was 1.5 at step 10, and the threshold is 1"),
        ([(10, 1.0)], 1.0, operator.lt, None),
        ([(10, 2.0), (20, 0.5)], 1.0, operator.lt, "was 0.5 at step 20, and the threshold is 1"),
        ([(10, math.nan)], 1.0, operator.lt, None),
    ],
)
def test_a_value_beyond_the_threshold_ends_training(
    values: list[tuple[int, float]], threshold: float, better: Callable[[float, float], bool], reason: str | None
) -> None:
    assert beyond(values, threshold, better) == reason


@pytest.mark.parametrize(
    ("values", "better", "reason"),
    [
        ([], operator.lt, None),
        ([(10, 1.0)], operator.lt, None),
        ([(10, 1.0), (29, 1.0)], operator.lt, None),
        ([(10, 1.0), (30, 1.0)], operator.lt, "has not improved on 1 of step 10 by step 30"),
        ([(10, 1.0), (20, 0.9), (30, 1.0)], operator.lt, None),
        ([(10, 1.0), (20, 0.9), (40, 0.9)], operator.lt, "has not improved on 0.9 of step 20 by step 40"),
        ([(10, 1.0), (20, 1.1), (30, 1.2), (40, 1.3)], operator.gt, None),
        ([(10, 1.0), (20, 1.1), (30, 0.9), (40, 1.0)], operator.gt, "has not improved on 1.1 of step 20 by step 40"),
        ([(10, 1.0), (30, 0.9), (40, 0.5)], operator.lt, None),
        ([(10, math.nan), (20, 1.0), (30, 0.9)], operator.lt, None),
        ([(10, math.nan), (30, math.nan)], operator.lt, "has not improved on nan of step 10 by step 30"),
        ([(10, 1.0), (20, math.nan), (30, math.nan)], operator.lt, "has not improved on 1 of step 10 by step 30"),
    ],
)
def test_twenty_steps_without_a_better_value_end_training(
    values: list[tuple[int, float]], better: Callable[[float, float], bool], reason: str | None
) -> None:
    assert stalled(values, 20, better) == reason


# The hooks and the events that they read


@pytest.mark.parametrize(
    ("make_hook", "expected"),
    [
        (lambda e: experimental.stop_if_higher_hook(e, "loss", 0.9), True),
        (lambda e: experimental.stop_if_higher_hook(e, "loss", 1.0), False),
        (lambda e: experimental.stop_if_lower_hook(e, "loss", 0.6), True),
        (lambda e: experimental.stop_if_lower_hook(e, "loss", 0.5), False),
        (lambda e: experimental.stop_if_no_increase_hook(e, "loss", 20), True),
        (lambda e: experimental.stop_if_no_increase_hook(e, "loss", 21), False),
        (lambda e: experimental.stop_if_no_decrease_hook(e, "loss", 10), True),
        (lambda e: experimental.stop_if_no_decrease_hook(e, "loss", 11), False),
    ],
)
def test_a_hook_reads_the_evaluations_of_the_estimator(
    estimator: Estimator, make_hook: Callable[[Estimator], TrainingHook], expected: bool
) -> None:
    evaluated(estimator.eval_dir(), {10: 1.0, 20: 0.5, 30: 0.75})
    assert stops(make_hook(estimator)) is expected


def test_without_an_evaluation_training_goes_on(estimator: Estimator) -> None:
    assert not stops(experimental.stop_if_lower_hook(estimator, "loss", 100.0))


def test_evaluations_before_the_least_step_do_not_count(estimator: Estimator) -> None:
    evaluated(estimator.eval_dir(), {10: 0.5, 20: 2.0})
    assert stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0, min_steps=10))
    assert not stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0, min_steps=11))
    assert not stops(experimental.stop_if_no_decrease_hook(estimator, "loss", 10, min_steps=20))


def test_another_directory_of_evaluations_is_read(estimator: Estimator, tmp_path: Path) -> None:
    evaluated(tmp_path / "elsewhere", {10: 0.5})
    assert stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0, eval_dir=tmp_path / "elsewhere"))
    assert not stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0))


def test_a_corrupt_tail_keeps_the_evaluations_before_it(estimator: Estimator) -> None:
    evaluated(estimator.eval_dir(), {10: 0.5, 20: 2.0})
    (file,) = Path(estimator.eval_dir()).iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0))


def test_a_metric_that_no_evaluation_has_is_named(estimator: Estimator) -> None:
    evaluated(estimator.eval_dir(), {10: 0.5})
    evaluated(estimator.eval_dir(), {10: 0.7}, metric="rmse")
    with pytest.raises(ValueError) as raised:
        stops(experimental.stop_if_lower_hook(estimator, "mse", 1.0))
    assert str(raised.value) == (
        f"Early stopping looks at 'mse'; the evaluations in {estimator.eval_dir()} have loss, rmse. Name one of those"
    )


def test_the_reason_is_logged(estimator: Estimator, caplog: pytest.LogCaptureFixture) -> None:
    evaluated(estimator.eval_dir(), {10: 0.5})
    with caplog.at_level("INFO", logger="trainer"):
        stops(experimental.stop_if_lower_hook(estimator, "loss", 1.0))
    assert "Training ends early: loss was 0.5 at step 10, and the threshold is 1." in caplog.text


# When the function is asked


def test_the_first_look_is_immediate_and_the_next_ones_wait(estimator: Estimator) -> None:
    asked, clock = [], Clock()
    hook = experimental.make_early_stopping_hook(estimator, lambda: bool(asked.append(clock())), 60, clock=clock)
    assert not stops(hook)
    for seconds in (1030.0, 1059.0, 1060.0, 1090.0, 1120.0):
        clock.now = seconds
        after(hook, step=5)
    assert asked == [1000.0, 1060.0, 1120.0]


def test_looks_fall_on_the_steps_asked_for(estimator: Estimator) -> None:
    asked: list[int] = []
    hook = experimental.make_early_stopping_hook(
        estimator, lambda: bool(asked.append(0)), run_every_secs=None, run_every_steps=4
    )
    assert (hook.every_n_steps, stops(hook), len(asked)) == (4, False, 1)
    for step in (3, 4, 7, 8):
        after(hook, step)
    assert len(asked) == 3


def test_each_training_begins_with_a_look(estimator: Estimator) -> None:
    hook = experimental.make_early_stopping_hook(estimator, lambda: True)
    assert stops(hook) and stops(hook)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimator": 3}, TypeError, "estimator is 3. It takes an Estimator"),
        ({"should_stop_fn": 3}, TypeError, "should_stop_fn is 3. It takes a function"),
        ({"run_every_steps": 5}, ValueError, "run_every_secs is 60 and run_every_steps is 5. One of them is given"),
        ({"run_every_secs": None}, ValueError, "run_every_secs is None and run_every_steps is None. One of them"),
        ({"run_every_secs": None, "run_every_steps": 0}, ValueError, "run_every_steps is 0. It takes 1 or more"),
        ({"run_every_secs": -1}, ValueError, "run_every_secs is -1. It takes 0 or more"),
    ],
)
def test_a_wrong_argument_says_what_is_accepted(
    estimator: Estimator, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        experimental.make_early_stopping_hook(**{"estimator": estimator, "should_stop_fn": bool, **arguments})
    assert message in str(raised.value)


# A training


def test_training_ends_when_the_loss_is_low_and_says_so_to_everyone(tmp_path: Path) -> None:
    estimator = make(tmp_path)
    hook = experimental.stop_if_lower_hook(estimator, "loss", 0.1, run_every_secs=None, run_every_steps=5)
    train_and_evaluate(estimator, TrainSpec(batches(), 1000, [hook]), EvalSpec(batches(1), throttle_secs=0))
    losses = read_scalars(estimator.eval_dir())
    assert [step for step, found in losses.items() if found["loss"] < 0.1] == [20, 25]
    done = records.parsed((tmp_path / "training_done.json").read_bytes(), "training_done.json", {})
    assert done == {"reason": "early_stop", "global_step": 25, "checkpoint": "model.ckpt-25"}


def test_training_ends_at_the_step_of_a_checkpoint_that_a_program_waits_for(tmp_path: Path) -> None:
    estimator = make(tmp_path)
    estimator.train(batches(), hooks=[experimental.make_stop_at_checkpoint_step_hook(estimator, last_step=3)])
    assert estimator.get_variable_value("global_step") == 3


def test_a_run_that_began_without_early_stopping_is_continued_with_it(tmp_path: Path) -> None:
    make(tmp_path).train(batches(), max_steps=5)
    estimator = make(tmp_path)
    hook = experimental.stop_if_higher_hook(estimator, "loss", 100.0, run_every_secs=None, run_every_steps=2)
    estimator.train(batches(), hooks=[hook], max_steps=9)
    make(tmp_path).train(batches(), max_steps=10)
    assert estimator.get_variable_value("global_step") == 10
