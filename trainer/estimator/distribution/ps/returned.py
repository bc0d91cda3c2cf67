"""What a call returns to the chief: as one vector, since the worker waits while each tensor is fetched by itself.

Of a call that made two steps, whose second loss is NaN, on batches of one component x float32 [1, 2]::

    made 2, losses [0.5, nan]          int32 [12]: 2, 2 rows, the words of two losses, four of x, four of the numbers
    x at the NaN [2, 1, 2]
    numbers int64 [2, 2] (4 words each row)

Components whose numbers are no whole words, such as strings, come behind it as they are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.estimator.distribution.ps.fused_tensors import in_words, words_of

_HEAD = 2


@dataclasses.dataclass(frozen=True)
class Returned:
    """How what calls return travels.

    Attributes:
      specs: of the components of a batch, its numbers among them.
    """

    specs: tuple[tf.TensorSpec, ...]

    def pack(self, made: tf.Tensor, losses: tf.Tensor, batches: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """A vector int32 [words], and what does not fit in.

        Args:
          made: steps, int32 [].
          losses: float32 [made or more].
          batches: the components of those at the first NaN, [0 to 2, …] each.
        """
        head = tf.stack([made, tf.shape(batches[-1])[0]])
        words = [words_of(batch) for batch, spec in zip(batches, self.specs, strict=True) if in_words(spec)]
        alone = [batch for batch, spec in zip(batches, self.specs, strict=True) if not in_words(spec)]
        return [tf.concat([head, words_of(losses[:made]), *words], 0), *alone]

    def unpack(self, travelled: Sequence[np.ndarray]) -> tuple[int, np.ndarray, list[np.ndarray]]:
        """As it was packed: the steps made, their losses float32 [made], and the components of batches, [0 to 2, …]."""
        words, alone = np.asarray(travelled[0]), iter(travelled[1:])
        made, rows = words[:_HEAD].tolist()
        losses, at = words[_HEAD : _HEAD + made].view(np.float32), _HEAD + made
        batches = []
        for spec in self.specs:
            if not in_words(spec):
                batches.append(np.asarray(next(alone)))
                continue
            count = rows * math.prod(spec.shape) * spec.dtype.size // words.itemsize
            flat = words[at : at + count].view(spec.dtype.as_numpy_dtype)
            batches.append(flat.reshape([rows, *spec.shape]))
            at += count
        return made, losses, batches
