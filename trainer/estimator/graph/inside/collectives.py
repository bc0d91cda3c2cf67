"""What TensorFlow's collectives lack in public: a way to end them."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.eager import context


def abort(reason: str) -> None:
    """Ends what waits for other devices, and every collective after it in this process.

    A device whose peer has failed would wait for it for ever; only the eager context can end that.
    """
    context.context().abort_collective_ops(tf.errors.ABORTED, reason)
