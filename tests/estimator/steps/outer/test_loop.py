"""The outer loop: hooks, summaries and saves at just the steps asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from trainer.estimator import (
    CheckpointSaverListener,
    Estimator,
    EstimatorSpec,
    LoggingTensorHook,
    RunConfig,
    RunContext,
    RunValues,
    TrainingHook,
)
from trainer.estimator.saving.checkpoint_store import LocalCheckpoints
from trainer.estimator.saving.events import Events, read_scalars
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError
from trainer.estimator.steps.outer.loop import TrainingLoop
from trainer.estimator.steps.outer.outputs import Outputs
from trainer.estimator.steps.steps import CallResult
from trainer.estimator.steps.timing.cadence import Cadence
from trainer.estimator.steps.timing.stop import Stop, StopReason
from trainer.job.errors import TrainingError

V1 = tf.compat.v1


def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
    """The loss of a step is the value of its batch; the weight counts the steps."""
    weight = tf.Variable(0.0, name="w")
    return EstimatorSpec(mode, loss=tf.reduce_mean(features), train_op=weight.assign_add(1.0))


def numbers(count: int = 100) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.range(1, count + 1).map(lambda n: tf.cast(n, tf.float32)[None])


def estimator(directory: Path, function: Callable[..., EstimatorSpec] = model_fn, **settings: Any) -> Estimator:
    return Estimator(function, directory, RunConfig(**settings))


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Passing(TrainingHook):
    """Lets ten seconds pass at every step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self._clock.now += 10


class Recording(TrainingHook):
    def __init__(self, every_n_steps: int | None, stop_at: int | None = None) -> None:
        self.every_n_steps, self._stop_at = every_n_steps, stop_at
        self.seen: list[Any] = []

    def begin(self) -> None:
        self.seen.append("begin")

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        assert run_values.global_step - run_context.global_step == len(run_values.losses)
        self.seen.append(run_values.global_step)
        if run_values.global_step == self._stop_at:
            run_context.request_stop()

    def end(self, run_context: RunContext) -> None:
        self.seen.append("end")


class Saves(CheckpointSaverListener):
    def __init__(self, stop_at: int | None = None) -> None:
        self.steps: list[int] = []
        self._stop_at = stop_at

    def after_save(self, global_step_value: int) -> bool:
        self.steps.append(global_step_value)
        return global_step_value == self._stop_at


def loop(
    directory: Path, clock: Clock, listeners: Sequence[CheckpointSaverListener] = (), **cadence: Any
) -> TrainingLoop:
    """Seven steps, ten seconds each."""
    return TrainingLoop(
        steps=step_models.steps(model_fn, numbers()),
        stop_at=7,
        outputs=Outputs(
            Cadence(**cadence),
            Saver(LocalCheckpoints(str(directory)), 5, 10000, clock()),
            Events(str(directory)),
        ),
        hooks=[Passing(clock)],
        listeners=listeners,
        stop=Stop(),
        clock=clock,
    )


def test_hooks_are_called_at_exactly_their_steps(tmp_path: Path) -> None:
    each, third, loose = Recording(1), Recording(3), Recording(None)
    estimator(tmp_path).train(numbers(), hooks=[third, loose], steps=7)
    assert {3, 6, 7} <= {step for step in third.seen if isinstance(step, int)}
    assert (third.seen[0], third.seen[-1]) == ("begin", "end")
    assert loose.seen == third.seen
    estimator(tmp_path).train(numbers(), hooks=[each], steps=3)
    assert each.seen == ["begin", 8, 9, 10, "end"]


def test_a_tensor_of_the_model_function_is_logged_every_so_many_steps(tmp_path: Path) -> None:
    lines: list[str] = []

    def hooked(features: tf.Tensor, mode: str) -> EstimatorSpec:
        spec = model_fn(features, mode)
        log = LoggingTensorHook({"x": features[0]}, every_n_iter=2, formatter=lambda values: lines.append(str(values)))
        return spec._replace(training_hooks=[log])

    estimator(tmp_path, hooked).train(numbers(), steps=6)
    assert lines == [str({"x": np.float32(x)}) for x in (1, 3, 5)]


def test_summaries_fall_on_the_first_step_and_every_so_many_after(tmp_path: Path) -> None:
    def summarized(features: tf.Tensor, mode: str) -> EstimatorSpec:
        V1.summary.scalar("old", 10.0 * features[0])
        tf.summary.scalar("new", 100.0 * features[0])
        return model_fn(features, mode)

    trained = estimator(tmp_path, summarized, save_summary_steps=3, log_step_count_steps=None)
    trained.train(numbers(), steps=5)
    Estimator(summarized, config=trained.config).train(numbers(), steps=5)
    expected = {step: {"loss": step, "old": 10 * step, "new": 100 * step} for step in (1, 4, 6, 9)}
    assert read_scalars(str(tmp_path)) == expected


@pytest.mark.parametrize("never", [None, 0])
def test_no_summaries_where_none_are_asked_for(never: int | None, tmp_path: Path) -> None:
    def summarized(features: tf.Tensor, mode: str) -> EstimatorSpec:
        tf.summary.scalar("new", features[0])
        return model_fn(features, mode)

    estimator(tmp_path, summarized, save_summary_steps=never, log_step_count_steps=None).train(numbers(), steps=3)
    assert read_scalars(str(tmp_path)) == {}


