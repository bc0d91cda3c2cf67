"""Rows that are in memory, or small enough for it: their numbers are moved, and whole batches of rows taken by them.

A pipeline hands rows on one by one, and decoding text costs more than a step of a small model. Where nothing is done to
rows but moving them, so that their order alone is in question, it is the order that is moved::

    rows ─► shuffle ─► repeat ─► batch(20)                      what a program says, of arrays
    lines ─► shuffle ─► repeat ─► batch(20) ─► map(decode)      and of small files, which are decoded once
    0, 1, 2 … ─► shuffle ─► repeat ─► batch(20) ─► map(take these of the rows)      the same batches

That each line becomes the same each time is known of functions of one record (`stacked_records`), and of those of a
batch that look at no row's neighbours (`row_rules`). What is written to the files later is not seen.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import stat
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.input import late_maps, row_rules, stacked_records
from trainer.estimator.graph.input.stacked_tensors import NotStackableError
from trainer.estimator.graph.inside import datasets
from trainer.estimator.graph.inside.datasets import Step
from trainer.estimator.graph.inside.sources import files_of, slices_of

log = logging.getLogger("trainer")

_MOST_FILE_BYTES = 16 << 20
"""Of all files, which a second or so suffices to decode …"""
_MOST_ROW_BYTES = 32 << 20
"""… and of their rows: it may be a compressed file."""
_AT_ONCE = 4096
"""Rows that are decoded in one call."""


def kept(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that gives the same, from decoded rows where that is possible and pays.

    Args:
      dataset: of any kind, made eagerly.
    """
    if not tf.executing_eagerly() or datasets.changes_refused(dataset):
        return dataset
    steps = late_maps.steps_to(dataset)
    if [step.batches for step in steps].count(True) != 1 or not _dense(dataset):
        return dataset
    # The last in the list comes first in the pipeline.
    first = max(at for at, step in enumerate(steps) if step.repeats or step.shuffled or step.batches)
    rows = _decoded_once(steps, steps[first + 1 :])
    if rows is not None:
        made = _taken([step for step in steps[: first + 1] if step.function is None], rows, dataset.element_spec)
    else:
        rows = slices_of(steps[-1].before)
        behind = next(at for at, step in enumerate(steps) if step.batches)
        if rows is None or any(step.function is not None for step in steps[behind:]):
            return dataset
        made = _taken(steps, rows, steps[-1].before.element_spec)
    if made.element_spec == dataset.element_spec:
        return made
    # Of shapes the program is to know what it knew, and no more: its model function may ask.
    return datasets.respecified(made, dataset.element_spec)


def at_hand(dataset: tf.data.Dataset) -> bool:
    """Whether a pipeline does nothing but take rows that are in memory, so that nobody waits for a batch."""
    mapping = [step for step in late_maps.steps_to(dataset) if step.function is not None]
    return bool(mapping) and all(step.gathers for step in mapping)


def _taken(steps: Sequence[Step], rows: Sequence[tf.Tensor], structure: Any) -> tf.data.Dataset:
    """Batches of rows by their numbers.

    Args:
      steps: from the rows on, the last one first; before the batches there is no map.
      rows: the components, [rows, …] each.
      structure: of a row.
    """

    @tf.autograph.experimental.do_not_convert
    def take(numbers: tf.Tensor) -> Any:
        """The batch of the rows with some numbers int64 [batch]."""
        return tf.nest.pack_sequence_as(structure, [tf.gather(part, numbers) for part in rows])

    made: tf.data.Dataset = tf.data.Dataset.range(len(rows[0]))
    for step in reversed(steps):
        made = step.again(made)
        if step.batches:
            made = datasets.gathered(made, take)
    if any(step.function is not None for step in steps):
        return made
    # There is nothing to tune, and to watch the pipeline for that takes as long as to move the numbers.
    options = tf.data.Options()
    options.autotune.enabled = False
    return made.with_options(options)


