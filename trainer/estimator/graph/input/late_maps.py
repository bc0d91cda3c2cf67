"""Pipelines that decode one record at a time, made to decode batches: the same batches, in the same order.

The usual input function of old code calls its function for each line::

    lines ─► map(decode) ─► shuffle ─► repeat ─► batch

Shuffling, repeating, taking and putting together only move elements. So where `decode` is known to give the same bits
for a batch (`stacked_records`), its calls can wait until there is one::

    lines ─► shuffle ─► repeat ─► batch ─► map(decode, on batches)

The draws of the shuffle are those of its seeds, whatever it holds. A record that cannot be decoded ends the pipeline at
the batch that has it, and no longer when the shuffle reads it ahead.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.input import stacked_records
from trainer.estimator.graph.input.stacked_tensors import NotStackableError
from trainer.estimator.graph.inside import datasets, graphs
from trainer.estimator.graph.inside.datasets import Step

log = logging.getLogger("trainer")


def moved(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that gives the same, with the maps of single records done on whole batches where that is possible.

    A program that has switched TensorFlow's own changes of pipelines off gets its dataset as it is.

    Args:
      dataset: of any kind.
    """
    if datasets.changes_refused(dataset):
        return dataset
    steps = steps_to(dataset)
    # The last in the list comes first in the pipeline: it is the one that puts records together.
    batches = [at for at, step in enumerate(steps) if step.batches]
    if not batches:
        return dataset
    above, batch, below = steps[: batches[-1]], steps[batches[-1]], steps[batches[-1] + 1 :]
    maps = movable(below)
    if not maps:
        return dataset
    log.debug("Maps of the input function that are done on whole batches: %s", [step.function.name for step in maps])
    parallel = next((step.parallel for step in maps if step.parallel is not None), None)
    made = batch.again(without(maps, below)).map(on_batches(maps), num_parallel_calls=parallel)
    try:
        for step in reversed(above):
            made = step.again(made)
    except NotImplementedError:  # a step that is a map and batches behind other batches
        return dataset
    if made.element_spec == dataset.element_spec:
        return made
    # Of shapes the program is to know what it knew, and no more: its model function may ask.
    return datasets.respecified(made, dataset.element_spec)


def steps_to(dataset: tf.data.Dataset) -> list[Step]:
    """The steps of a dataset, the last one first, down to the first that is not known."""
    found: list[Step] = []
    while steps := datasets.steps_of(dataset):
        found += steps
        dataset = steps[-1].before
    return found


def without(maps: Sequence[Step], steps: Sequence[Step]) -> tf.data.Dataset:
    """What steps give where their last maps are left out.

    Args:
      maps: some of the steps, of which none before them in the list is a map that stays.
      steps: the last one first.
    """
    # Made again in order is what only moves records.
    made = maps[-1].before
    for step in reversed(steps[: steps.index(maps[-1])]):
        made = made if step.function is not None else step.again(made)
    return made


def movable(steps: Sequence[Step]) -> list[Step]:
    """The maps that can be done on batches, up to the first that cannot.

    Args:
      steps: before the batches, the last one first.
    """
    maps = []
    for step in steps:
        if step.function is not None:
            # What is before a map that stays is made from what that map gives, so it stays too.
            try:
                check(step.function, tf.nest.flatten(step.before.element_spec), tf.nest.flatten(step.structure))
            except NotStackableError as why:
                log.debug("%s stays with single records: %s", step.function.name, why)
                break
            maps.append(step)
    return maps


def check(function: Any, given: Sequence[Any], gives: Sequence[Any]) -> None:
    """Asks whether a function of single records can be done on batches.

    Args:
      function: a ConcreteFunction.
      given: the specs of the components of a record, […] each.
      gives: those of what it makes of them.

    Raises:
      NotStackableError: it cannot, or nobody knows.
    """
    if not all(isinstance(spec, tf.TensorSpec) for spec in (*given, *gives)):
        raise NotStackableError("composite tensors")
    if not given:
        raise NotStackableError("elements without tensors")

    def body(*components: tf.Tensor) -> None:
        stacked_records.on_batch(function, components)

    graphs.traced("on_batch", body, [tf.TensorSpec([None, *spec.shape], spec.dtype) for spec in given], {})


def on_batches(maps: Sequence[Step]) -> Any:
    """The function of batches that stands for functions of records, of which the last one is named first."""

    @tf.autograph.experimental.do_not_convert
    def mapped(*element: Any) -> Any:
        components = tf.nest.flatten(element)
        for step in reversed(maps):
            components = stacked_records.on_batch(step.function, components)
        return tf.nest.pack_sequence_as(maps[0].structure, components)

    return mapped
