"""Predictions of many batches in one device call, where nobody can tell that batches are read ahead.

A trip to Python for each batch takes longer than most models take to predict it. So a call predicts 1, 2, 4, … batches,
which come back joined, and are divided where they are asked for: whoever asks for few has few computed. A dataset that
calls Python or reads variables is read batch by batch: it may give what was put there since the last prediction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.inside.live_datasets import is_live
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.steps.input.stacks import STACK_BYTES
from trainer.estimator.steps.timing.cadence import Pacer

_CALL_BATCHES = 256
_CALL_SECS = 0.1


def possible(dataset: tf.data.Dataset, predictions: Any) -> bool:
    """Whether a call may predict many batches.

    Args:
      dataset: yields features.
      predictions: nested tensors of the model's graph, [batch, …] each. Those of a batch are joined with those of
        others, for which all dimensions but the first have to be known.
    """
    tensors = tf.nest.flatten(predictions, expand_composites=True)
    joined = all(tensor.shape.rank is not None and None not in tensor.shape.as_list()[1:] for tensor in tensors)
    plain = len(tensors) == len(tf.nest.flatten(predictions))
    return bool(tensors) and joined and plain and not is_live(dataset)


class ReadAhead:
    """Predicts many batches in one call.

    Args:
      predict: gives predictions for the flat components of features.
      predictions: nested tensors of the model's graph, [batch, …] or [] each, which say what it gives.
    """

    def __init__(self, predict: PrunedFunction, predictions: Any) -> None:
        self._predict, self._predictions = predict, predictions
        tensors = tf.nest.flatten(predictions)
        self._scalar = [tensor.shape.rank == 0 for tensor in tensors]
        # Joined, a number for each batch is a vector with one element of each.
        self._specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in tensors]
        self._function = tf.function(self._loop, autograph=False)

    def batches(self, dataset: tf.data.Dataset) -> Iterator[Any]:
        """The predictions for each batch of features.

        Yields:
          Arrays [batch, …], or numbers, in the structure of the predictions.
        """
        iterator = iter(dataset.prefetch(2))
        loop = self._function.get_concrete_function(iterator, tf.TensorSpec([], tf.int32))
        pacer, count, more = Pacer(target=_CALL_SECS), 1, True
        while more:
            began = time.time()
            made, has_more, sizes, joined = loop(iterator, tf.constant(count))
            pacer.observe(max(1, int(made)), time.time() - began)
            more, arrays = bool(has_more), [part.numpy() for part in joined]
            ends = np.cumsum(sizes.numpy(), axis=0)
            for index in range(int(made)):
                yield tf.nest.pack_sequence_as(self._predictions, self._divided(arrays, ends, index))
            batch_bytes = sum(array.nbytes for array in arrays) // max(1, int(made))
            count = min(2 * count, pacer.limit, _CALL_BATCHES, max(1, STACK_BYTES // max(1, batch_bytes)))

    def _one(self, optional: Any) -> list[tf.Tensor]:
        """The predictions for the batch in a `tf.experimental.Optional`, [batch, …] each."""
        predicted, _ = self._predict(*tf.nest.flatten(optional.get_value(), expand_composites=True))
        parts = tf.nest.flatten(predicted)
        return [part[None] if scalar else part for part, scalar in zip(parts, self._scalar, strict=True)]

    def _none(self) -> list[tf.Tensor]:
        """Predictions for no batch, [0, …] each."""
        return [tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in self._specs]

    def _loop(self, iterator: Any, count: tf.Tensor) -> Any:
        """Predicts up to `count` batches, int32 [].

        Returns:
          How many there were, int32 []; whether there may be more, bool []; the first dimensions of the predictions
          for each batch, int32 [count, predictions]; those of all batches, joined, [examples, …] each.
        """

        def body(index: tf.Tensor, _: tf.Tensor, sizes: tf.TensorArray, parts: list[tf.TensorArray]) -> Any:
            optional = iterator.get_next_as_optional()
            more = optional.has_value()
            predicted = tf.cond(more, lambda: self._one(optional), self._none)
            made = [array.write(index, part) for array, part in zip(parts, predicted, strict=True)]
            rows = tf.stack([tf.shape(part)[0] for part in predicted])
            return index + tf.cast(more, tf.int32), more, sizes.write(index, rows), made

        arrays = [
            tf.TensorArray(spec.dtype, 0, dynamic_size=True, infer_shape=False, element_shape=spec.shape)
            for spec in self._specs
        ]
        sizes = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[len(arrays)])
        start = [tf.constant(0), tf.constant(True), sizes, arrays]
        index, more, sizes, arrays = tf.while_loop(
            lambda index, more, *_: more & (index < count), body, start, parallel_iterations=1
        )
        return index, more, sizes.stack()[:index], [array.concat() for array in arrays]

    def _divided(self, arrays: list[np.ndarray], ends: np.ndarray, index: int) -> list[Any]:
        """The predictions for a batch, [batch, …] each or a number.

        Args:
          arrays: joined predictions.
          ends: where those for each batch end, int [batches, predictions].
          index: of the batch.
        """
        starts = ends[index - 1] if index else np.zeros_like(ends[0])
        rows = [array[start:end] for array, start, end in zip(arrays, starts, ends[index], strict=True)]
        return [part[0] if scalar else part for part, scalar in zip(rows, self._scalar, strict=True)]
