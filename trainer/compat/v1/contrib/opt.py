"""`tf.contrib.opt`, of which the optimizer for embeddings is given."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.compat import names


class LazyAdamOptimizer(tf.compat.v1.train.AdamOptimizer):
    """Adam, but that rows of an embedding which a batch does not look up stay as they are, with their moments.

    Takes what AdamOptimizer takes, and has its slots, so that either continues a checkpoint of the other.
    """

    def _resource_apply_sparse(self, grad: tf.Tensor, var: Any, indices: tf.Tensor) -> Any:
        """Moves rows of a variable.

        Args:
          grad: [rows, …], of the rows at the indices.
          var: [all, …].
          indices: [rows], each once.
        """
        first, second = (tf.cast(beta, grad.dtype) for beta in (self._beta1_t, self._beta2_t))
        first_power, second_power = (tf.cast(power, grad.dtype) for power in self._get_beta_accumulators())
        rate = tf.cast(self._lr_t, grad.dtype) * tf.sqrt(1 - second_power) / (1 - first_power)
        mean = _average(self.get_slot(var, "m"), first, grad, indices)
        square = _average(self.get_slot(var, "v"), second, tf.square(grad), indices)
        change = rate * mean / (tf.sqrt(square) + tf.cast(self._epsilon_t, grad.dtype))
        # Only after the moments are written may the step count as made.
        return tf.raw_ops.ResourceScatterSub(resource=var.handle, indices=indices, updates=change)


def _average(slot: Any, keep: tf.Tensor, values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """The exponential averages [rows, …] of the rows that a batch has, after they are written.

    Args:
      slot: [all, …].
      keep: [], the share of the old that stays.
      values: [rows, …], which the rows at the indices are told.
      indices: [rows], each once.
    """
    rows = keep * tf.gather(slot, indices) + (1 - keep) * values
    with tf.control_dependencies(
        [tf.raw_ops.ResourceScatterUpdate(resource=slot.handle, indices=indices, updates=rows)]
    ):
        return tf.identity(rows)


_ADVICE = {
    "AdamWOptimizer": "Use tf.train.AdamOptimizer with tf.nn.l2_loss, or keras.optimizers.AdamW",
    "MovingAverageOptimizer": "Use tf.train.ExponentialMovingAverage",
    "NadamOptimizer": "Use keras.optimizers.Nadam",
    "AdaMaxOptimizer": "Use keras.optimizers.Adamax",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, {}, None, _ADVICE)
