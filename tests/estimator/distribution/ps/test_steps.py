"""How a chief has steps made."""

from __future__ import annotations

import collections
import logging
import threading
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from trainer.estimator.contract.xla_use import XlaUse
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.ps import steps as ps_steps
from trainer.estimator.distribution.ps.returned import Returned
from trainer.estimator.distribution.ps.steps import ServerSteps, _direct, unrolled_steps


def direct(
    model: step_models.Model, most: int, caplog: pytest.LogCaptureFixture, xla: XlaUse = XlaUse.WHERE_IT_PAYS
) -> tuple[int, str]:
    """The steps of a stack with push_every=1, and what is logged of how they are made."""
    with caplog.at_level(logging.INFO, "trainer"):
        _, size, _ = _direct(step_models.replica(model), tf.TensorSpec(step_models.BATCH), most, xla)
    return size, caplog.text


def test_steps_of_wide_models_are_made_in_stacks_about_as_long_as_those_of_small_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wide(x: tf.Tensor) -> tf.Tensor:
        weights = [tf.Variable(tf.zeros([5]), name=f"weight_{index}") for index in range(100)]
        return tf.reduce_mean((x - tf.add_n([weight.read_value() for weight in weights])) ** 2)

    assert direct(step_models.model(step_models.dense, step_models.sgd), 50, caplog) == (50, "")
    size, logged = direct(step_models.model(wide, step_models.adam_v1), 50, caplog)
    assert 25 < size <= 50 and not logged


@pytest.mark.parametrize(
    ("size", "length", "steps"),
    [(28, 1, 1), (28, 60, 2), (28, 2000, 12), (28, 100_000, 50), (28, None, 50), (1000, None, 4), (5000, 10**6, 1)],
)
def test_a_short_training_builds_few_of_its_steps_one_after_the_other(
    size: int, length: int | None, steps: int
) -> None:
    assert min(50, unrolled_steps(size, length)) == steps


def test_a_step_that_cannot_be_partitioned_crosses_op_by_op_and_a_line_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def sees_writes(x: tf.Tensor) -> tf.Tensor:
        centre = tf.Variable(tf.zeros([5]), trainable=False, name="centre")
        return step_models.dense(x - centre.assign(tf.reduce_mean(x, 0)))

    size, logged = direct(step_models.model(sees_writes, step_models.sgd), 7, caplog)
    assert size == 7
    assert "crosses the network by itself, because the loss is computed from what the step has written." in logged


def test_a_line_says_what_xla_does_not_compile(caplog: pytest.LogCaptureFixture) -> None:
    def asks_python(x: tf.Tensor) -> tf.Tensor:
        seen = tf.py_function(lambda tensor: tensor, [x], tf.float32)
        seen.set_shape(x.shape)
        return step_models.dense(seen)

    assert direct(step_models.model(asks_python, step_models.sgd), 2, caplog, XlaUse.NEVER) == (2, "")
    _, logged = direct(step_models.model(asks_python, step_models.sgd), 2, caplog)
    assert "XLA cannot compile this model function, so workers compute its steps op by op: " in logged


RETURNED = Returned((tf.TensorSpec([2], tf.int64),))


@pytest.mark.parametrize(
    ("paced", "stop_at", "num_steps", "wanted"),
    [
        (True, None, 1, [2, 2]),
        (True, None, 5, [4, 4]),
        (True, None, 500, [6, 6]),
        (True, 15, 500, [6, 5]),
        (True, 9, 500, [5]),
        (False, None, 1, [6, 6]),
    ],
    ids=["the first", "something due", "the longest", "the end", "one call to the end", "as long as asked for"],
)
def test_a_call_takes_as_many_stacks_as_there_is_time_for(
    paced: bool, stop_at: int | None, num_steps: int, wanted: list[int]
) -> None:
    steps, given = server_steps(), list[int]()
    steps._stop_at, steps._paced = stop_at, paced

    def schedule(_: Any, args: tuple[Any, tf.Tensor]) -> None:
        given.append(int(args[1]))

    steps._servers = cast(Any, SimpleNamespace(num_workers=1, coordinator=SimpleNamespace(schedule=schedule)))
    steps._call, steps._iterators = cast(Any, None), None
    steps._schedule(num_steps)
    assert given == wanted


class Called:
    """A call of two steps on a worker, which may be gone with the losses."""

    def __init__(self, error: Exception | None = None) -> None:
        self._status_available_event, self._error = threading.Event(), error

    def fetch(self) -> list[np.ndarray]:
        if self._error:
            raise self._error
        return [tensor.numpy() for tensor in RETURNED.pack(tf.constant(2), tf.ones([2]), [tf.zeros([0, 2], tf.int64)])]


def server_steps(*running: Called) -> ServerSteps:
    """All steps are made, and all calls of them but the last have returned."""
    for called in running[:-1]:
        called._status_available_event.set()
    steps = object.__new__(ServerSteps)
    steps._servers = cast(Any, SimpleNamespace(num_workers=1, coordinator=SimpleNamespace(done=lambda: False)))
    steps.traced = cast(Any, SimpleNamespace(store=SimpleNamespace(global_step=tf.Variable(4))))
    steps._stop_at, steps._step, steps._stack_steps, steps._most_stacks, steps._ended = 4, 4, 2, 3, 0
    steps._returned, steps._paced = RETURNED, True
    steps._in_hand = []
    steps._running = collections.deque((2, called) for called in running)
    return steps


@pytest.mark.parametrize(("answers", "losses"), [(True, 4), (False, 2)], ids=["late", "never"])
def test_the_last_losses_count_even_if_they_come_after_their_steps(
    answers: bool, losses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ps_steps, "_LAST_SECS", 30.0 if answers else 0.1)
    last = Called()
    timer = threading.Timer(0.2, last._status_available_event.set if answers else lambda: None)
    timer.start()
    assert len(server_steps(Called(), last).run(100).losses) == losses
    timer.join()


GONE = tf.errors.UnavailableError(None, None, "failed to connect to all addresses")
RESTARTED = tf.errors.InvalidArgumentError(None, None, "Unable to find the relevant tensor remote_handle: Op ID: 7")


@pytest.mark.parametrize("error", [GONE, RESTARTED], ids=["gone", "restarted"])
def test_a_worker_that_is_gone_with_its_losses_ends_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ps_steps, "_LAST_SECS", 0.1)
    result = server_steps(Called(error), Called()).run(100)
    assert (len(result.losses), result.data_ended) == (0, False)


def test_errors_of_servers_and_of_models_are_raised() -> None:
    from_server = tf.errors.UnavailableError(None, None, f"{ps_steps._FROM_SERVER}/replica:0/task:0: gone")
    with pytest.raises(PeerLostError, match="A parameter server is gone"):
        server_steps(Called(from_server), Called()).run(100)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
        server_steps(Called(tf.errors.InvalidArgumentError(None, None, "not a number")), Called()).run(100)
