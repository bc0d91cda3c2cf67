"""Many small tensors in one, so that they cross the network as one message.

A message between processes costs about as much as copying some hundred kilobytes, so small tensors travel together, as
32-bit words, and large ones alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

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

    @property
    def together(self) -> list[int]:
        """Indexes of the tensors that travel as one; the others travel alone."""
        small = [index for index, spec in enumerate(self.specs) if _is_small(spec)]
        return small if len(small) > 1 else []

    def pack(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What travels: the small ones in one int32 vector, if there are several, then each of the others."""
        together = self.together
        alone = [tensor for index, tensor in enumerate(tensors) if index not in together]
        return [tf.concat([_words(tensors[index]) for index in together], 0), *alone] if together else alone

    def unpack(self, pieces: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The tensors again, from what has travelled."""
        together = self.together
        alone = iter(pieces[1:] if together else pieces)
        if not together:
            return list(alone)
        specs = [self.specs[index] for index in together]
        small = iter(tf.split(pieces[0], [_bytes(spec) // _WORD for spec in specs]))
        return [
            _tensor(next(small), spec) if index in together else next(alone) for index, spec in enumerate(self.specs)
        ]


def _bytes(spec: tf.TensorSpec) -> int:
    return math.prod(spec.shape) * spec.dtype.size


def _is_small(spec: tf.TensorSpec) -> bool:
    plain = spec.dtype.is_floating or spec.dtype.is_integer
    whole = plain and spec.dtype.size in (_WORD, 2 * _WORD)
    return whole and spec.shape.is_fully_defined() and _bytes(spec) <= SMALL_BYTES


def _words(tensor: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.bitcast(tensor, tf.int32), [-1])


def _tensor(words: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    halves = [] if spec.dtype.size == _WORD else [2]
    return tf.bitcast(tf.reshape(words, [*spec.shape, *halves]), spec.dtype)
