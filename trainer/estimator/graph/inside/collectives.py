"""What TensorFlow's collectives lack in public: a way to end them, and to tell whether they can still be set up."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.eager import context


def has_computed() -> bool:
    """Whether TensorFlow has its devices already, after which no process can connect to others for collectives."""
    return context.context()._context_handle is not None


def abort(reason: str) -> None:
    """Ends what waits for other devices, and every collective after it in this process.

    A device whose peer has failed would wait for it for ever; only the eager context can end that.
    """
    context.context().abort_collective_ops(tf.errors.ABORTED, reason)
