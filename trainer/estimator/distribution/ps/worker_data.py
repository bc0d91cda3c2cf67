"""The batches of the workers: an iterator over stacks on each, made and read there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.estimator.distribution.ps.servers import Servers
from trainer.estimator.graph.inside.coordinator import resources_of_workers
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.stacks import stackable


def static_spec(dataset: tf.data.Dataset) -> Any:
    """The element spec with the batch size of the first batch.

    Raises:
      ValueError: batches that cannot be stacked, or none at all.
    """
    spec = dataset.element_spec
    if not stackable(spec):
        raise ValueError(
            f"The input function gives {spec}. Parameter servers take dense tensors [batch, …] of known shapes. "
            "Make such tensors of what is sparse, ragged or a value of Python, or train without parameter servers"
        )
    if all(part.shape.is_fully_defined() for part in tf.nest.flatten(spec)):
        return spec
    # Graphs of calls want sizes. A dataset that tells none gives batches of one size, but for the last.
    for first in dataset.take(1):
        return tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), first)
    raise ValueError(
        "The input function gives no batch. Training takes one at least. Check its paths and its batch size"
    )


def iterators(servers: Servers, plan: TrainingPlan, spec: Any, steps: int) -> Any:
    """An iterator over stacks of whole batches on every worker, made again there when the worker comes back.

    Args:
      servers: the connection.
      plan: of the training, which gives each worker its share of the data.
      spec: of a batch; others, as the last one of the data may be, are left out.
      steps: batches in a stack: [steps, batch, …] for each tensor, and int64 [steps, 2], which pipeline and which batch
        of it each one is.
    """

    specs = tf.nest.flatten(spec)

    def whole(*parts: tf.Tensor) -> tf.Tensor:
        """Whether a batch [batch, …] has as many examples as the others, []; behind it comes its number [2]."""
        return tf.reduce_all([tf.shape(p)[0] == s.shape[0] for p, s in zip(parts, specs, strict=False)])

    def make(index: int) -> Callable[[], Any]:
        def fn() -> Any:
            dataset = plan.dataset(tf.distribute.InputContext(servers.num_workers, index, servers.num_workers))
            flat = dataset.map(lambda *element: tuple(tf.nest.flatten(element))).enumerate()
            numbered = flat.map(lambda number, parts: (*parts, tf.stack([tf.constant(index, tf.int64), number])))
            return iter(numbered.filter(whole).batch(steps).prefetch(2))

        return fn

    # A stack at the end of the data may be short, so its length is not known.
    parts = [*specs, tf.TensorSpec([2], tf.int64)]
    stacked = tuple(tf.TensorSpec([None, *part.shape], part.dtype) for part in parts)
    makers = [make(index) for index in range(servers.num_workers)]
    return resources_of_workers(servers.coordinator, makers, tf.data.IteratorSpec(stacked))
