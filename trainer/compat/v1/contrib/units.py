"""Layers of `tf.contrib.layers` with weights, by the names that they had: `fully_connected/weights`, `Conv/biases`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.compat.v1.contrib.arg_scopes import add_arg_scope
from trainer.compat.v1.contrib.initial import xavier_initializer

_KEYS = tf.compat.v1.GraphKeys
_GLOROT, _ZEROS = xavier_initializer(), tf.compat.v1.zeros_initializer()


def variable(
    name: str, shape: Any, initializer: Any, regularizer: Any, trainable: bool = True, collections: Any = None
) -> Any:
    """A variable of a model, in the collection MODEL_VARIABLES.

    Args:
      name: in the scope that is open.
      shape: of its values.
      initializer: gives them.
      regularizer: gives their loss; None for none.
      trainable: whether optimizers change it.
      collections: that it is in beside.
    """
    kept = collections.get(name, []) if isinstance(collections, dict) else list(collections or [])
    return tf.compat.v1.get_variable(
        name,
        shape,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=[_KEYS.GLOBAL_VARIABLES, _KEYS.MODEL_VARIABLES, *kept],
    )


def finished(outputs: tf.Tensor, activation_fn: Any, collections: Any, scope: Any) -> tf.Tensor:
    """The outputs [...] of a layer behind its activation, noted in collections.

    Args:
      outputs: before the activation, [...].
      activation_fn: None for none.
      collections: that they are put into; None for none.
      scope: of the layer.
    """
    outputs = outputs if activation_fn is None else activation_fn(outputs)
    for collection in [collections] if isinstance(collections, str) else collections or []:
        tf.compat.v1.add_to_collection(collection, outputs)
    return outputs


def _unit(inputs: tf.Tensor, depth: int, kernel: Sequence[int], apply: Callable[..., Any], **s: Any) -> tf.Tensor:
    """Weights, then biases or a normalizer, then the activation, of inputs [..., in] to [..., depth]."""
    inputs = tf.convert_to_tensor(inputs)
    with tf.compat.v1.variable_scope(s["scope"], s["default"], [inputs], reuse=s["reuse"]) as scope:
        shared = s["trainable"], s["variables_collections"]
        weights = variable("weights", kernel, s["weights_initializer"], s["weights_regularizer"], *shared)
        outputs = apply(inputs, weights)
        if s["normalizer_fn"] is not None:
            outputs = s["normalizer_fn"](outputs, **(s["normalizer_params"] or {}))
        elif s["biases_initializer"] is not None:
            biases = variable("biases", [depth], s["biases_initializer"], s["biases_regularizer"], *shared)
            outputs = tf.nn.bias_add(outputs, biases) if outputs.shape.rank == 4 else outputs + biases
        return finished(outputs, s["activation_fn"], s["outputs_collections"], scope)


@add_arg_scope
def fully_connected(
    inputs: tf.Tensor,
    num_outputs: int,
    activation_fn: Any = tf.nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = _GLOROT,
    weights_regularizer: Any = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tf.Tensor:
    """A dense layer.

    Args:
      inputs: [..., in].
      num_outputs: the last dimension of the result.
      activation_fn: relu; None for none.
      normalizer_fn: in place of biases; None for biases.
      normalizer_params: its arguments.
      weights_initializer: Glorot's.
      weights_regularizer: None for none.
      biases_initializer: zeros; None for no biases.
      biases_regularizer: None for none.
      reuse: of the scope.
      variables_collections: that its variables are in beside.
      outputs_collections: that the result is put into.
      trainable: whether optimizers change its variables.
      scope: its name, `fully_connected` by default.
    """
    settings = {name: value for name, value in locals().items() if name not in ("inputs", "num_outputs")}
    kernel = [tf.convert_to_tensor(inputs).shape[-1], num_outputs]
    return _unit(
        inputs,
        num_outputs,
        kernel,
        lambda x, w: tf.tensordot(x, w, 1) if x.shape.rank != 2 else x @ w,
        default="fully_connected",
        **settings,
    )


def linear(inputs: tf.Tensor, num_outputs: int, **settings: Any) -> tf.Tensor:
    """A dense layer [..., in] to [..., num_outputs] without an activation; the settings are those of one with."""
    return fully_connected(inputs, num_outputs, **{"activation_fn": None, **settings})


@add_arg_scope
def conv2d(
    inputs: tf.Tensor,
    num_outputs: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: int | Sequence[int] = 1,
    activation_fn: Any = tf.nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = _GLOROT,
    weights_regularizer: Any = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tf.Tensor:
    """A convolution over images.

    Args:
      inputs: [batch, height, width, channels].
      num_outputs: channels of the result.
      kernel_size: one number or two.
      stride: one number or two.
      padding: SAME or VALID.
      data_format: NHWC; None too.
      rate: of dilation.
      activation_fn: relu; None for none.
      normalizer_fn: in place of biases; None for biases.
      normalizer_params: its arguments.
      weights_initializer: Glorot's.
      weights_regularizer: None for none.
      biases_initializer: zeros; None for no biases.
      biases_regularizer: None for none.
      reuse: of the scope.
      variables_collections: that its variables are in beside.
      outputs_collections: that the result is put into.
      trainable: whether optimizers change its variables.
      scope: its name, `Conv` by default.
    """
    own = ("inputs", "num_outputs", "kernel_size", "stride", "padding", "data_format", "rate")
    settings = {name: value for name, value in locals().items() if name not in ("own", *own)}
    if data_format not in (None, "NHWC"):
        raise ValueError(f"conv2d was given data_format={data_format!r}. It takes NHWC. Transpose the images")
    kernel = [*pair(kernel_size), tf.convert_to_tensor(inputs).shape[-1], num_outputs]
    return _unit(
        inputs,
        num_outputs,
        kernel,
        lambda x, w: tf.nn.conv2d(x, w, pair(stride), padding, dilations=pair(rate)),
        default="Conv",
        **settings,
    )


def pair(size: int | Sequence[int]) -> list[int]:
    """Two numbers, of one or two."""
    return [size, size] if isinstance(size, int) else list(size)


@add_arg_scope
def embed_sequence(
    ids: tf.Tensor,
    vocab_size: int,
    embed_dim: int,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> tf.Tensor:
    """Vectors [batch, words, embed_dim] of words.

    Args:
      ids: [batch, words].
      vocab_size: how many words there are.
      embed_dim: the length of a vector.
      unique: means nothing: the result is the same.
      initializer: of the vectors; None for that of the scope.
      regularizer: of the vectors; None for none.
      trainable: whether optimizers change them.
      scope: its name, `EmbedSequence` by default.
      reuse: of the scope.
    """
    with tf.compat.v1.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        embeddings = variable("embeddings", [vocab_size, embed_dim], initializer, regularizer, trainable)
        return tf.nn.embedding_lookup(embeddings, ids)