def test_a_summary_called_loss_takes_the_place_of_the_loss(tmp_path: Path) -> None:
    def summarized(features: tf.Tensor, mode: str) -> EstimatorSpec:
        tf.summary.scalar("loss", features[0] + 100.0)
        return model_fn(features, mode)

    estimator(tmp_path, summarized).train(numbers(), steps=2)
    assert read_scalars(str(tmp_path)) == {1: {"loss": 101.0}}


def test_histograms_reach_the_event_file(tmp_path: Path) -> None:
    def summarized(features: tf.Tensor, mode: str) -> EstimatorSpec:
        tf.summary.histogram("spread", features)
        return model_fn(features, mode)

    estimator(tmp_path, summarized, save_summary_steps=1).train(numbers(), steps=2)
    (file,) = tmp_path.glob("events*")
    events = V1.train.summary_iterator(str(file))
    found = [(event.step, value.tag) for event in events for value in event.summary.value]
    assert [step for step, tag in found if tag == "spread"] == [1, 2]


def test_the_speed_is_reported_from_the_second_time_on(tmp_path: Path, clock: Clock) -> None:
    loop(tmp_path, clock, log_steps=2).run()
    speeds = {step: found["global_step/sec"] for step, found in read_scalars(str(tmp_path)).items()}
    assert speeds == {step: pytest.approx(0.1) for step in (3, 5, 7)}


def test_saves_fall_on_steps_and_on_the_first_and_the_last(tmp_path: Path) -> None:
    saves = Saves()
    estimator(tmp_path, save_checkpoints_steps=3).train(numbers(), steps=7, saving_listeners=[saves])
    assert saves.steps == [0, 3, 6, 7]


def test_saves_fall_on_seconds(tmp_path: Path, clock: Clock) -> None:
    saves = Saves()
    loop(tmp_path, clock, [saves], save_secs=25).run()
    assert saves.steps == [0, 3, 6, 7]


def test_a_listener_may_end_training(tmp_path: Path) -> None:
    trained = estimator(tmp_path, save_checkpoints_steps=2)
    trained.train(numbers(), steps=9, saving_listeners=[Saves(stop_at=4)])
    assert trained.latest_checkpoint() == str(tmp_path / "model.ckpt-4")
    assert trained.stop_reason is StopReason.EARLY_STOP


def test_why_training_ended_is_known(tmp_path: Path) -> None:
    trained = estimator(tmp_path)
    trained.train(numbers(), max_steps=3)
    reasons = [trained.stop_reason]
    trained.train(numbers(), hooks=[Recording(1, stop_at=5)], max_steps=9)
    reasons.append(trained.stop_reason)
    trained.train(numbers(2))
    reasons.append(trained.stop_reason)
    trained.stop.request("signal")
    trained.train(numbers())
    reasons.append(trained.stop_reason)
    assert reasons == [StopReason.MAX_STEPS, StopReason.EARLY_STOP, StopReason.DATA_END, StopReason.INTERRUPTED]
    assert trained.get_variable_value("global_step") == 7


def test_a_training_that_is_stopped_before_its_first_step_does_not_blame_the_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = estimator(tmp_path)
    trained.stop.request("signal")
    trained.train(numbers())
    assert trained.stop_reason is StopReason.INTERRUPTED
    assert "gave no batch" not in caplog.text


def test_a_nan_ends_training_and_names_its_step_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    def broken() -> tf.data.Dataset:
        values = np.array([1, 2, 3, 4, np.nan, 6], np.float32)
        return tf.data.Dataset.from_tensor_slices(values[:, None])

    trained = estimator(tmp_path, save_checkpoints_steps=2)
    with pytest.raises(NanLossError) as raised:
        trained.train(broken, steps=6)
    assert "The loss is NaN at step 5; the last good checkpoint is model.ckpt-4 in" in str(raised.value)
    assert "Lower the learning rate" in str(raised.value)
    assert isinstance(raised.value, RuntimeError)
    assert isinstance(raised.value, TrainingError)
    assert trained.get_variable_value("w") == 4.0


def test_a_nan_without_saves_says_that_there_is_no_checkpoint(tmp_path: Path) -> None:
    trained = estimator(tmp_path, save_checkpoints_steps=None, save_checkpoints_secs=None)
    with pytest.raises(RuntimeError, match="The loss is NaN at step 1; no checkpoint was saved"):
        trained.train(lambda: tf.data.Dataset.from_tensors([np.nan]), steps=1)


def test_steps_count_whose_losses_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saves = Saves()
    training = loop(tmp_path, Clock(), [saves], save_steps=100)
    run = training.steps.run

    def losing(num_steps: int) -> CallResult:
        run(num_steps)
        return CallResult(np.zeros([0], np.float32), {}, False)

    monkeypatch.setattr(training.steps, "run", losing)
    assert training.run() is StopReason.MAX_STEPS
    assert saves.steps == [0, 7]
