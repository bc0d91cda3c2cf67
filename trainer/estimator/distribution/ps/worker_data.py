"""The batches of the workers: an iterator over stacks on each, made and read there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.distribution.ps.servers import Servers
from trainer.estimator.graph.input import whole_stacks
from trainer.estimator.graph.inside.coordinator import resources_of_workers
from trainer.estimator.steps.input.stacks import stackable
from trainer.estimator.steps.plan import TrainingPlan


@dataclasses.dataclass(frozen=True)
class Data:
    """What the chief has seen of the data that workers read.

    Attributes:
      spec: of a batch, with its size.
      text_bytes: of the texts of a row, as `whole_stacks.text_bytes` tells them.
    """

    spec: Any
    text_bytes: float

    @classmethod
    def of(cls, dataset: tf.data.Dataset) -> Data:
        """The batch size is that of the first batch.

        Raises:
          ValueError: batches that cannot be stacked, or none at all.
        """
        return cls(_static_spec(dataset), whole_stacks.text_bytes(dataset))

    @property
    def stacked(self) -> list[tf.TensorSpec]:
        """The components of a stack, and the numbers of its batches, int64 [steps, 2]; it may be short at the end."""
        parts = [*tf.nest.flatten(self.spec), tf.TensorSpec([2], tf.int64)]
        return [tf.TensorSpec([None, *part.shape], part.dtype) for part in parts]


def _static_spec(dataset: tf.data.Dataset) -> Any:
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


def iterators(servers: Servers, plan: TrainingPlan, data: Data, steps: int) -> Any:
    """An iterator over stacks of whole batches on every worker, made again there when the worker comes back.

    Args:
      servers: the connection.
      plan: of the training, which gives each worker its share of the data.
      data: as the chief sees them. Batches of another size, as the last one may be, are left out.
      steps: batches in a stack: [steps, batch, …] for each tensor, and int64 [steps, 2], which pipeline and which batch
        of it each one is.
    """

    def make(index: int) -> Callable[[], Any]:
        def fn() -> Any:
            dataset = plan.dataset(tf.distribute.InputContext(servers.num_workers, index, servers.num_workers))
            return iter(_stacks(dataset, data, steps, index).prefetch(2))

        return fn

    makers = [make(index) for index in range(servers.num_workers)]
    return resources_of_workers(servers.coordinator, makers, tf.data.IteratorSpec(tuple(data.stacked)))


def _stacks(dataset: tf.data.Dataset, data: Data, steps: int, pipeline: int) -> tf.data.Dataset:
    """Stacks of the whole batches of a dataset, and behind each the numbers of its batches.

    Args:
      dataset: of one worker.
      data: as the chief sees them.
      steps: batches in a stack.
      pipeline: its number.
    """
    sizes = [part.shape[:1] for part in tf.nest.flatten(data.spec)]
    flat = dataset.map(_flat)
    fixed = [part.shape[:1] for part in flat.element_spec] == sizes
    at_once = whole_stacks.stacks(flat, steps, data.text_bytes)
    if at_once is not None:
        # All their batches are of one size, the rest of the data left out.
        whole = at_once if fixed else at_once.filter(_whole(sizes, 1))
        return whole.enumerate().map(_numbers_of_stack(pipeline, steps))
    numbered = flat.enumerate().map(_number_of_batch(pipeline))
    return (numbered if fixed else numbered.filter(_whole(sizes, 0))).batch(steps)


@tf.autograph.experimental.do_not_convert
def _flat(*element: Any) -> tuple[tf.Tensor, ...]:
    """The components of a batch, each [batch, …]."""
    return tuple(tf.nest.flatten(element))


def _whole(sizes: Sequence[tf.TensorShape], axis: int) -> Callable[..., tf.Tensor]:
    """Says of components [batch, …], or [steps, batch, …], whether batches have as many examples as the others, []."""

    @tf.autograph.experimental.do_not_convert
    def whole(*parts: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all([tf.shape(part)[axis] == size[0] for part, size in zip(parts, sizes, strict=False)])

    return whole


def _number_of_batch(pipeline: int) -> Callable[..., Any]:
    """Puts the numbers [2] of the pipeline and of the batch behind the components of a batch [batch, …]."""

    @tf.autograph.experimental.do_not_convert
    def numbered(number: tf.Tensor, parts: Sequence[tf.Tensor]) -> Any:
        return (*parts, tf.stack([tf.constant(pipeline, tf.int64), number]))

    return numbered


def _numbers_of_stack(pipeline: int, steps: int) -> Callable[..., Any]:
    """Puts the numbers [batches, 2] of the pipeline and of the batches behind the components [batches, batch, …]."""

    @tf.autograph.experimental.do_not_convert
    def numbered(stack: tf.Tensor, parts: Sequence[tf.Tensor]) -> Any:
        batches = stack * steps + tf.range(tf.shape(parts[0], tf.int64)[0])
        return (*parts, tf.stack([tf.fill(tf.shape(batches), tf.constant(pipeline, tf.int64)), batches], 1))

    return numbered
