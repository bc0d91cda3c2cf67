"""The seeds of the process: those of TensorFlow's eager ops, and of Python, which Keras draws from."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import context as eager_context

# TensorFlow and Python have one generator each for all threads, so threads that seed them take turns.
_turn = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Inside, TensorFlow's eager ops, Keras's initializers and `random` follow `seed`; outside nothing changes.

    Args:
      seed: None changes nothing, and waits for nobody.
    """
    if seed is None:
        yield
        return
    with _turn:
        context = eager_context.context()
        context.ensure_initialized()  # it has no seed before, and would forget the one that it is given
        # tf.random.set_seed sets them and nothing public reads them, which putting them back needs.
        kept = context._seed, getattr(context, "_rng", random.Random()), random.getstate()
        tf.random.set_seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            context._seed, context._rng = kept[:2]
            random.setstate(kept[2])
