"""The hooks that TensorFlow ships, seen from inside: when they are due, and how far they think that training is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_train = tf.compat.v1.train
_TIMED = (_train.LoggingTensorHook, _train.SummarySaverHook, _train.StepCounterHook)
STOCK = (
    *_TIMED,
    _train.StopAtStepHook,
    _train.NanTensorHook,
    _train.FinalOpsHook,
    _train.GlobalStepWaiterHook,
    _train.CheckpointSaverHook,
    _train.FeedFnHook,
    _train.ProfilerHook,
)
"""All of them; they ask a Session for the global step."""


def is_timed(hook: Any) -> bool:
    """Whether a hook does something every so often and nothing in between."""
    kind = next((kind for kind in _TIMED if isinstance(hook, kind)), None)
    moments = ("before_run", "after_run")
    return kind is not None and all(getattr(type(hook), name) is getattr(kind, name) for name in moments)


def every_steps(hook: Any) -> int | None:
    """Steps between two times that a timed hook is due; None where it goes by seconds."""
    return getattr(hook._timer, "_every_steps", None)


def count(hook: Any, iterations: int, step: int) -> None:
    """Tells a timed hook how far training was before the step that it is called around.

    Args:
      hook: that is timed.
      iterations: steps that this training had made.
      step: the global step after it.
    """
    if isinstance(hook, _train.LoggingTensorHook):
        hook._iter_count = iterations
    elif getattr(hook, "_next_step", None) is not None:
        hook._next_step = step


def as_calls_fall(hook: Any) -> bool:
    """Whether it is enough for a hook to look at the ends of calls."""
    return isinstance(hook, _train.GlobalStepWaiterHook | _train.StopAtStepHook)


def asks_at_end(hook: Any) -> Any:
    """What a stock hook asks for after the last step, nested tensors [...]; None for nothing."""
    if isinstance(hook, _train.LoggingTensorHook):
        return hook._current_tensors
    return hook._final_ops if isinstance(hook, _train.FinalOpsHook) else None


def last_step(hook: Any) -> int | None:
    """The global step at which a `StopAtStepHook` ends training, once it is known; None for other hooks."""
    return getattr(hook, "_last_step", None) if isinstance(hook, _train.StopAtStepHook) else None


def watched_loss(hook: Any) -> tf.Tensor | None:
    """What a `NanTensorHook` looks at, [...]; None for other hooks."""
    return hook._loss_tensor if isinstance(hook, _train.NanTensorHook) else None


def saving(hook: Any) -> tuple[int | None, float | None, list[Any]]:
    """Steps and seconds between the saves of a `CheckpointSaverHook`, and its listeners."""
    return hook._timer._every_steps, hook._timer._every_secs, list(hook._listeners)


def profiling(hook: Any) -> tuple[int | None, float | None, str]:
    """Steps and seconds between the profiles of a `ProfilerHook`, and the directory that they go to."""
    return hook._timer._every_steps, hook._timer._every_secs, str(hook._output_file).rpartition("timeline-")[0]


def step_reads(graph: tf.Graph) -> list[tf.Tensor]:
    """What these hooks read the global step by in a graph, int64 []."""
    return list(graph.get_collection("global_step_read_op_cache"))
