"""What a program says that wants its pipelines left as they are."""

from __future__ import annotations

import tensorflow as tf


def options() -> tf.data.Options:
    """TensorFlow's own changes of pipelines, and so ours, are switched off."""
    refusing = tf.data.Options()
    refusing.experimental_optimization.apply_default_optimizations = False
    return refusing
