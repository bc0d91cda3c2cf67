"""The batches of a pipeline in stacks, read at once: a stack of 500 batches costs one call and not 500.

A step of a small model takes less time than a pipeline needs to hand on a batch. So where it is known to give the same
bits, records are put together for a whole stack, and what a program does to each batch is done to all of them at once::

    lines ─► repeat ─► batch(20) ─► map(decode) ─► prefetch                        what a program says
    lines ─► repeat ─► batch(20) ─► map(decode) ─► prefetch ─► batch(500)          in stacks
    lines ─► repeat ─► batch(10,000) ─► as [500, 20] ─► map(decode, on stacks)     the same stacks

Two things have to be known. Of a map, that it gives the same bits for many batches (`stacked_records`, to which a batch
is a record). Of the batches, that all are of one size: else the last one of an epoch would have rows of the next.

Where a map makes the batches, as one that cuts windows out of a series does, its elements are put together instead::

    starts [32] ─► repeat ─► map(cut) ─► prefetch                                  what a program says
    starts [32] ─► repeat ─► batch(40) ─► map(cut, on stacks)                      stacks of the same batches
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.input import late_maps, stacked_records
from trainer.estimator.graph.input.stacked_tensors import NotStackableError
from trainer.estimator.graph.inside import datasets
from trainer.estimator.graph.inside.datasets import Step
from trainer.estimator.graph.inside.live_datasets import is_live

log = logging.getLogger("trainer")

_MOST_READ_BYTES = 16 << 20
"""Of the texts of a stack, which are there all at once. What becomes of them is bounded by those who choose stacks."""
_MOST_MADE_BYTES = 32 << 20
"""Of a tensor that maps make of the elements of a stack, as of all columns before some are chosen."""
_MOST_CALLS = 8
"""Stacks worked on at once, however many batches a program asks for: a checkpoint keeps what they give."""


def stacks(dataset: tf.data.Dataset, count: int, text_bytes: float | None = None) -> tf.data.Dataset | None:
    """The batches of a pipeline in stacks that are read at once; None where they cannot be.

    Args:
      dataset: yields tuples of dense tensors, [batch, …] each.
      count: batches in a stack.
      text_bytes: of a row, as `text_bytes` tells them; None asks it, which takes a dataset that can be read now.

    Returns:
      Yields tuples of tensors [batches, batch, …], of batches of one size. The last stack may have fewer, or none.
    """
    if datasets.changes_refused(dataset):
        return None
    steps = late_maps.steps_to(dataset)
    made = _of_rows(steps, count, text_bytes) or _of_batches(dataset, steps, count, text_bytes)
    if made is None:
        return None
    # No more is said of shapes than the program did: a run that resumes may find stacks of batches of another size.
    specs = tuple(tf.TensorSpec([None, *spec.shape], spec.dtype) for spec in tf.nest.flatten(dataset.element_spec))
    return datasets.respecified(made, specs)


def _of_rows(steps: Sequence[Step], count: int, text_bytes: float | None) -> tf.data.Dataset | None:
    """Stacks of the batches that the last batching of a pipeline makes, from its rows.

    Args:
      steps: of the pipeline, the last one first.
      count: batches in a stack.
      text_bytes: of a row; None asks it.
    """
    at = next((at for at, step in enumerate(steps) if step.batches), None)
    if at is None:
        return None
    above, batch = steps[:at], steps[at]
    if not _even(above, batch) or not _fits(_components(batch), count * (batch.batch_size or 1), steps, text_bytes):
        return None
    try:
        maps = _on_whole_batches(above, batch)
    except NotStackableError as why:
        log.debug("Batches are read one by one: %s", why)
        return None
    log.debug("%d batches of %s are read at once", count, batch.batch_size)
    size = batch.batch_size or 1
    made = _moved(above, batch.before).batch(size * count).map(_in_batches(size))
    return made.map(late_maps.on_batches(maps), num_parallel_calls=_parallel(maps)) if maps else made


def _of_batches(
    dataset: tf.data.Dataset, steps: Sequence[Step], count: int, text_bytes: float | None
) -> tf.data.Dataset | None:
    """Stacks of batches that the last maps of a pipeline make, from what these are given.

    Args:
      dataset: the pipeline.
      steps: of it, the last one first.
      count: batches in a stack.
      text_bytes: of a row; None asks it.
    """
    specs = tf.nest.flatten(dataset.element_spec)
    at = next((at for at, step in enumerate(steps) if step.batches), len(steps))
    maps = late_maps.movable(steps[:at]) if _of_one_shape(specs) else []
    given = tf.nest.flatten(maps[-1].before.element_spec) if maps else []
    if not maps or not _of_one_shape(given) or not _fits(given, count, steps, text_bytes):
        return None
    if any(_most_bytes(step.function) * count > _MOST_MADE_BYTES for step in maps):
        return None
    log.debug("%d elements become batches at once", count)
    # Maps that stay, as those that draw, come before these, and so does what only moves elements.
    together = late_maps.without(maps, steps[:at]).batch(count)
    return together.map(late_maps.on_batches(maps), num_parallel_calls=_parallel(maps))


def _of_one_shape(specs: Sequence[Any]) -> bool:
    """Whether all elements have components […] of known shapes."""
    return bool(specs) and all(isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined() for spec in specs)


def _most_bytes(function: Any) -> int:
    """Of the largest tensor that a function makes of an element."""
    made = (tensor for op in function.graph.get_operations() if op.type != "Const" for tensor in op.outputs)
    return max(((tensor.shape.num_elements() or 0) * tensor.dtype.size for tensor in made), default=0)


def _on_whole_batches(above: Sequence[Step], batch: Step) -> list[Step]:
    """The maps behind the batches as maps of batches of the known size, the last one first.

    Args:
      above: steps behind the batches, the last one first.
      batch: makes them.

    Raises:
      NotStackableError: not all of them can be done on many batches at once.
    """
    maps: list[Step] = []
    specs = [tf.TensorSpec([batch.batch_size, *spec.shape], spec.dtype) for spec in _components(batch)]
    for step in reversed([step for step in above if step.function is not None]):
        # A batch that might have been shorter has no known size in a function that was traced with it.
        function = stacked_records.of_shapes(step.function, specs)
        late_maps.check(function, specs, tf.nest.flatten(step.structure))
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in function.graph.outputs]
        maps.insert(0, dataclasses.replace(step, function=function))
    return maps


def _components(batch: Step) -> list[Any]:
    """The specs of the rows, […] each, that batches are made of."""
    return list(tf.nest.flatten(batch.before.element_spec))


def _even(above: Sequence[Step], batch: Step) -> bool:
    """Whether batches are of one size, and the rows of each follow those of the one before it.

    Args:
      above: steps behind the batches.
      batch: makes them.
    """
    specs = _components(batch)
    dense = all(isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined() for spec in specs)
    moving = [step for step in above if step.function is None]
    if not specs or not dense or not batch.batch_size or not all(_keeps_order(step) for step in moving):
        return False
    # In a graph that another process will run nobody knows how many rows there are.
    rows = int(batch.before.cardinality()) if tf.executing_eagerly() else tf.data.UNKNOWN_CARDINALITY
    repeated = any(step.repeats for step in moving)
    if rows == tf.data.INFINITE_CARDINALITY or (rows > 0 and rows % batch.batch_size == 0):
        return True
    # The rest of the rows is left out once, at the end, as it is of a stack.
    return batch.drops and not repeated


def _keeps_order(step: Step) -> bool:
    return (step.repeats and not step.shuffled) or step.reads_ahead or step.options


def _moved(above: Sequence[Step], rows: tf.data.Dataset) -> tf.data.Dataset:
    """What stands behind the batches and is no map, over single rows."""
    for step in reversed(above):
        rows = rows if step.function is not None or step.reads_ahead else step.again(rows)
    return rows


def _in_batches(size: int) -> Any:
    """A function of components [rows, …] that gives [batches, size, …], without the rows that are no whole batch."""

    @tf.autograph.experimental.do_not_convert
    def in_batches(*element: Any) -> Any:
        return tf.nest.map_structure(lambda part: _batched(part, size), element if len(element) > 1 else element[0])

    return in_batches


def _batched(part: tf.Tensor, size: int) -> tf.Tensor:
    """[rows // size, size, …] of [rows, …]."""
    batches = tf.shape(part)[0] // size
    return tf.reshape(part[: batches * size], tf.concat([[batches, size], tf.shape(part)[1:]], 0))


def _parallel(maps: Sequence[Step]) -> Any:
    """On how many stacks to work at once; None for one."""
    asked = [step.parallel for step in maps if step.parallel is not None]
    if not asked:
        return None
    known = tf.get_static_value(asked[0])
    most = min(_MOST_CALLS, os.cpu_count() or 1)
    return most if known is None or known == tf.data.AUTOTUNE else min(int(known), most)


def text_bytes(dataset: tf.data.Dataset) -> float:
    """Of the texts of the first element that a pipeline reads; infinitely many where that cannot be told."""
    steps = late_maps.steps_to(dataset)
    return _text_bytes(steps[-1].before) if steps else math.inf


def _fits(specs: Sequence[Any], rows: int, steps: Sequence[Step], known: float | None) -> bool:
    """Whether the rows of a stack are small enough to be there at once, judged by the first one where that has texts.

    Args:
      specs: of the components of a row.
      rows: in a stack.
      steps: of the whole pipeline.
      known: bytes of the texts of a row; None to read one.
    """
    row_bytes = sum(spec.shape.num_elements() * spec.dtype.size for spec in specs if spec.dtype != tf.string)
    if any(spec.dtype == tf.string for spec in specs):
        row_bytes += _text_bytes(steps[-1].before) if known is None else known
    return row_bytes * rows <= _MOST_READ_BYTES


def _text_bytes(source: tf.data.Dataset) -> float:
    """Of the texts of the first element that a pipeline reads; infinitely many where that cannot be told."""
    if is_live(source):  # to ask it may do something
        return math.inf
    try:
        first = next(iter(source.take(1)), None)
    except tf.errors.OpError:  # which whoever reads the data will meet, and say
        return math.inf
    parts = tf.nest.flatten(first, expand_composites=True)
    texts = (tf.strings.length(part) for part in parts if part.dtype == tf.string)
    return float(sum(int(tf.reduce_sum(lengths)) for lengths in texts))
