"""Examples of the evaluation with their predictions, for plots: few enough to hold, and spread over all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator import Estimator
from trainer.reporting.plot import Examples

MOST_EXAMPLES, MOST_BYTES, MOST_SECS = 20_000, 128 * 2**20, 20.0
"""What is held at the most, and how long is read."""


class Thinning:
    """Keeps batches in order, evenly spread over all that come, of which it need not be known how many there are.

    Every `every`th batch is kept. When they become too many, each second one is dropped and `every` is doubled.

    Args:
      most_examples: to keep at the most, unless one batch has more.
      most_bytes: likewise.
    """

    def __init__(self, most_examples: int = MOST_EXAMPLES, most_bytes: int = MOST_BYTES) -> None:
        self._most_examples, self._most_bytes = most_examples, most_bytes
        self.batches: list[tuple[int, Any]] = []  # the number of its first example, and the batch
        self.seen = self._examples = 0
        self._every = 1

    def add(self, batch: Any) -> None:
        """Takes the next batch, or drops it.

        Args:
          batch: a nest of arrays [n, …] of any shape.
        """
        if self._examples % self._every == 0:
            self.batches.append((self.seen, batch))
        self._examples, self.seen = self._examples + 1, self.seen + count(batch)
        while len(self.batches) > 1 and self._is_too_much():
            self.batches, self._every = self.batches[::2], 2 * self._every

    def _is_too_much(self) -> bool:
        flat = [tf.nest.flatten(batch) for _, batch in self.batches]
        size = sum(array.nbytes for arrays in flat for array in arrays)
        return sum(len(arrays[0]) for arrays in flat) > self._most_examples or size > self._most_bytes


def examples(
    estimator: Estimator,
    input_fn: Callable[[], tf.data.Dataset],
    steps: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Examples:
    """Reads the evaluation part once, keeps some of it, and asks the model about that.

    Args:
      estimator: whose newest checkpoint is asked.
      input_fn: of the evaluation, without arguments.
      steps: batches of an evaluation; None for all.
      clock: seconds.

    Raises:
      ValueError: it yields no batch, or what plots cannot be drawn from (sparse or ragged tensors).
    """
    dataset = input_fn()
    dataset = dataset if steps is None else dataset.take(steps)
    kept = _kept(dataset, clock)
    spec = dataset.element_spec
    has_labels = isinstance(spec, tuple) and len(spec) == 2
    features = [batch[0] if has_labels else batch for _, batch in kept.batches]
    predictions = _predicted(estimator, features, spec[0] if has_labels else spec)
    return Examples(
        features=_joined(features),
        labels=_joined([batch[1] for _, batch in kept.batches]) if has_labels else None,
        predictions=predictions,
        numbers=np.concatenate([start + np.arange(count(batch)) for start, batch in kept.batches]),
        total=kept.seen,
    )


def count(batch: Any) -> int:
    """How many examples are in a batch: a nest of arrays [n, …] of any shape."""
    return len(tf.nest.flatten(batch)[0])


def _kept(dataset: tf.data.Dataset, clock: Callable[[], float]) -> Thinning:
    kept, deadline = Thinning(), clock() + MOST_SECS
    for batch in dataset.as_numpy_iterator():
        if not all(isinstance(array, np.ndarray) for array in tf.nest.flatten(batch)):
            raise ValueError("the evaluation yields sparse or ragged tensors")
        kept.add(batch)
        if clock() > deadline:
            break
    if not kept.batches:
        raise ValueError("the evaluation yields no batch")
    return kept


def _predicted(estimator: Estimator, features: list[Any], spec: Any) -> dict[str, np.ndarray]:
    """The predictions for batches of features [n, …], joined."""

    def batches() -> Iterator[Any]:
        yield from features

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_generator(batches, output_signature=spec)

    made = list(estimator.predict(input_fn, yield_single_examples=False))
    made = [batch if isinstance(batch, dict) else {"prediction": batch} for batch in made]
    return _joined(made)


def _joined(batches: list[Any]) -> Any:
    """Nests of arrays [n, …] of any shape as one nest."""
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *batches)
