"""`tf.contrib.seq2seq`, of which the loss is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.compat import names


def sequence_loss(
    logits: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable[..., tf.Tensor] | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """The weighted cross-entropy of words in a row.

    Args:
      logits: [batch, time, words].
      targets: int [batch, time].
      weights: float [batch, time].
      average_across_timesteps: whether the mean over the time is taken.
      average_across_batch: whether the mean over the batch is taken.
      softmax_loss_function: of labels and logits; None for the sparse cross-entropy.
      name: of its scope.

    Returns:
      One number; [time] without the first mean, [batch] without the second, [batch, time] without both.
    """
    with tf.compat.v1.name_scope(name, "sequence_loss", [logits, targets, weights]):
        flat, labels = tf.reshape(logits, [-1, tf.shape(logits)[2]]), tf.reshape(targets, [-1])
        loss = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        losses = tf.reshape(loss(labels=labels, logits=flat), tf.shape(weights)) * weights
        axes = [0] * average_across_batch + [1] * average_across_timesteps
        if not axes:
            return losses
        # Weights that are all zero give a loss of zero.
        return tf.reduce_sum(losses, axes) / (tf.reduce_sum(weights, axes) + 1e-12)


_ADVICE = {
    name: "Write the decoder with tf.while_loop or Keras"
    for name in (
        "AttentionWrapper",
        "BahdanauAttention",
        "BasicDecoder",
        "BeamSearchDecoder",
        "GreedyEmbeddingHelper",
        "LuongAttention",
        "TrainingHelper",
        "dynamic_decode",
    )
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, {}, None, _ADVICE)
