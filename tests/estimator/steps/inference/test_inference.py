"""Evaluation and prediction over batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys, RunContext, RunValues, TrainingHook
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps.inference.inference import EmptyDataError, Evaluation, prediction, single_examples
from trainer.estimator.steps.timing.stop import Stop, StopRequestedError
from trainer.job.errors import DataError

V1 = tf.compat.v1


def model(x: tf.Tensor, mode: str) -> EstimatorSpec:
    bias = tf.Variable(1.0, name="bias")
    metric = keras.metrics.Mean(name="keras_mean")
    metric.update_state(x, sample_weight=x)
    metrics = {
        "pair": V1.metrics.mean(x),
        "auc": V1.metrics.auc(x > 2.0, x / 10.0),
        "keras": metric,
    }
    return EstimatorSpec(mode, {"y": x + bias, "z": x}, tf.reduce_mean(x), eval_metric_ops=metrics)


def traced(mode: str, model_fn: Any = model) -> TracedModel:
    return trace(lambda x: (model_fn(x, mode), None), [tf.TensorSpec([None])], mode, VariableStore())


def numbers(count: int = 5, size: int = 2) -> tf.data.Dataset:
    return tf.data.Dataset.range(1, count + 1).map(lambda n: tf.cast(n, tf.float32)).batch(size)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return Evaluation(traced(ModeKeys.EVAL))


class Recording(TrainingHook):
    def __init__(self, every_n_steps: int | None = 1, stop_at: int | None = None) -> None:
        self.every_n_steps, self._stop_at = every_n_steps, stop_at
        self.seen: list[Any] = []

    def begin(self) -> None:
        self.seen.append("begin")

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self.seen.append(run_values.global_step)
        if run_values.global_step == self._stop_at:
            run_context.request_stop()

    def end(self, run_context: RunContext) -> None:
        self.seen.append("end")


def test_pairs_and_keras_metrics_stream_over_rows_and_the_loss_over_batches(evaluation: Evaluation) -> None:
    results = evaluation.run(numbers(), None, [])
    assert list(results) == ["auc", "keras", "loss", "pair", "global_step"]
    assert results["pair"] == pytest.approx(3.0)
    assert results["keras"] == pytest.approx(55 / 15)
    assert results["loss"] == pytest.approx((1.5 + 3.5 + 5.0) / 3)
    assert results["auc"] == pytest.approx(1.0, abs=1e-3)


def test_each_evaluation_begins_its_metrics_afresh(evaluation: Evaluation) -> None:
    assert evaluation.run(numbers(), 1, [])["pair"] == pytest.approx(1.5)
    assert evaluation.run(numbers(), 1, [])["pair"] == pytest.approx(1.5)


def test_it_ends_with_the_data_or_after_so_many_batches(evaluation: Evaluation) -> None:
    assert evaluation.run(numbers(), 2, [])["pair"] == pytest.approx(2.5)
    assert evaluation.run(numbers(), 99, [])["pair"] == pytest.approx(3.0)
    assert evaluation.run(numbers().repeat(), 250, [])["pair"] == pytest.approx(3.0, abs=0.01)


def test_data_without_a_batch_are_an_error(evaluation: Evaluation) -> None:
    with pytest.raises(EmptyDataError, match="yielded no batch.*Check its paths and its batch size") as raised:
        evaluation.run(numbers().take(0), None, [])
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, DataError)


def test_hooks_see_batches_and_may_end(evaluation: Evaluation) -> None:
    each, loose, ending = Recording(), Recording(None), Recording(stop_at=2)
    evaluation.run(numbers(), None, [each])
    evaluation.run(numbers(), None, [loose])
    assert evaluation.run(numbers(), None, [ending])["pair"] == pytest.approx(2.5)
    assert each.seen == ["begin", 1, 2, 3, 3, "end"]
    assert loose.seen == ["begin", 1, 3, "end"]  # a first call of one batch shows how long one takes
    assert ending.seen == ["begin", 1, 2, "end"]


@pytest.mark.parametrize("name", ["loss", "global_step"])
def test_reserved_names_are_an_error(name: str) -> None:
    def reserved(x: tf.Tensor, mode: str) -> EstimatorSpec:
        return EstimatorSpec(mode, loss=tf.reduce_mean(x), eval_metric_ops={name: V1.metrics.mean(x)})

    with pytest.raises(ValueError, match=f"a metric called {name}. The Estimator uses these names itself. Rename it"):
        Evaluation(traced(ModeKeys.EVAL, reserved))


def test_an_evaluation_needs_only_what_it_reads() -> None:
    def unused(x: tf.Tensor, mode: str) -> EstimatorSpec:
        tf.Variable(0.0, name="unused")
        return EstimatorSpec(mode, loss=tf.reduce_mean(x) * tf.Variable(1.0, name="used"))

    assert Evaluation(traced(ModeKeys.EVAL, unused)).variables == {"used"}


def test_predictions_hold_the_keys_asked_for() -> None:
    built = traced(ModeKeys.PREDICT)
    assert [list(batch) for batch in prediction(built, ["z"]).batches(numbers(2), [])] == [["z"]]
    assert prediction(built, ["y", "nope"]).keys == ["y"]
    assert prediction(built, None).keys == ["y", "z"]
    with pytest.raises(ValueError, match="the model predicts y, z. Name one of those"):
        prediction(built, ["nope"])


def test_predictions_that_are_one_tensor_have_no_keys() -> None:
    built = traced(ModeKeys.PREDICT, lambda x, mode: EstimatorSpec(mode, predictions=2.0 * x))
    (batch,) = prediction(built, None).batches(numbers(2), [])
    assert batch.tolist() == [2.0, 4.0]
    assert list(single_examples(batch)) == [2.0, 4.0]
    with pytest.raises(ValueError, match="the predictions are one tensor. Leave predict_keys out"):
        prediction(built, ["y"])


def test_hooks_see_each_batch_of_a_prediction_and_may_end() -> None:
    ending = Recording(stop_at=2)
    batches = list(prediction(traced(ModeKeys.PREDICT), ["z"]).batches(numbers(), [ending]))
    assert len(batches) == 2
    assert ending.seen == ["begin", 1, 2, "end"]


def test_single_examples_need_one_length() -> None:
    with pytest.raises(ValueError, match=r"batch lengths {'a': 2, 'b': 3}.*Pass yield_single_examples=False"):
        list(single_examples({"a": np.zeros(2), "b": np.zeros(3)}))
    with pytest.raises(ValueError, match=r"batch lengths {'a': None}"):
        list(single_examples({"a": np.float32(1.0)}))
    assert list(single_examples({"a": np.arange(2), "b": np.arange(2)})) == [{"a": 0, "b": 0}, {"a": 1, "b": 1}]


def test_the_examples_of_one_prediction_are_dictionaries_of_it() -> None:
    assert list(single_examples({"a": np.arange(2)})) == [{"a": 0}, {"a": 1}]
    (example,) = single_examples({"a": np.ones([1, 3], np.float32)})
    assert example["a"].shape == (3,)


def test_an_evaluation_is_given_up_between_two_calls(evaluation: Evaluation) -> None:
    stop = Stop()

    class Asks(TrainingHook):
        every_n_steps = None

        def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
            stop.request("SIGTERM")

    asks = Recording(None)
    with pytest.raises(StopRequestedError, match="The evaluation was given up after SIGTERM"):
        evaluation.run(numbers(), None, [asks, Asks()], stop)
    assert asks.seen == ["begin", 1]
