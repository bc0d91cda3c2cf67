"""Many small tensors in one, so that they cross the network as one message: Horovod's tensor fusion.

A message between processes costs about as much as copying some hundred kilobytes, so small tensors travel together, as
32-bit words, and large ones alone. For example the weights w float32 [5, 1] and b float32 [1], a step int64 [] and a
table float32 [100000, 8] travel as two tensors::

    int32 [8]: ─ five words of w ─ one of b ─ two of the step ─     float32 [100000, 8]: the table

Small tensors of one type stay of that type, so that no server has to look at each as words: w and b alone travel as
float32 [6].
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import tensorflow as tf

SMALL_BYTES = 1 << 16
_WORD = 4


@dataclasses.dataclass(frozen=True)
class FusedTensors:
    """How tensors of certain shapes and types travel.

    Attributes:
      specs: of the tensors, in their order.
    """

    specs: tuple[tf.TensorSpec, ...]

    @classmethod
    def like(cls, values: Iterable[tf.Tensor | tf.Variable]) -> FusedTensors:
        """How the values of tensors or variables travel, of any shapes [...]."""
        return cls(tuple(tf.TensorSpec(value.shape, value.dtype) for value in values))

    @property
    def together(self) -> list[int]:
        """Indexes of the tensors that travel as one; the others travel alone."""
        small = [index for index, spec in enumerate(self.specs) if _is_small(spec)]
        return small if len(small) > 1 else []

    @property
    def _one_type(self) -> bool:
        """Whether all that travels as one is of one type."""
        return len({self.specs[index].dtype for index in self.together}) == 1

    def pack(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What travels of tensors of the specs: the small ones as one vector, if there are several, of their type or
        int32 [words], then each of the others as it is."""
        # The one vector comes first, so that both ends agree without a word about it.
        together = self.together
        alone = [tensor for index, tensor in enumerate(tensors) if index not in together]
        flat = _flat if self._one_type else words_of
        return [tf.concat([flat(tensors[index]) for index in together], 0), *alone] if together else alone

    def unpack(self, pieces: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The tensors again, of the shapes [...] of the specs, from what has travelled."""
        together = self.together
        alone = iter(pieces[1:] if together else pieces)
        if not together:
            return list(alone)
        specs = [self.specs[index] for index in together]
        size, shaped = (specs[0].dtype.size, _shaped) if self._one_type else (_WORD, _tensor)
        small = iter(tf.split(pieces[0], [_bytes(spec) // size for spec in specs]))
        return [
            shaped(next(small), spec) if index in together else next(alone) for index, spec in enumerate(self.specs)
        ]


def _bytes(spec: tf.TensorSpec) -> int:
    return math.prod(spec.shape) * spec.dtype.size


def _is_small(spec: tf.TensorSpec) -> bool:
    return in_words(spec) and spec.shape.is_fully_defined() and _bytes(spec) <= SMALL_BYTES


def in_words(spec: tf.TensorSpec) -> bool:
    """Whether a tensor's numbers are of one or two words: half a word would have to be padded, and is rare."""
    return (spec.dtype.is_floating or spec.dtype.is_integer) and spec.dtype.size in (_WORD, 2 * _WORD)


def words_of(tensor: tf.Tensor) -> tf.Tensor:
    """The bits of a tensor of any shape: int32 [words]."""
    # Bits, not values: a float32 keeps its payload, and an int64 becomes two words.
    return _flat(tf.bitcast(tensor, tf.int32))


def _flat(tensor: tf.Tensor) -> tf.Tensor:
    """The values of a tensor of any shape: [values]."""
    return tf.reshape(tensor, [-1])


def _shaped(values: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """The tensor of a spec, from its values [values]."""
    return tf.reshape(values, spec.shape)


def _tensor(words: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """The tensor of a spec, from its bits, int32 [words]."""
    halves = [] if spec.dtype.size == _WORD else [2]
    return tf.bitcast(tf.reshape(words, [*spec.shape, *halves]), spec.dtype)
