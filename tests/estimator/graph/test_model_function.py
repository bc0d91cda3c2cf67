"""A model function: what is checked when it is wrapped and called, and what a trace of it is on."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys, RunConfig
from trainer.estimator.contract.export import ServingInputReceiver
from trainer.estimator.contract.supervised_receivers import SupervisedInputReceiver, UnsupervisedInputReceiver
from trainer.estimator.graph.model_function import ModelFunction, ModelReplica
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1
X = tf.TensorSpec([4, 3])
Y = tf.TensorSpec([4, 1])


def linear(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    """One dense layer without a bias."""
    predicted = features @ tf.Variable(tf.zeros([3, 1]), name="w")
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predicted)
    loss = tf.reduce_mean((predicted - labels) ** 2)
    return EstimatorSpec(mode, predicted, loss, V1.train.GradientDescentOptimizer(0.1).minimize(loss))


def function(model_fn: Any = linear, params: Any = None) -> ModelFunction:
    return ModelFunction(model_fn, params, RunConfig(model_dir="there"))


def test_a_call_hands_on_what_the_function_takes() -> None:
    seen: list[Any] = []

    def curious(features: Any, params: Any, config: RunConfig) -> EstimatorSpec:
        seen.append((features, params, config.model_dir))
        return EstimatorSpec(ModeKeys.PREDICT, predictions=tf.constant(features))

    function(curious, {"rate": 1})(5.0, None, ModeKeys.PREDICT)
    function(curious, {"rate": 1})(5.0, None, ModeKeys.PREDICT, RunConfig(model_dir="elsewhere"))
    assert seen == [(5.0, {"rate": 1}, "there"), (5.0, {"rate": 1}, "elsewhere")]


def test_a_function_may_take_a_feature_away() -> None:
    def greedy(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        ones = features.pop("ones")
        assert list(features) == ["x"]
        return linear(features["x"] * ones, labels["y"], mode)

    traced = function(greedy).trace(ModeKeys.TRAIN, ({"x": X, "ones": X}, {"y": Y}), VariableStore())
    assert sorted(traced.store.by_name) == ["global_step", "w"]


def test_what_a_call_does_to_its_params_is_not_seen_by_the_next() -> None:
    def greedy(features: Any, params: Any) -> EstimatorSpec:
        return EstimatorSpec(ModeKeys.PREDICT, predictions=tf.constant(float(params.pop("rate"))))

    wrapped = function(greedy, {"rate": 1})
    for _ in range(2):
        wrapped(5.0, None, ModeKeys.PREDICT)
    assert wrapped.params == {"rate": 1}


def test_a_trace_is_on_features_and_labels() -> None:
    traced = function().trace(ModeKeys.EVAL, (X, Y), VariableStore())
    assert [feed.shape.as_list() for feed in traced.feeds] == [[4, 3], [4, 1]]
    assert list(traced.store.by_name) == ["global_step", "w"]


def test_a_trace_may_be_on_features_alone() -> None:
    traced = function().trace(ModeKeys.PREDICT, X, VariableStore())
    assert [feed.shape.as_list() for feed in traced.feeds] == [[4, 3]]
    assert traced.spec.predictions.shape.as_list() == [4, 1]


def test_a_trace_is_called_in_its_mode_and_refuses_labels_that_the_function_does_not_take() -> None:
    unlabelled = function(lambda features, mode: linear(features, features, mode))
    with pytest.raises(ValueError) as raised:
        unlabelled.trace(ModeKeys.TRAIN, (X, Y), VariableStore())
    assert "The input function gives labels, but the model function takes none." in str(raised.value)


def test_a_served_trace_keeps_its_receiver() -> None:
    def receiver() -> ServingInputReceiver:
        sent = V1.placeholder(tf.float32, [None, 3])
        return ServingInputReceiver({"x": sent}, {"sent": sent})

    served = function(lambda features, mode: linear(features["x"], None, mode))
    traced = served.trace_served(ModeKeys.PREDICT, receiver, VariableStore())
    assert list(traced.context.receiver_tensors) == ["sent"]
    assert traced.feeds == []


def test_a_served_trace_in_eval_has_the_labels_of_its_receiver() -> None:
    def receiver() -> SupervisedInputReceiver:
        x, y = V1.placeholder(tf.float32, [4, 3]), V1.placeholder(tf.float32, [4, 1])
        return SupervisedInputReceiver(x, y, {"x": x, "y": y})

    traced = function().trace_served(ModeKeys.EVAL, receiver, VariableStore())
    assert list(traced.context.receiver_tensors) == ["x", "y"]
    assert traced.spec.loss.shape.as_list() == []


def test_a_served_trace_in_eval_without_labels_is_refused_unless_the_receiver_says_that_there_are_none() -> None:
    def receiver(kind: type[ServingInputReceiver]) -> ServingInputReceiver:
        x = V1.placeholder(tf.float32, [4, 3])
        return kind({"x": x}, {"x": x})

    def unsupervised(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        assert labels is None
        return linear(features["x"], tf.ones([4, 1]), mode)

    with pytest.raises(ValueError, match="mode 'eval' is a ServingInputReceiver, which has no labels. .* Supervised"):
        function(unsupervised).trace_served(ModeKeys.EVAL, lambda: receiver(ServingInputReceiver), VariableStore())
    traced = function(unsupervised).trace_served(
        ModeKeys.EVAL, lambda: receiver(UnsupervisedInputReceiver), VariableStore()
    )
    assert traced.spec.loss is not None


def test_a_function_that_takes_no_mode_may_leave_it_out_of_its_spec() -> None:
    def modeless(features: Any, labels: Any) -> EstimatorSpec:
        return EstimatorSpec(**{**linear(features, labels, ModeKeys.TRAIN)._asdict(), "mode": None})

    traced = function(modeless).trace(ModeKeys.TRAIN, (X, Y), VariableStore())
    assert traced.spec.mode == ModeKeys.TRAIN


def test_replicas_of_one_function_have_variables_of_their_own() -> None:
    model = function()
    first, second = (ModelReplica(model, VariableStore()) for _ in range(2))
    for replica in (first, second):
        assert replica.trace((X, Y), xla=False).mode == ModeKeys.TRAIN
    first.store.by_name["w"].assign(tf.ones([3, 1]))
    assert second.store.by_name["w"].numpy().sum() == 0.0
