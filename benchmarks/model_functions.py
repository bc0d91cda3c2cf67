"""Model functions written once, in Estimator style, that run unchanged under tf.estimator 2.15 and `trainer.estimator`.

Initial weights come from a seeded numpy generator, so that both packages start from the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.initial_values import initial
from benchmarks.sines import FEATURE, N_OUTPUTS

if hasattr(tf, "estimator"):
    tf_estimator = tf.estimator
else:
    from trainer import estimator as tf_estimator

ModelFunction = Callable[..., Any]


class LstmCell:
    """An LSTM cell by hand, with the parts that `tf.compat.v1.nn.static_rnn` asks of a cell (Hochreiter, 1997)."""

    def __init__(self, size: int) -> None:
        self.output_size = size
        self.state_size = (size, size)

    def zero_state(self, batch_size: tf.Tensor, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        zeros = tf.zeros([batch_size, self.output_size], dtype)
        return zeros, zeros

    def __call__(
        self, inputs: tf.Tensor, state: tuple[tf.Tensor, tf.Tensor], scope: Any = None
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        """One step: inputs float32 [batch, width], state (c, h) each [batch, size]; returns h and the new state."""
        rows = inputs.shape[1] + self.output_size
        with tf.compat.v1.variable_scope(scope or "lstm_cell"):
            kernel = tf.compat.v1.get_variable("kernel", initializer=initial(1, (rows, 4 * self.output_size)))
            bias = tf.compat.v1.get_variable("bias", initializer=np.zeros(4 * self.output_size, np.float32))
        return self.advance(inputs, state, kernel, bias)

    def advance(
        self, inputs: tf.Tensor, state: tuple[tf.Tensor, tf.Tensor], kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        """The same step with its weights given: kernel float32 [width + size, 4 * size], bias [4 * size]."""
        cell, hidden = state
        gates = tf.matmul(tf.concat([inputs, hidden], 1), kernel) + bias
        enter, candidate, forget, leave = tf.split(gates, 4, 1)
        cell = cell * tf.sigmoid(forget + 1.0) + tf.sigmoid(enter) * tf.tanh(candidate)
        hidden = tf.tanh(cell) * tf.sigmoid(leave)
        return hidden, (cell, hidden)


def optimizer(params: dict[str, Any]) -> tf.compat.v1.train.Optimizer:
    """The optimizer that `params['optimizer']` names: sgd, adam or momentum."""
    rate = params["learning_rate"]
    match params["optimizer"]:
        case "sgd":
            return tf.compat.v1.train.GradientDescentOptimizer(rate)
        case "adam":
            return tf.compat.v1.train.AdamOptimizer(rate)
        case "momentum":
            return tf.compat.v1.train.MomentumOptimizer(rate, 0.9)
        case other:
            raise ValueError(f"params['optimizer'] is {other!r}. Accepted: sgd, adam, momentum.")


def specification(predictions: tf.Tensor, labels: tf.Tensor | None, mode: str, params: dict[str, Any]) -> Any:
    """The EstimatorSpec of a regression; the train_op is built in EVAL too, as the course's code does.

    Args:
      predictions: float32 [batch, 1].
      labels: float32 [batch, 1]; None in PREDICT.
      mode: a ModeKeys.
      params: `optimizer` and `learning_rate`.
    """
    loss, train_op, metrics = None, None, None
    if mode != tf_estimator.ModeKeys.PREDICT:
        loss = tf.compat.v1.losses.mean_squared_error(labels, predictions)
        train_op = optimizer(params).minimize(loss, tf.compat.v1.train.get_global_step())
        metrics = {"rmse": tf.compat.v1.metrics.root_mean_squared_error(labels, predictions)}
    outputs = {"predicted": predictions}
    return tf_estimator.EstimatorSpec(
        mode=mode,
        predictions=outputs,
        loss=loss,
        train_op=train_op,
        eval_metric_ops=metrics,
        export_outputs={"predict_export_outputs": tf_estimator.export.PredictOutput(outputs)},
    )


def course_lstm(features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str, params: dict[str, Any]) -> Any:
    """The course's Lab 7: nine steps through an LSTM, its last output through a weight and a bias.

    Args:
      features: `rawdata`, float32 [batch, 9].
      labels: float32 [batch, 1]; None in PREDICT.
      mode: a ModeKeys.
      params: `size` of the cell, `optimizer`, `learning_rate`.
    """
    steps = tf.split(features[FEATURE], features[FEATURE].shape[1], 1)
    outputs, _ = tf.compat.v1.nn.static_rnn(LstmCell(params["size"]), steps, dtype=tf.float32)
    weight = tf.Variable(initial(2, (params["size"], N_OUTPUTS)))
    bias = tf.Variable(initial(3, (N_OUTPUTS,)))
    return specification(tf.matmul(outputs[-1], weight) + bias, labels, mode, params)


def dense(features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str, params: dict[str, Any]) -> Any:
    """The course's dnn in v1 style: layers of 10, 3 and 1 by `get_variable` under `variable_scope`.

    Arguments as in `course_lstm`, without `size`.
    """
    layer = features[FEATURE]
    for index, size in enumerate((10, 3, N_OUTPUTS)):
        with tf.compat.v1.variable_scope(f"layer_{index}"):
            kernel = tf.compat.v1.get_variable("kernel", initializer=initial(index, (layer.shape[1], size)))
            bias = tf.compat.v1.get_variable("bias", shape=[size], initializer=tf.compat.v1.zeros_initializer())
        layer = tf.matmul(layer, kernel) + bias
        if size != N_OUTPUTS:
            layer = tf.nn.relu(layer)
    return specification(layer, labels, mode, params)


def layers(features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str, params: dict[str, Any]) -> Any:
    """Layers of `tf.layers` with batch normalisation, whose averages move by UPDATE_OPS.

    Arguments as in `course_lstm`, without `size`.
    """
    tf_layers = tf.compat.v1.layers if hasattr(tf, "estimator") else trainer_v1().layers
    start = tf.compat.v1.constant_initializer
    net = features[FEATURE]
    for index, size in enumerate((8, 4)):
        kernel = start(initial(index, (net.shape[1], size)))
        net = tf_layers.dense(net, size, activation=tf.nn.relu, use_bias=False, kernel_initializer=kernel)
        net = tf_layers.batch_normalization(net, momentum=0.9, training=mode == tf_estimator.ModeKeys.TRAIN)
    net = tf_layers.dense(net, N_OUTPUTS, kernel_initializer=start(initial(2, (4, N_OUTPUTS))))
    with tf.control_dependencies(tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)):
        return specification(tf.identity(net), labels, mode, params)


def trainer_v1() -> Any:
    """TensorFlow 1's names, in ours."""
    from trainer.compat import v1

    return v1


MODEL_FUNCTIONS: dict[str, ModelFunction] = {"course_lstm": course_lstm, "dense": dense, "layers": layers}
