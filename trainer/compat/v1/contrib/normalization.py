"""Normalizations of `tf.contrib.layers`: `BatchNorm/moving_mean`, `LayerNorm/beta`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.compat.v1.contrib.arg_scopes import add_arg_scope
from trainer.compat.v1.contrib.units import finished, variable

_ONES, _ZEROS = tf.compat.v1.ones_initializer(), tf.compat.v1.zeros_initializer()


@add_arg_scope
def batch_norm(
    inputs: tf.Tensor,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: Any = None,
    param_regularizers: Any = None,
    updates_collections: Any = tf.compat.v1.GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    fused: bool | None = None,
    scope: Any = None,
) -> tf.Tensor:
    """Batch normalization over all dimensions but the last.

    Args:
      inputs: [..., channels].
      decay: of the moving averages.
      center: whether there is a `beta`.
      scale: whether there is a `gamma`.
      epsilon: added to the variance.
      activation_fn: None for none.
      param_initializers: by the variables' names; None for zeros and ones.
      param_regularizers: by the variables' names; None for none.
      updates_collections: that the updates of the averages are put into; None updates them in place.
      is_training: True takes the moments of the batch, False the moving averages; a Python value.
      reuse: of the scope.
      variables_collections: that its variables are in beside.
      outputs_collections: that the result is put into.
      trainable: whether optimizers change beta and gamma.
      fused: means nothing: the result is the same.
      scope: its name, `BatchNorm` by default.
    """
    inputs = tf.convert_to_tensor(inputs)
    given, losses = param_initializers or {}, param_regularizers or {}
    with tf.compat.v1.variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as opened:

        def made(name: str, start: Any, changes: bool) -> Any:
            first, loss = given.get(name, start), losses.get(name)
            return variable(name, [inputs.shape[-1]], first, loss, changes and trainable, variables_collections)

        beta = made("beta", _ZEROS, True) if center else None
        gamma = made("gamma", _ONES, True) if scale else None
        averages = made("moving_mean", _ZEROS, False), made("moving_variance", _ONES, False)
        moments: Any = averages
        if is_training:
            moments = tf.nn.moments(inputs, list(range(inputs.shape.rank - 1)))
            updates = [a.assign_sub((a - m) * (1 - decay)) for a, m in zip(averages, moments, strict=True)]
            if updates_collections is None:
                with tf.control_dependencies(updates):
                    moments = [tf.identity(moment) for moment in moments]
            for update in updates if updates_collections is not None else ():
                tf.compat.v1.add_to_collection(updates_collections, update.op)
        outputs = tf.nn.batch_normalization(inputs, *moments, beta, gamma, epsilon)
        return finished(outputs, activation_fn, outputs_collections, opened)


@add_arg_scope
def layer_norm(
    inputs: tf.Tensor,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> tf.Tensor:
    """Normalization of each example.

    Args:
      inputs: [batch, …].
      center: whether there is a `beta`.
      scale: whether there is a `gamma`.
      activation_fn: None for none.
      reuse: of the scope.
      variables_collections: that its variables are in beside.
      outputs_collections: that the result is put into.
      trainable: whether optimizers change its variables.
      begin_norm_axis: the first dimension that moments are taken over.
      begin_params_axis: the first dimension that beta and gamma have.
      scope: its name, `LayerNorm` by default.
    """
    inputs = tf.convert_to_tensor(inputs)
    with tf.compat.v1.variable_scope(scope, "LayerNorm", [inputs], reuse=reuse) as opened:
        shape, shared = inputs.shape[begin_params_axis:], (None, trainable, variables_collections)
        beta = variable("beta", shape, _ZEROS, *shared) if center else None
        gamma = variable("gamma", shape, _ONES, *shared) if scale else None
        axes = list(range(begin_norm_axis % inputs.shape.rank, inputs.shape.rank))
        mean, variance = tf.nn.moments(inputs, axes, keepdims=True)
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)
        return finished(outputs, activation_fn, outputs_collections, opened)
