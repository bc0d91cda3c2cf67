"""Model functions on several GPUs of a process: nothing is to be done, for a strategy puts them there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replicate_model_fn(model_fn: Any, loss_reduction: Any = None, devices: Any = None) -> Any:
    """The model function itself.

    Args:
      model_fn: is trained on all GPUs of a process, each of which takes batches of its own.
      loss_reduction: means nothing: gradients are averaged.
      devices: mean nothing: CUDA_VISIBLE_DEVICES says which there are.
    """
    return model_fn


def TowerOptimizer(optimizer_or_optimizer_fn: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
    """The optimizer itself.

    Args:
      optimizer_or_optimizer_fn: an optimizer, or a class or function that makes one.
      args: of the function.
      kwargs: of the function.
    """
    given: Callable[..., Any] = optimizer_or_optimizer_fn
    return given(*args, **kwargs) if callable(given) else given
