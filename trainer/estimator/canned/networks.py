"""The networks of canned Estimators, with the variable names of tf.estimator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from trainer.estimator.canned import feature_columns
from trainer.estimator.contract.spec import ModeKeys

# Of the moving averages of batch normalisation, as tf.estimator's networks had it, and of every Keras layer.
_MOMENTUM, _EPSILON = 0.999, 0.001


@dataclasses.dataclass(frozen=True, kw_only=True)
class Built:
    """A network in the graph of a trace.

    Attributes:
      logits: float32 [batch, units].
      updates: ops that a step of training runs besides.
      scalars: what summaries show as a number, by tag, [] each.
      histograms: what they show as a histogram, by tag.
    """

    logits: tf.Tensor
    updates: list[Any] = dataclasses.field(default_factory=list)
    scalars: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    histograms: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)

    def summarize(self) -> None:
        """Writes the summaries, in the name scope that is open."""
        for tag, value in self.scalars.items():
            tf.compat.v1.summary.scalar(tag, value)
        for tag, value in self.histograms.items():
            tf.compat.v1.summary.histogram(tag, value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deep:
    """Dense layers over the columns.

    Attributes:
      hidden_units: of each layer.
      feature_columns: dense ones.
      activation_fn: of hidden layers; a name of Keras, or None for none.
      dropout: the share that is dropped in training; None for none.
      batch_norm: whether hidden layers are followed by batch normalisation.
      input_layer_partitioner: of the variables of columns; None for the open scope's.
    """

    hidden_units: Sequence[int]
    feature_columns: Sequence[Any]
    activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu
    dropout: float | None = None
    batch_norm: bool = False
    input_layer_partitioner: Any = None
    scope: ClassVar[str] = "dnn"

    def build(self, features: dict[str, Any], units: int, mode: str, tag: str) -> Built:
        """Makes it in the open variable scope.

        Args:
          features: dense or sparse tensors [batch, …] by name.
          units: of the logits.
          mode: a value of ModeKeys.
          tag: what its tags begin with.
        """
        training, outputs = mode == ModeKeys.TRAIN, dict[str, tf.Tensor]()
        updates: list[Any] = []
        with tf.compat.v1.variable_scope("input_from_feature_columns", partitioner=self.input_layer_partitioner):
            net = feature_columns.dense(features, self.feature_columns)
        for number, width in enumerate(self.hidden_units):
            with tf.compat.v1.variable_scope(f"hiddenlayer_{number}"):
                net = _activated(_dense(net, width), self.activation_fn)
                if self.dropout is not None and training:
                    net = tf.nn.dropout(net, rate=self.dropout)
                if self.batch_norm:
                    with tf.compat.v1.variable_scope(f"batchnorm_{number}"):
                        net = _normalised(net, updates, training=training)
            outputs[f"{tag}hiddenlayer_{number}"] = net
        with tf.compat.v1.variable_scope("logits"):
            logits = _dense(net, units)
        outputs[f"{tag}logits"] = logits
        return Built(
            logits=logits,
            updates=updates,
            scalars={f"{name}/fraction_of_zero_values": _zeros_among([net]) for name, net in outputs.items()},
            histograms={f"{name}/activation": net for name, net in outputs.items()},
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear:
    """A weighted sum of the columns.

    Attributes:
      feature_columns: dense or categorical ones.
      sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.
    """

    feature_columns: Sequence[Any]
    sparse_combiner: str = "sum"
    scope: ClassVar[str] = "linear"

    def build(self, features: dict[str, Any], units: int, mode: str, tag: str) -> Built:
        """Makes it in the open variable scope; see Deep, but that it is the same in every mode and its tags are fixed.

        Args:
          features: see there.
          units: see there.
          mode: of no matter.
          tag: of no matter.
        """
        logits, bias, weights = feature_columns.weighted_sum(
            features, self.feature_columns, units, self.sparse_combiner
        )
        bias = tf.reshape(tf.concat(parts([bias]), 0), [-1])
        of_bias, histograms = ({"bias": bias[0]}, {}) if units == 1 else ({}, {"bias": bias})
        scalars = {**of_bias, "fraction_of_zero_weights": _zeros_among(parts(weights))}
        return Built(logits=logits, scalars=scalars, histograms=histograms)


def layer_summary(value: tf.Tensor, tag: str) -> None:
    """Shows the output [batch, any] of a part of a network."""
    tf.compat.v1.summary.scalar(f"{tag}/fraction_of_zero_values", _zeros_among([value]))
    tf.compat.v1.summary.histogram(f"{tag}/activation", value)


def parts(variables: Iterable[Any]) -> list[Any]:
    """Variables, with those that a partitioner divided as their parts."""
    found: list[Any] = []
    for variable in variables:
        # Lists are what `linear_model` of TensorFlow 1 gives, and a partitioned variable is gone through alike.
        whole = isinstance(variable, tf.Variable | tf.Tensor)
        found.extend([variable] if whole else parts(variable))
    return found


def _dense(inputs: tf.Tensor, units: int) -> tf.Tensor:
    """A dense layer [batch, units] without an activation, whose variables are `kernel` and `bias` in the scope."""
    shape = [inputs.shape[-1], units]
    glorot, zeros = tf.compat.v1.glorot_uniform_initializer(), tf.compat.v1.zeros_initializer()
    kernel = tf.compat.v1.get_variable("kernel", shape, initializer=glorot, use_resource=True)
    bias = tf.compat.v1.get_variable("bias", [units], initializer=zeros, use_resource=True)
    return tf.nn.bias_add(tf.matmul(inputs, tf.convert_to_tensor(kernel)), tf.convert_to_tensor(bias))


def _activated(net: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor] | str | None) -> tf.Tensor:
    """The activation of a layer [batch, units]."""
    call = keras.activations.get(function) if isinstance(function, str) else function
    return net if call is None else call(net)


def _normalised(net: tf.Tensor, updates: list[Any], *, training: bool) -> tf.Tensor:
    """Batch normalisation (Ioffe and Szegedy 2015) of [batch, units].

    Args:
      net: [batch, units].
      updates: gets what moves the averages, in training.
      training: whether the batch's own mean and variance are used.
    """
    shape, zeros, ones = [net.shape[-1]], tf.compat.v1.zeros_initializer(), tf.compat.v1.ones_initializer()
    gamma, beta = _variable("gamma", shape, ones), _variable("beta", shape, zeros)
    moving = [_moving("moving_mean", shape, zeros), _moving("moving_variance", shape, ones)]
    if training:
        mean, variance = tf.nn.moments(net, [0])
        updates.extend(
            average.assign_sub((average - now) * (1 - _MOMENTUM))
            for average, now in zip(moving, (mean, variance), strict=True)
        )
    else:
        mean, variance = (tf.convert_to_tensor(average) for average in moving)
    return tf.nn.batch_normalization(
        net, mean, variance, tf.convert_to_tensor(beta), tf.convert_to_tensor(gamma), _EPSILON
    )


def _variable(name: str, shape: Sequence[int], initializer: Any) -> Any:
    return tf.compat.v1.get_variable(name, shape, initializer=initializer, use_resource=True)


def _moving(name: str, shape: Sequence[int], initializer: Any) -> Any:
    """A moving average; several devices take the mean of theirs."""
    with tf.compat.v1.variable_scope(tf.compat.v1.get_variable_scope()) as scope:
        scope.set_partitioner(None)  # it is written as a whole
        return tf.compat.v1.get_variable(
            name,
            shape,
            initializer=initializer,
            use_resource=True,
            trainable=False,
            aggregation=tf.VariableAggregation.MEAN,
        )


def _zeros_among(values: Sequence[Any]) -> tf.Tensor:
    """The share [] of numbers that are zero among tensors or variables of any shapes; nan where there are none."""
    # Not tf.math.zero_fraction, which branches by the size: a step that calls functions is compiled from its first on.
    tensors = [tf.convert_to_tensor(value) for value in values]
    zeros = tf.add_n([tf.reduce_sum(tf.cast(tf.equal(tensor, 0.0), tf.float32)) for tensor in tensors])
    return zeros / tf.cast(tf.add_n([tf.size(tensor, tf.int64) for tensor in tensors]), tf.float32)
