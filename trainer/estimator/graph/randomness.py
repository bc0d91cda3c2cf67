"""Random ops of a training step that depend on the seed and the global step alone.

TensorFlow's `tf.random.normal`, `tf.nn.dropout` and their like keep a hidden state in each kernel, which no checkpoint
holds, and which no seed reaches once XLA compiles the step. Traced under `by_step` they become their stateless twins,
drawn anew at every step: the same seed gives the same numbers in every run, and a continued run draws what the unbroken
one drew. (XLA and TensorFlow's kernels agree on the distribution, not on the numbers.)
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import gen_random_ops

_PHILOX = "philox"
# What is left to hidden state: rarer distributions, and any of them inside a loop, where one step draws many times.
_HIDDEN = {
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
}


@contextlib.contextmanager
def by_step(graph: tf.Graph, global_step: tf.Variable) -> Iterator[None]:
    """Inside, random ops made in `graph` itself (not in its loops and branches) draw by seed and global step."""
    twins: dict[str, Callable[..., tf.Tensor]] = {
        "random_uniform": _uniform,
        "random_uniform_int": _uniform_int,
        "random_standard_normal": _normal,
        "truncated_normal": _truncated_normal,
    }
    with contextlib.ExitStack() as stack:
        for name, twin in twins.items():
            stack.enter_context(_made_by(name, twin, graph, global_step))
        yield


@contextlib.contextmanager
def _made_by(name: str, twin: Callable[..., tf.Tensor], graph: tf.Graph, global_step: tf.Variable) -> Iterator[None]:
    stateful = getattr(gen_random_ops, name)

    def make(*args: Any, seed: int = 0, seed2: int = 0, **kwargs: Any) -> tf.Tensor:
        if tf.compat.v1.get_default_graph() is not graph:
            return stateful(*args, seed=seed, seed2=seed2, **kwargs)
        kwargs.pop("name", None)
        key = random.Random(f"{seed}/{seed2}").getrandbits(62) if seed or seed2 else random.getrandbits(62)
        return twin(*args, seed=tf.stack([tf.constant(key, tf.int64), global_step.read_value()]), **kwargs)

    setattr(gen_random_ops, name, make)
    try:
        yield
    finally:
        setattr(gen_random_ops, name, stateful)


def _uniform(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, dtype=dtype, alg=_PHILOX)


def _uniform_int(shape: Any, minval: Any, maxval: Any, seed: tf.Tensor) -> tf.Tensor:
    dtype = tf.convert_to_tensor(minval).dtype
    return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg=_PHILOX)


def _normal(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal(shape, seed, dtype=dtype, alg=_PHILOX)


def _truncated_normal(shape: Any, dtype: Any, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_truncated_normal(shape, seed, dtype=dtype, alg=_PHILOX)


def hides_state(graph: func_graph.FuncGraph) -> bool:
    """Whether a random op with a hidden state is left in a graph or in the functions that it calls."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return any(node.op in _HIDDEN for node in nodes)
