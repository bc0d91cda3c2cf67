"""`tf.contrib.crf`: a conditional random field over tags in a row (Lafferty et al. 2001)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def crf_sequence_score(
    inputs: tf.Tensor, tag_indices: tf.Tensor, sequence_lengths: tf.Tensor, transition_params: tf.Tensor
) -> tf.Tensor:
    """The score [batch] of rows of tags: of each tag, and of each step from one to the next.

    Args:
      inputs: scores of tags, [batch, time, tags].
      tag_indices: [batch, time].
      sequence_lengths: [batch].
      transition_params: [tags, tags], from and to.
    """
    mask = _mask(sequence_lengths, inputs, 0)
    unary = tf.gather(inputs, tag_indices, axis=2, batch_dims=2)
    steps = tf.gather_nd(transition_params, tf.stack([tag_indices[:, :-1], tag_indices[:, 1:]], axis=2))
    return tf.reduce_sum(unary * mask, 1) + tf.reduce_sum(steps * mask[:, 1:], 1)


def crf_log_norm(inputs: tf.Tensor, sequence_lengths: tf.Tensor, transition_params: tf.Tensor) -> tf.Tensor:
    """The logarithm [batch] of the sum over all rows of tags.

    Args:
      inputs: scores of tags, [batch, time, tags].
      sequence_lengths: [batch].
      transition_params: [tags, tags], from and to.
    """

    def forward(alphas: tf.Tensor, now: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        scores, inside = now
        following = scores + tf.reduce_logsumexp(alphas[:, :, None] + transition_params, 1)
        return tf.where(inside[:, None], following, alphas)

    by_time = tf.transpose(inputs[:, 1:], [1, 0, 2]), tf.transpose(_mask(sequence_lengths, inputs, 1) > 0)
    alphas = tf.foldl(forward, by_time, inputs[:, 0])
    norms = tf.reduce_logsumexp(alphas, 1)
    return tf.where(sequence_lengths > 0, norms, tf.zeros_like(norms))


def crf_log_likelihood(
    inputs: tf.Tensor, tag_indices: tf.Tensor, sequence_lengths: tf.Tensor, transition_params: Any = None
) -> tuple[tf.Tensor, Any]:
    """The logarithm [batch] of the likelihood of rows of tags, and the transitions.

    Args:
      inputs: scores of tags, [batch, time, tags].
      tag_indices: [batch, time].
      sequence_lengths: [batch].
      transition_params: [tags, tags]; None makes a variable `transitions`.
    """
    if transition_params is None:
        tags = inputs.shape[2]
        transition_params = tf.compat.v1.get_variable("transitions", [tags, tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


def crf_decode(
    potentials: tf.Tensor, transition_params: tf.Tensor, sequence_length: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best rows of tags, int32 [batch, time], and their scores [batch].

    Args:
      potentials: scores of tags, [batch, time, tags].
      transition_params: [tags, tags], from and to.
      sequence_length: [batch].
    """
    own = tf.range(tf.shape(potentials)[2])[None, :] + tf.zeros_like(potentials[:, 0], tf.int32)

    def forward(before: tuple[tf.Tensor, tf.Tensor], now: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        scores, inside = now
        from_to = before[0][:, :, None] + transition_params
        best = scores + tf.reduce_max(from_to, 1)
        came_from = tf.argmax(from_to, 1, output_type=tf.int32)
        # Behind the end of a row its tags stay as they are.
        return tf.where(inside[:, None], best, before[0]), tf.where(inside[:, None], came_from, own)

    by_time = tf.transpose(potentials[:, 1:], [1, 0, 2]), tf.transpose(_mask(sequence_length, potentials, 1) > 0)
    scores, came_from = tf.scan(forward, by_time, (potentials[:, 0], own))
    last_scores = tf.concat([potentials[None, :, 0], scores], 0)[-1]
    last = tf.argmax(last_scores, 1, output_type=tf.int32)
    earlier = tf.scan(lambda tag, back: tf.gather(back, tag, axis=1, batch_dims=1), came_from, last, reverse=True)
    tags = tf.transpose(tf.concat([earlier, last[None]], 0))
    return tags * tf.cast(_mask(sequence_length, potentials, 0), tf.int32), tf.reduce_max(last_scores, 1)


def viterbi_decode(score: np.ndarray, transition_params: np.ndarray) -> tuple[list[int], float]:
    """The best row of tags and its score, of one example.

    Args:
      score: of tags, [time, tags].
      transition_params: [tags, tags], from and to.
    """
    best, came_from = np.array(score[0]), []
    for scores in score[1:]:
        from_to = best[:, None] + transition_params
        came_from.append(from_to.argmax(0))
        best = scores + from_to.max(0)
    tags = [int(np.argmax(best))]
    for back in reversed(came_from):
        tags.append(int(back[tags[-1]]))
    return tags[::-1], float(best.max())


def _mask(lengths: tf.Tensor, inputs: tf.Tensor, start: int) -> tf.Tensor:
    """1 where a row [batch, time] has a tag, from a time on; else 0."""
    return tf.sequence_mask(lengths, tf.shape(inputs)[1], inputs.dtype)[:, start:]
