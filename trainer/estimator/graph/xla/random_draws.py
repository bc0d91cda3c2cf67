"""The rule by which a copy of a graph draws random numbers with arithmetic that XLA fuses with what takes them.

XLA for CPUs makes Philox's four numbers at a time and joins them, through memory, at 5 to 20 ns a number: most of a
step with large dropouts. Here each number follows from its place alone, so that a mask is drawn in the loop that uses
it. The generator is that of Java's `SplittableRandom` (Steele, Lea & Flood, OOPSLA 2014), which passes BigCrush::

    key, counter ─► StatelessRandomUniformV2 ─► [batch, units]

    place [batch · units] ─► mix(start(counter) + place · gamma(key)) ─► 23 bits ─► [0, 1) ─► [batch, units]

Numbers are those of key and counter alone, as before: TensorFlow's kernels and XLA draw different ones in any case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph.subgraphs import Copier

_FEWEST = 1024
"""Numbers in a draw; for fewer nothing is gained."""
_FEW_CHANGES = 24
"""Of neighbouring bits in a step from place to place, under which numbers would be related (ibid., section 5)."""
_UNSIGNED = tf.uint64
_ONE = 0x3F800000
"""The bits of 1.0, float32."""
_MANTISSA = 23


class RandomDraws:
    """The rewrite of a copier for what XLA will compile for a CPU.

    Args:
      copier: copies the graph.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the output of an operation, [...], becomes in the copy; None where it stays as it is."""
        if not is_large_draw(op):
            return None
        key, counter = (self._copier.copy_of(tensor) for tensor in op.inputs[1:3])
        drawn = _DRAWS[op.type](_uniform(key, counter, op.outputs[0].shape.as_list()))
        self._copier.stands_for(op, [drawn.op])
        return [drawn]


def is_large_draw(op: tf.Operation) -> bool:
    """Whether an operation draws many numbers by a key and a counter."""
    if op.type not in _DRAWS or op.outputs[0].dtype != tf.float32:
        return False
    shape = op.outputs[0].shape
    return bool(shape.is_fully_defined() and shape.num_elements() >= _FEWEST)


def _uniform(key: tf.Tensor, counter: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Numbers in [0, 1), multiples of 2^-23, as TensorFlow's own are.

    Args:
      key: uint64 [1].
      counter: uint64 [1] or [2], by the algorithm that the operation has.
      shape: of the result.

    Returns:
      float32 of that shape.
    """
    # Seeds are hashed into the key and the last word of the counter; `tf.random.Generator` counts in the first.
    start = _mixed(counter[0]) + counter[-1]
    places = tf.cast(tf.range(1, math.prod(shape) + 1, dtype=tf.int64), _UNSIGNED)
    bits = _shifted(_mixed(start + places * _gamma(key[0])), 64 - _MANTISSA)
    ones = tf.bitwise.bitwise_or(tf.cast(bits, tf.int32), _ONE)
    return tf.reshape(tf.bitcast(ones, tf.float32) - 1.0, shape)


def _standard_normal(uniform: tf.Tensor) -> tf.Tensor:
    """Numbers of mean 0 and deviation 1, from those in [0, 1), [...], as XLA makes its own."""
    between = 2.0 * uniform + (2.0**-_MANTISSA - 1.0)  # in the middle of each of 2^23 parts of (-1, 1)
    return math.sqrt(2.0) * tf.math.erfinv(between)


_DRAWS = {"StatelessRandomUniformV2": tf.identity, "StatelessRandomNormalV2": _standard_normal}


def _mixed(words: tf.Tensor) -> tf.Tensor:
    """Each bit of words, uint64 [...], spread over its word (Stafford's variant 13)."""
    words = tf.bitwise.bitwise_xor(words, _shifted(words, 30)) * _word(0xBF58476D1CE4E5B9)
    words = tf.bitwise.bitwise_xor(words, _shifted(words, 27)) * _word(0x94D049BB133111EB)
    return tf.bitwise.bitwise_xor(words, _shifted(words, 31))


def _gamma(key: tf.Tensor) -> tf.Tensor:
    """The step from place to place, odd, for a key; both uint64 []."""
    step = tf.bitwise.bitwise_or(_mixed(key), _word(1))
    changes = tf.raw_ops.PopulationCount(x=tf.bitwise.bitwise_xor(step, _shifted(step, 1)))
    other = tf.bitwise.bitwise_xor(step, _word(0xAAAAAAAAAAAAAAAA))
    return tf.where(changes < _FEW_CHANGES, other, step)


def _shifted(words: tf.Tensor, bits: int) -> tf.Tensor:
    """Words, uint64 [...], shifted to the right."""
    return tf.bitwise.right_shift(words, _word(bits))


def _word(value: int) -> tf.Tensor:
    """A constant, uint64 []."""
    return tf.constant(value, _UNSIGNED)
