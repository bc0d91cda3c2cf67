"""Which model functions keep the weights of devices alike, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.distribution.averaging import averaged_gradients, check_weights_alike
from trainer.estimator.distribution.collectives import Participant
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1
Weights = list[tf.Variable]
Train = Callable[[tf.Tensor, Weights, list[tf.Tensor]], Any]
"""Makes the train_op of the loss [], two weights and their gradients."""


def traced(train: Train) -> TracedModel:
    """A trace of a model of two weights, as one of two devices makes it."""

    def body(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        w, b = tf.Variable(tf.ones([3, 1]), name="w"), tf.Variable(tf.zeros([1]), name="b")
        loss = tf.reduce_mean((tf.nn.dropout(x, 0.5) @ w + b) ** 2)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train(loss, [w, b], tf.gradients(loss, [w, b]))), None

    with averaged_gradients(Participant("/device:CPU:0", size=2, key=7), examples=4):
        return trace(body, [tf.TensorSpec([4, 3])], ModeKeys.TRAIN, VariableStore(1))


class Halving(keras.optimizers.SGD):
    """Calls what it overrides."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        return super().apply([gradient / 2.0 for gradient in grads], trainable_variables)


class OnItsOwn(keras.optimizers.SGD):
    """Does not call what it overrides."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            variable.assign_sub(0.1 * gradient)
        return self.iterations


class V1OnItsOwn(V1.train.GradientDescentOptimizer):
    """Does not call what it overrides."""

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: Any = None) -> Any:
        return tf.group([variable.assign_sub(0.1 * gradient) for gradient, variable in grads_and_vars])


def v1(optimizer: V1.train.Optimizer) -> Train:
    return lambda loss, weights, gradients: optimizer.minimize(loss, V1.train.get_global_step(), weights)


def of_keras(make: Callable[[], keras.optimizers.Optimizer]) -> Train:
    return lambda loss, weights, gradients: make().apply_gradients(zip(gradients, weights, strict=True))


def clipped_weights(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    train_op = V1.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([train_op]):
        return tf.group([weight.assign(tf.clip_by_value(weight, -1.0, 1.0)) for weight in weights])


def averaged_weights(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    train_op = V1.train.AdamOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([train_op]):
        return V1.train.ExponentialMovingAverage(0.9).apply(weights)


def on_every_second_step(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    due = tf.equal(V1.train.get_global_step() % 2, 0)
    return tf.cond(due, lambda: tf.group(optimizer.apply_gradients(zip(gradients, weights, strict=True))), tf.no_op)


def only_one_weight(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    return V1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, var_list=weights[:1])


FINE: dict[str, Train] = {
    "sgd": v1(V1.train.GradientDescentOptimizer(0.1)),
    "adam of TensorFlow 1": v1(V1.train.AdamOptimizer(0.1)),
    "adam": of_keras(lambda: keras.optimizers.Adam(0.1, clipnorm=1.0)),
    "weight decay": of_keras(lambda: keras.optimizers.AdamW(0.1)),
    "averages that overwrite weights": of_keras(
        lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2)
    ),
    "gradients gathered over steps": of_keras(lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)),
    "scaled loss": of_keras(lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))),
    "a subclass that calls super": of_keras(lambda: Halving(0.1)),
    "weights clipped after the step": clipped_weights,
    "moving averages of weights": averaged_weights,
    "a step in a branch": on_every_second_step,
    "a frozen weight": only_one_weight,
}


@pytest.mark.parametrize("name", FINE)
def test_weights_that_take_averaged_gradients_alone_stay_alike(name: str) -> None:
    model = traced(FINE[name])
    check_weights_alike(model)
    sums = [op for op in model.graph.get_operations() if op.type.startswith("Collective")]
    assert len(sums) == (0 if name == "a step in a branch" else 1)  # one for all weights


def by_hand(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    return weights[0].assign_sub(0.1 * gradients[0])


def momentum_by_hand(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    momentum = tf.Variable(tf.zeros([3, 1]), trainable=False, name="momentum")
    with tf.control_dependencies([momentum.assign(0.9 * momentum + gradients[0])]):
        return weights[0].assign_sub(0.1 * momentum.read_value())


def noise(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    with tf.control_dependencies([V1.train.GradientDescentOptimizer(0.1).minimize(loss)]):
        return weights[0].assign_add(tf.random.normal([3, 1]))


def by_hand_in_a_branch(loss: tf.Tensor, weights: Weights, gradients: list[tf.Tensor]) -> Any:
    write = by_hand
    return tf.cond(loss > 0.0, lambda: write(loss, weights, gradients).value(), lambda: weights[0].value())


APART: dict[str, Train] = {
    "by hand": by_hand,
    "momentum by hand": momentum_by_hand,
    "noise of each device": noise,
    "by hand in a branch": by_hand_in_a_branch,
    "an apply of its own": of_keras(lambda: OnItsOwn(0.1)),
    "an apply_gradients of its own": v1(V1OnItsOwn(0.1)),
}


@pytest.mark.parametrize("name", APART)
def test_a_weight_that_takes_what_one_device_computed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="writes the weight w by .* drift apart.* Hand the gradient to the apply_grad"):
        check_weights_alike(traced(APART[name]))
