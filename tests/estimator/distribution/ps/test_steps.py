"""What a chief says of workers that are gone, and how it has steps made."""

from __future__ import annotations

import collections
import logging
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.ps import steps as ps_steps
from trainer.estimator.distribution.ps.steps import LostWorkers, ServerSteps, _direct, wait_for

COORDINATOR_SAYS = (
    "Worker /job:worker/replica:0/task:1 failed with UnavailableError():failed to connect\nAdditional ..."
)


def record(text: str, created: float) -> logging.LogRecord:
    made = logging.LogRecord("tensorflow", logging.ERROR, __file__, 1, text, (), None)
    made.created = created
    return made


def test_a_lost_worker_is_one_line_and_said_once_in_some_seconds() -> None:
    lost = LostWorkers()
    first = record(COORDINATOR_SAYS, 100.0)
    assert lost.filter(first)
    assert first.getMessage() == (
        "Worker 1 does not answer. Others make its steps, and it trains again when it is back."
    )
    assert first.levelno == logging.WARNING
    assert not lost.filter(record(COORDINATOR_SAYS, 101.0))
    assert lost.filter(record(COORDINATOR_SAYS.replace("task:1", "task:2"), 101.0))
    assert lost.filter(record(COORDINATOR_SAYS, 130.0))


@pytest.mark.parametrize(
    "said",
    [
        "Start cancelling closures due to error InvalidArgumentError(): Traceback ...",
        " /job:worker/task:0 encountered the following error when processing closure: InvalidArgumentError(): ...",
    ],
)
def test_errors_that_are_raised_as_well_are_not_said(said: str) -> None:
    assert not LostWorkers().filter(record(said, 100.0))


def test_everything_else_that_is_said_passes_unchanged() -> None:
    other = record("Cluster update failed", 100.0)
    assert LostWorkers().filter(other)
    assert (other.getMessage(), other.levelno) == ("Cluster update failed", logging.ERROR)


def test_a_chief_names_who_has_not_come_and_gives_up_after_a_time() -> None:
    with socket.socket() as here, socket.socket() as gone:
        here.bind(("127.0.0.1", 0))
        here.listen()
        gone.bind(("127.0.0.1", 0))
        there, missing = (f"127.0.0.1:{end.getsockname()[1]}" for end in (here, gone))
        waits: list[float] = []
        with pytest.raises(PeerLostError, match=f"Nobody has come to {missing} in 3 s") as raised:
            wait_for([there, missing], secs=3, wait=waits.append)
        assert (raised.value.exit_code, waits) == (143, [1.0, 1.0, 1.0])
        gone.listen()
        wait_for([there, missing], secs=0)


def direct(model: step_models.Model, most: int, caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    """The steps of a call with push_every=1, and what is said of how they are made."""
    with caplog.at_level(logging.INFO, "trainer"):
        _, size, _ = _direct(lambda spec, xla: step_models.traced(model, xla=xla), None, most)
    return size, caplog.text


def test_steps_of_wide_models_are_made_in_calls_about_as_long_as_those_of_small_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wide(x: tf.Tensor) -> tf.Tensor:
        weights = [tf.Variable(tf.zeros([5]), name=f"weight_{index}") for index in range(100)]
        return tf.reduce_mean((x - tf.add_n([weight.read_value() for weight in weights])) ** 2)

    assert direct(step_models.model(step_models.dense, step_models.sgd), 50, caplog) == (50, "")
    size, said = direct(step_models.model(wide, step_models.adam_v1), 50, caplog)
    assert 25 < size <= 50 and not said


def test_what_cannot_be_cut_is_said_and_crosses_op_by_op(caplog: pytest.LogCaptureFixture) -> None:
    def sees_writes(x: tf.Tensor) -> tf.Tensor:
        centre = tf.Variable(tf.zeros([5]), trainable=False, name="centre")
        return step_models.dense(x - centre.assign(tf.reduce_mean(x, 0)))

    size, said = direct(step_models.model(sees_writes, step_models.sgd), 7, caplog)
    assert size == 7
    assert "crosses the network by itself, because the loss is computed from what the step has written." in said


def test_what_xla_does_not_compile_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def asks_python(x: tf.Tensor) -> tf.Tensor:
        seen = tf.py_function(lambda tensor: tensor, [x], tf.float32)
        seen.set_shape(x.shape)
        return step_models.dense(seen)

    _, said = direct(step_models.model(asks_python, step_models.sgd), 2, caplog)
    assert "XLA cannot compile this model function, so workers compute its steps op by op: " in said


WATCHES = """
import sys, threading
from trainer.estimator.ps import _Watch
_Watch(sys.argv[1:], every_secs=0.05, misses=2, grace_secs=0.0).start()
print("watching", flush=True)
threading.Event().wait()
"""


@pytest.mark.process
def test_a_watch_ends_the_process_when_a_parameter_server_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stays, socket.create_server(("127.0.0.1", 0)) as goes:
        there, gone = (f"127.0.0.1:{end.getsockname()[1]}" for end in (stays, goes))
        watched = subprocess.Popen(
            [sys.executable, "-c", WATCHES, there, gone], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert watched.stdout is not None
            assert watched.stdout.readline() == "watching\n"
            assert watched.poll() is None
            goes.close()
            said = watched.communicate(timeout=60)[1]
        finally:
            watched.kill()
            watched.wait()
    assert watched.returncode == PeerLostError.exit_code
    assert said.splitlines()[-1] == (
        f"The parameter server at {gone} is gone. Start the job again: it goes on from the last checkpoint."
    )


class Called:
    """A call of two steps on a worker, which may be gone with the losses."""

    def __init__(self, error: Exception | None = None) -> None:
        self._status_available_event, self._error = threading.Event(), error

    def fetch(self) -> tuple[int, np.ndarray]:
        if self._error:
            raise self._error
        return 2, np.ones([2], np.float32)


def server_steps(*running: Called) -> ServerSteps:
    """All steps are made, and all calls of them but the last have said so."""
    for called in running[:-1]:
        called._status_available_event.set()
    steps = object.__new__(ServerSteps)
    steps._servers = cast(Any, SimpleNamespace(num_workers=1, coordinator=SimpleNamespace(done=lambda: False)))
    steps.traced = cast(Any, SimpleNamespace(store=SimpleNamespace(global_step=tf.Variable(4))))
    steps._stop_at, steps._step, steps._call_steps, steps._ended = 4, 4, 2, 0
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
