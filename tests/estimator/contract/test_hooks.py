"""Hooks and listeners as objects; what the loop does with them is tested with the loop and the Estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import CheckpointSaverListener, RunContext, RunValues, TrainingHook
from trainer.estimator.contract.hooks import check_hooks, check_listeners, tell


def values(step: int, **results: Any) -> RunValues:
    return RunValues(step, np.zeros([1], np.float32), results, seconds=0.1)


def test_the_first_reason_to_stop_is_kept() -> None:
    context = RunContext(7)
    assert not context.stop_requested
    context.request_stop("enough")
    context.request_stop("more than enough")
    assert (context.stop_requested, context.stop_reason) == (True, "enough")


def test_every_moment_of_a_hook_and_a_listener_may_be_left_out() -> None:
    hook, listener, context = TrainingHook(), CheckpointSaverListener(), RunContext(0)
    hook.begin()
    hook.before_run(context)
    hook.after_run(context, values(1))
    hook.end(context)
    listener.begin()
    listener.before_save(1)
    assert listener.after_save(1) is None
    listener.end(1)
    assert not context.stop_requested


@pytest.mark.parametrize("nothing", [None, (), []])
def test_no_hooks_are_no_hooks(nothing: Any) -> None:
    assert check_hooks(nothing) == check_listeners(nothing) == ()


def test_hooks_of_an_iterator_are_all_kept() -> None:
    hook, listener = TrainingHook(), CheckpointSaverListener()
    assert check_hooks(iter([hook, hook])) == (hook, hook)
    assert check_listeners(iter([listener])) == (listener,)


def test_a_session_run_hook_is_a_hook_and_another_object_is_none() -> None:
    hook = tf.compat.v1.train.SessionRunHook()
    assert check_hooks([hook]) == (hook,)
    with pytest.raises(TypeError, match="hooks has 3. Hooks are objects of TrainingHook or of SessionRunHook"):
        check_hooks([3])


def test_a_hook_that_is_not_in_a_list_is_told_so() -> None:
    with pytest.raises(TypeError, match="It takes a list. Put it into brackets"):
        check_hooks(TrainingHook())


def test_a_listener_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="saving_listeners has 3. They are CheckpointSaverListener objects"):
        check_listeners([3])


def test_a_listener_written_for_tf_estimator_gets_none_for_its_session() -> None:
    class Old(CheckpointSaverListener):
        def after_save(self, session: Any, global_step_value: int) -> tuple[Any, int]:  # type: ignore[override]
            return session, global_step_value

    class New(CheckpointSaverListener):
        def after_save(self, global_step_value: int) -> int:  # type: ignore[override]
            return global_step_value

    assert tell(Old().after_save, 3) == (None, 3)
    assert tell(New().after_save, 3) == 3
