"""What is read from inside of the hooks that TensorFlow ships."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import stock_hooks

TRAIN = tf.compat.v1.train


@pytest.mark.parametrize(
    "hook",
    [
        TRAIN.LoggingTensorHook([], every_n_iter=7),
        TRAIN.StepCounterHook(every_n_steps=7),
        TRAIN.SummarySaverHook(save_steps=7, output_dir="there", summary_op=""),
    ],
)
def test_a_timed_hook_says_how_often_it_is_due(hook: Any) -> None:
    assert stock_hooks.is_timed(hook)
    assert stock_hooks.every_steps(hook) == 7


def test_a_hook_by_seconds_or_at_the_end_has_no_steps() -> None:
    assert stock_hooks.every_steps(TRAIN.StepCounterHook(every_n_steps=None, every_n_secs=7)) is None
    assert stock_hooks.every_steps(TRAIN.LoggingTensorHook([], at_end=True)) is None


def test_a_hook_that_changes_what_happens_around_a_step_is_not_timed() -> None:
    class Own(TRAIN.LoggingTensorHook):
        def before_run(self, run_context: Any) -> None:
            """Something of its own."""

    assert not stock_hooks.is_timed(Own([], every_n_iter=7))
    assert not stock_hooks.is_timed(TRAIN.StopAtStepHook(7))


def test_a_logging_hook_is_due_at_the_iteration_that_it_is_told() -> None:
    hook = TRAIN.LoggingTensorHook([], every_n_iter=7, formatter=str)
    with tf.Graph().as_default():
        hook.begin()
    asked = []
    for iterations in (0, 6, 7):
        stock_hooks.count(hook, iterations, iterations + 1)
        asked.append(hook.before_run(None) is not None)
        hook.after_run(None, TRAIN.SessionRunValues({}, None, None))
    assert asked == [True, False, True]


def test_what_stock_hooks_were_given_is_found() -> None:
    loss = tf.constant(1.0)
    assert stock_hooks.watched_loss(TRAIN.NanTensorHook(loss)) is loss
    assert stock_hooks.last_step(TRAIN.StopAtStepHook(last_step=7)) == 7
    assert stock_hooks.last_step(TRAIN.NanTensorHook(loss)) is None
    assert stock_hooks.asks_at_end(TRAIN.FinalOpsHook([loss])) == [loss]
    assert stock_hooks.saving(TRAIN.CheckpointSaverHook("there", save_secs=7)) == (None, 7, [])


def test_the_read_of_the_global_step_that_hooks_make_is_known() -> None:
    with tf.Graph().as_default() as graph:
        TRAIN.create_global_step()
        hook = TRAIN.StepCounterHook(every_n_steps=7)
        hook.begin()
        assert stock_hooks.step_reads(graph) == [hook.before_run(None).fetches]
