"""`tensorflow.python.estimator.canned.optimizers`, by which Estimators of programs took an optimizer or its name."""

from __future__ import annotations

from typing import Any

from trainer.estimator.canned import optimizers


def get_optimizer_instance(opt: Any, learning_rate: float | None = None) -> Any:
    """An optimizer of TensorFlow 1.

    Args:
      opt: a name, an optimizer, or a function without arguments that makes one.
      learning_rate: of one that is named.

    Raises:
      ValueError: an unknown name, or one without a rate, or something else.
    """
    if isinstance(opt, str) and learning_rate is None:
        raise ValueError(
            f"get_optimizer_instance was given the name {opt!r} and no learning_rate. "
            "It takes both, or an optimizer. Give a learning_rate"
        )
    return optimizers.first_version(opt, learning_rate)