def _decoded_once(steps: Sequence[Step], below: Sequence[Step]) -> list[tf.Tensor] | None:
    """What the maps of a pipeline make of all its records, [rows, …] each; None where it has to be made each time.

    Args:
      steps: all of the pipeline, the last one first.
      below: those of them before the first that repeats, shuffles or batches.
    """
    source = steps[-1].before
    mapped = any(step.function is not None for step in steps)
    if not mapped or not any(step.repeats for step in steps) or not _small(source):
        return None
    try:
        rows = _decoded(_moved(below, source), _maps(steps))
    except (NotStackableError, tf.errors.OpError) as why:  # an error of the data will be met at its step
        log.debug("Rows are decoded each time: %s", why)
        return None
    log.debug("%d rows were decoded once", len(rows[0]))
    return rows


def _dense(dataset: tf.data.Dataset) -> bool:
    specs = tf.nest.flatten(dataset.element_spec)
    return bool(specs) and all(isinstance(spec, tf.TensorSpec) for spec in specs)


def _small(source: tf.data.Dataset) -> bool:
    """Whether a dataset is of small arrays, or of small files on this machine."""
    if (rows := slices_of(source)) is not None:
        return sum(part.shape.num_elements() * part.dtype.size for part in rows) <= _MOST_FILE_BYTES
    names = files_of(source)
    try:
        facts = [os.stat(name) for name in names or ()]
    except OSError:
        return False
    plain = all(stat.S_ISREG(each.st_mode) for each in facts)  # a pipe can be read once
    return bool(facts) and plain and sum(each.st_size for each in facts) <= _MOST_FILE_BYTES


def _moved(steps: Sequence[Step], rows: tf.data.Dataset) -> tf.data.Dataset:
    """What steps that are no maps, the last one first, make of rows."""
    for step in reversed(steps):
        rows = rows if step.function is not None else step.again(rows)
    return rows


def _maps(steps: Sequence[Step]) -> list[Step]:
    """The maps of a pipeline, the first one first.

    Args:
      steps: the last one first.

    Raises:
      NotStackableError: there are none, or one may give a row something else the next time or beside other rows.
    """
    maps, batched = [], False
    for step in reversed(steps):
        batched |= step.batches
        if step.function is None:
            continue
        if batched and not row_rules.of_rows(step.function):
            raise NotStackableError(f"{step.function.name} may look at several rows of a batch")
        if not batched:
            late_maps.check(step.function, tf.nest.flatten(step.before.element_spec), tf.nest.flatten(step.structure))
        maps.append(dataclasses.replace(step, batches=batched))
    return maps


def _decoded(records: tf.data.Dataset, maps: Sequence[Step]) -> list[tf.Tensor]:
    """What maps make of all records: the components, [rows, …] each.

    Args:
      records: of files.
      maps: of a record each, and from some place on those of a batch.

    Raises:
      NotStackableError: there is none, or they take too much memory.
    """

    @tf.autograph.experimental.do_not_convert
    def decode(*element: Any) -> tuple[tf.Tensor, ...]:
        components = tf.nest.flatten(element)
        for step in maps:
            components = _on_rows(step, components)
        return tuple(components)

    # On all cores: nothing else is to be done before there are rows.
    found, num_bytes = [], 0
    for batch in records.batch(_AT_ONCE).map(decode, num_parallel_calls=os.cpu_count()):
        found.append([part.numpy() for part in batch])
        num_bytes += sum(map(_num_bytes, found[-1]))
        if num_bytes > _MOST_ROW_BYTES:
            raise NotStackableError(f"more than {_MOST_ROW_BYTES} bytes of rows")
    if not found:
        raise NotStackableError("no rows")
    with tf.device("CPU:0"):
        return [tf.constant(np.concatenate(parts)) for parts in zip(*found, strict=True)]


def _on_rows(step: Step, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What a map makes of records or of batches, for rows [rows, …] in any number."""
    on_rows = row_rules.on_rows if step.batches else stacked_records.on_batch
    return on_rows(step.function, components)


def _num_bytes(part: np.ndarray) -> int:
    return sum(map(len, part.flat)) if part.dtype == object else part.nbytes
