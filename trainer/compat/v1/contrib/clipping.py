"""`tf.contrib.estimator.clip_gradients_by_norm`: an optimizer whose gradients are clipped together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


class _ClippingOptimizer(tf.compat.v1.train.Optimizer):
    """See `clip_gradients_by_norm`."""

    def __init__(self, optimizer: tf.compat.v1.train.Optimizer, clip_norm: Any) -> None:
        super().__init__(use_locking=False, name=f"ClipByNorm{optimizer.get_name()}")
        self._optimizer, self._clip_norm = optimizer, clip_norm

    def compute_gradients(self, *arguments: Any, **settings: Any) -> Any:
        return self._optimizer.compute_gradients(*arguments, **settings)

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Any]], global_step: Any = None, name: str | None = None
    ) -> Any:
        gradients, variables = zip(*grads_and_vars, strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        return self._optimizer.apply_gradients(list(zip(clipped, variables, strict=True)), global_step, name)

    def get_slot(self, *arguments: Any, **settings: Any) -> Any:
        return self._optimizer.get_slot(*arguments, **settings)

    def get_slot_names(self, *arguments: Any, **settings: Any) -> Any:
        return self._optimizer.get_slot_names(*arguments, **settings)


def clip_gradients_by_norm(optimizer: tf.compat.v1.train.Optimizer, clip_norm: Any) -> tf.compat.v1.train.Optimizer:
    """An optimizer that scales all gradients down together where their global norm is above `clip_norm` []."""
    return _ClippingOptimizer(optimizer, clip_norm)
