"""Hooks of TensorFlow 1, as programs of tf.estimator have them, around training, evaluation and prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, ProfilerHook, RunConfig
from trainer.estimator.saving.events import read_scalars

V1 = tf.compat.v1
TRAIN = V1.train


class Asking(TRAIN.SessionRunHook):
    """Asks for the same of every step, and keeps what it gets and when it is called."""

    def __init__(self, fetches: Any = None) -> None:
        self.fetches, self.results = fetches, []
        self.calls: list[str] = []

    def begin(self) -> None:
        self.calls.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.calls.append("created")

    def before_run(self, run_context: Any) -> Any:
        self.calls.append("before")
        return TRAIN.SessionRunArgs(self.fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.calls.append("after")
        self.results.append(run_values.results)

    def end(self, session: Any) -> None:
        self.calls.append("end")


def numbers() -> tf.data.Dataset:
    return tf.data.Dataset.range(1, 100).map(lambda x: tf.cast(x, tf.float32)[tf.newaxis])


def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
    """The loss of step n, at weight 0 and rate 1e-9, is n."""
    weight = V1.get_variable("weight", [], initializer=V1.zeros_initializer())
    count = V1.get_variable("count", [], tf.int64, V1.zeros_initializer(), trainable=False)
    loss = tf.identity(tf.reduce_mean(features) + 0.0 * weight, name="my_loss")
    tf.group(V1.assign_add(count, 1), name="count_up")
    op = TRAIN.GradientDescentOptimizer(1e-9).minimize(loss, TRAIN.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=op, predictions={"x": features})


def trained(path: Path, hook: Any, steps: int = 5, function: Any = model_fn) -> Estimator:
    estimator = Estimator(function, config=RunConfig(model_dir=path, save_summary_steps=None))
    return estimator.train(numbers, hooks=[hook], steps=steps)


def test_what_a_hook_names_is_there_after_every_step(tmp_path: Path) -> None:
    hook = Asking({"loss": "my_loss:0", "step": ["global_step:0"], "nothing": "count_up"})
    trained(tmp_path, hook, steps=3)
    assert [result["loss"] for result in hook.results] == [1.0, 2.0, 3.0]
    assert [result["step"] for result in hook.results] == [[0], [1], [2]]
    assert hook.calls == ["begin", "before", "created", "after", *["before", "after"] * 2, "end"]


def test_an_op_that_needs_no_batch_runs_as_often_as_it_is_asked_for(tmp_path: Path) -> None:
    class Sometimes(Asking):
        def before_run(self, run_context: Any) -> Any:
            super().before_run(run_context)
            return TRAIN.SessionRunArgs("count_up") if self.calls.count("before") % 2 else None

    assert trained(tmp_path, Sometimes(), steps=6).get_variable_value("count") == 3


def test_an_update_that_reads_what_training_writes_runs_between_the_steps(tmp_path: Path) -> None:
    def copying(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("weight", [], initializer=V1.zeros_initializer())
        target = V1.get_variable("target", [], initializer=V1.zeros_initializer(), trainable=False)
        loss = tf.reduce_mean(features) - weight
        op = TRAIN.GradientDescentOptimizer(1.0).minimize(loss, TRAIN.get_global_step())
        tf.group(target.assign(weight), name="copy")
        return EstimatorSpec(mode, loss=loss, train_op=op)

    class EveryThird(Asking):
        def before_run(self, run_context: Any) -> Any:
            super().before_run(run_context)
            return TRAIN.SessionRunArgs("copy") if self.calls.count("before") % 3 == 0 else None

    estimator = trained(tmp_path, EveryThird(), steps=5, function=copying)
    assert (estimator.get_variable_value("weight"), estimator.get_variable_value("target")) == (5, 3)


def test_the_loss_is_logged_on_the_first_step_and_every_so_many_after(tmp_path: Path) -> None:
    lines: list[Any] = []
    hook = TRAIN.LoggingTensorHook({"l": "my_loss"}, every_n_iter=3, formatter=lambda values: lines.append(values["l"]))
    trained(tmp_path, hook, steps=9)
    assert lines == [1, 4, 7]


def test_a_hook_logs_at_the_end_what_the_last_step_gave(tmp_path: Path) -> None:
    lines: list[Any] = []
    hook = TRAIN.LoggingTensorHook(["my_loss"], at_end=True, formatter=lambda values: lines.append(values["my_loss"]))
    trained(tmp_path, hook, steps=4)
    assert lines == [4]


@pytest.mark.parametrize("wanted", [{"num_steps": 7}, {"last_step": 7}])
def test_training_stops_at_the_very_step(wanted: Any, tmp_path: Path) -> None:
    hook = TRAIN.StopAtStepHook(**wanted)
    assert trained(tmp_path, hook, steps=50).get_variable_value("global_step") == 7


def test_a_hook_that_asks_for_a_stop_ends_training(tmp_path: Path) -> None:
    class Stops(Asking):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            run_context.request_stop()

    assert trained(tmp_path, Stops()).get_variable_value("global_step") == 1


def test_summaries_and_the_speed_are_written_by_their_hooks(tmp_path: Path) -> None:
    def summarized(features: tf.Tensor, mode: str) -> EstimatorSpec:
        spec = model_fn(features, mode)
        merged = V1.summary.merge([V1.summary.scalar("x", features[0])])
        hooks = [
            TRAIN.SummarySaverHook(save_steps=4, output_dir=str(tmp_path / "own"), summary_op=merged),
            TRAIN.StepCounterHook(every_n_steps=2, output_dir=str(tmp_path / "own")),
        ]
        return spec._replace(training_hooks=hooks)

    trained(tmp_path, TRAIN.FinalOpsHook([]), steps=9, function=summarized)
    written = read_scalars(str(tmp_path / "own"))
    assert {step: values["x"] for step, values in written.items() if "x" in values} == {1: 1, 5: 5, 9: 9}
    assert {step for step, values in written.items() if "global_step/sec" in values} == {3, 5, 7, 9}


def test_final_ops_are_read_after_the_last_step(tmp_path: Path) -> None:
    class Final(TRAIN.FinalOpsHook):
        def begin(self) -> None:
            self._final_ops = V1.global_variables()[0].read_value()

    hook = Final(None)
    estimator = trained(tmp_path, hook)
    assert hook.final_ops_values == estimator.get_variable_value("weight")


def test_a_hook_that_saves_takes_the_place_of_the_configs_cadence(tmp_path: Path) -> None:
    saved: list[int] = []

    class Listener(TRAIN.CheckpointSaverListener):
        def after_save(self, session: Any, global_step_value: int) -> None:
            saved.append(global_step_value)

    hook = TRAIN.CheckpointSaverHook(str(tmp_path), save_steps=2, listeners=[Listener()])
    trained(tmp_path, hook, steps=5)
    assert saved == [0, 2, 4, 5]


def test_hooks_of_evaluation_and_prediction_see_each_batch(tmp_path: Path) -> None:
    estimator = trained(tmp_path, Asking())
    hook = Asking("my_loss:0")
    estimator.evaluate(numbers, steps=3, hooks=[hook])
    assert hook.results == [1, 2, 3]
    predicting = Asking({"x": "my_loss:0"})
    assert len(list(estimator.predict(lambda: numbers().take(2), hooks=[predicting]))) == 2
    assert [result["x"] for result in predicting.results] == [1, 2]


def test_a_hook_of_the_model_function_hears_of_its_own_trace(tmp_path: Path) -> None:
    hooks = []

    def hooked(features: tf.Tensor, mode: str) -> EstimatorSpec:
        spec = model_fn(features, mode)
        hooks.append(Asking(spec.loss))
        return spec._replace(training_hooks=[hooks[-1]], evaluation_hooks=[hooks[-1]])

    estimator = trained(tmp_path, Asking(), steps=3, function=hooked)
    assert [hook.results for hook in hooks if hook.results] == [[1, 2, 3]]
    for _ in range(2):
        estimator.evaluate(numbers, steps=2)
    assert hooks[-1].results == [1, 2, 1, 2]


def test_a_hook_is_told_that_there_is_no_session(tmp_path: Path) -> None:
    class OldWay(Asking):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            run_context.session.run("my_loss:0")

    with pytest.raises(ValueError, match="OldWay asks for run_context.session, and there is no Session"):
        trained(tmp_path, OldWay())


def test_a_hook_that_feeds_is_refused(tmp_path: Path) -> None:
    hook = TRAIN.FeedFnHook(lambda: {"x:0": 1.0})
    with pytest.raises(ValueError, match="FeedFnHook feeds .*, and there is no Session to feed"):
        trained(tmp_path, hook)


def test_what_was_not_asked_for_at_first_cannot_be_seen_later(tmp_path: Path) -> None:
    class Late(Asking):
        def before_run(self, run_context: Any) -> Any:
            super().before_run(run_context)
            return TRAIN.SessionRunArgs("Mean:0") if self.calls.count("before") > 2 else None

    with pytest.raises(ValueError, match="Mean:0 is asked for between two steps, and it needs a batch"):
        trained(tmp_path, Late())


def test_a_profile_is_written_where_a_profiler_hook_says(tmp_path: Path) -> None:
    trained(tmp_path, ProfilerHook(save_steps=100, output_dir=str(tmp_path / "profiles")))
    assert list((tmp_path / "profiles").rglob("*.xplane.pb"))


def test_predictions_are_as_without_hooks(tmp_path: Path) -> None:
    estimator = trained(tmp_path, TRAIN.NanTensorHook("my_loss:0"))
    values = [row["x"] for row in estimator.predict(lambda: numbers().take(2), hooks=[Asking()])]
    assert np.array_equal(values, [1.0, 2.0])
    assert ModeKeys.PREDICT == "infer"
