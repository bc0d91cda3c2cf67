"""Functions that compute logits from features, as canned Estimators and programs of TensorFlow 1 call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import accepted


def call_logit_fn(logit_fn: Callable[..., Any], features: Any, mode: str, params: Any, config: Any) -> Any:
    """Calls a function with those of the arguments that it takes.

    Args:
      logit_fn: takes features and any of mode, params and config.
      features: nested tensors, [batch, …] each.
      mode: a value of ModeKeys.
      params: those of the Estimator.
      config: a RunConfig.

    Returns:
      The logits [batch, …], or several by name.

    Raises:
      ValueError: the function returned something else.
    """
    arguments = {"features": features, "mode": mode, "params": params, "config": config}
    logits = logit_fn(**accepted(logit_fn, arguments))
    parts = logits.values() if isinstance(logits, Mapping) else [logits]
    if not all(tf.is_tensor(part) for part in parts):
        raise ValueError(
            f"The logit function returned {logits!r}. It returns a tensor, or a dict of names to tensors. "
            "Return the logits alone"
        )
    return logits
