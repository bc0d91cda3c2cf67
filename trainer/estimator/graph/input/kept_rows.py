"""Small files that are gone through several times, decoded once: from then on their rows are read from memory.

Decoding text costs more than a step of a small model. Where rows are known to become the same each time, they are
decoded before the training, and what only moves them stays as it is::

    lines ─► shuffle ─► repeat ─► batch(20) ─► map(decode)      what a program says
    rows decoded ─► shuffle ─► repeat ─► batch(20)              the same batches

Known it is of functions of one record (`stacked_records`), and of those of a batch that look at no row's neighbours
(`row_rules`). The files are read once, so that what is written to them later is not seen.
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
from trainer.estimator.graph.inside.read_files import files_of

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
    changing = [at for at, step in enumerate(steps) if step.repeats or step.shuffled or step.batches]
    if not any(step.repeats for step in steps) or not _dense(dataset) or not _small(steps[-1].before):
        return dataset
    # The last in the list comes first in the pipeline.
    above, below = steps[: changing[-1] + 1], steps[changing[-1] + 1 :]
    try:
        rows = _decoded(_moved(below, steps[-1].before), _maps(steps))
    except (NotStackableError, tf.errors.OpError) as why:  # an error of the data will be met at its step
        log.debug("Rows are decoded each time: %s", why)
        return dataset
    log.debug("%d rows of files were decoded once", len(rows[0]))
    made = _moved(above, tf.data.Dataset.from_tensor_slices(tf.nest.pack_sequence_as(dataset.element_spec, rows)))
    if made.element_spec == dataset.element_spec:
        return made
    # Of shapes the program is to know what it knew, and no more: its model function may ask.
    return tf.data.experimental.from_variant(tf.data.experimental.to_variant(made), dataset.element_spec)


def _dense(dataset: tf.data.Dataset) -> bool:
    specs = tf.nest.flatten(dataset.element_spec)
    return bool(specs) and all(isinstance(spec, tf.TensorSpec) for spec in specs)


def _small(source: tf.data.Dataset) -> bool:
    """Whether a dataset is of small files on this machine."""
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
        if step.batches and batched:
            raise NotStackableError("batches of batches")
        batched |= step.batches
        if step.function is None:
            continue
        if batched and not row_rules.of_rows(step.function):
            raise NotStackableError(f"{step.function.name} may look at several rows of a batch")
        if not batched:
            late_maps.check(step.function, tf.nest.flatten(step.before.element_spec), tf.nest.flatten(step.structure))
        maps.append(dataclasses.replace(step, batches=batched))
    if not maps or not batched:
        raise NotStackableError("nothing is decoded, or not put into batches")
    return maps


def _decoded(records: tf.data.Dataset, maps: Sequence[Step]) -> list[np.ndarray]:
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
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _on_rows(step: Step, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What a map makes of records or of batches, for rows [rows, …] in any number."""
    on_rows = row_rules.on_rows if step.batches else stacked_records.on_batch
    return on_rows(step.function, components)


def _num_bytes(part: np.ndarray) -> int:
    return sum(map(len, part.flat)) if part.dtype == object else part.nbytes
