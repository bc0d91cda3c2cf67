"""Random ops of a training step that depend on the seed and the global step alone.

TensorFlow's `tf.random.normal`, `tf.nn.dropout` and their like keep a hidden state in each kernel, which no checkpoint
holds, and which no seed reaches once XLA compiles the step. Traced under `by_step` they become their stateless twins,
drawn anew at every step: the same seed gives the same numbers in every run, and a continued run draws what the unbroken
one drew. (XLA and TensorFlow's kernels agree on the distribution, not on the numbers.)
"""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import random_ops

_PHILOX = "philox"


@contextlib.contextmanager
def by_step(graph: tf.Graph, step: Callable[[], tf.Tensor]) -> Iterator[None]:
    """Inside, random ops made in `graph` itself (not in its loops and branches) draw by seed and step.

    Args:
      graph: that is being traced.
      step: gives it there, int64 [].
    """
    # Only these are drawn often enough to have twins; `hides_state` tells of the others.
    twins: dict[str, Callable[..., tf.Tensor]] = {
        "random_uniform": _uniform,
        "random_uniform_int": _uniform_int,
        "random_standard_normal": _normal,
        "truncated_normal": _truncated_normal,
    }
    drawing = {name: functools.partial(_drawn, twin, step) for name, twin in twins.items()}
    with random_ops.made_by(graph, drawing):
        yield


def _drawn(
    twin: Callable[..., tf.Tensor],
    step: Callable[[], tf.Tensor],
    *args: Any,
    seed: int = 0,
    seed2: int = 0,
    **kwargs: Any,
) -> tf.Tensor:
    """What a random op draws at a step, made by its stateless twin.

    Args:
      twin: a function of what the op takes, and of a seed int64 [2].
      step: gives an int64 [].
      args: the op's: a shape int32 or int64 [rank], and for integers the range [], [].
      seed: the graph's.
      seed2: the op's; two zeros stand for no seed.
      kwargs: the op's dtype.
    """
    kwargs.pop("name", None)
    # The op's seeds name a stream of numbers; its place in the stream is the step.
    key = random.Random(f"{seed}/{seed2}").getrandbits(62) if seed or seed2 else random.getrandbits(62)
    return twin(*args, seed=tf.stack([tf.constant(key, tf.int64), step()]), **kwargs)


def _uniform(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    """Numbers in [0, 1) of a shape [rank], from a seed int64 [2]."""
    return tf.random.stateless_uniform(shape, seed, dtype=dtype, alg=_PHILOX)


def _uniform_int(shape: Any, minval: Any, maxval: Any, seed: tf.Tensor) -> tf.Tensor:
    """Whole numbers in [minval, maxval) of a shape [rank].

    Args:
      shape: int32 or int64 [rank].
      minval: [], of the dtype that the numbers have.
      maxval: [].
      seed: int64 [2].
    """
    dtype = tf.convert_to_tensor(minval).dtype
    return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg=_PHILOX)


def _normal(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    """Numbers of mean 0 and deviation 1 of a shape [rank], from a seed int64 [2]."""
    return tf.random.stateless_normal(shape, seed, dtype=dtype, alg=_PHILOX)


def _truncated_normal(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    """The same within two deviations, of a shape [rank], from a seed int64 [2]."""
    return tf.random.stateless_truncated_normal(shape, seed, dtype=dtype, alg=_PHILOX)


def hides_state(graph: tf.Graph) -> bool:
    """Whether a random op with a hidden state is left in a graph or in the functions that it calls."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return any(node.op in op_table.HIDDEN_STATE for node in nodes)
