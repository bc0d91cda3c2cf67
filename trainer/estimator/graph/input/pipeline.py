"""A traced input function as a pipeline: its iterators give way to their datasets, what follows them to a map.

In tf.estimator the graph of an input function ran at every step. Here what it computes from the elements of its
datasets is cut out, and mapped over those. For example::

    dataset = tf.data.Dataset.range(9).batch(3)
    x = dataset.make_one_shot_iterator().get_next()
    return {"x": x * 2, "noise": tf.random.normal([3])}, x

    its graph                                            the pipeline

    RangeDataset ─► BatchDataset ─► MakeIterator         RangeDataset ─► BatchDataset ─┬► zip ─► map
                        IteratorV2 ─┘                    RangeDataset (the step) ──────┘     Mul, the random op
                        IteratorV2 ─► IteratorGetNext ─► Mul
                                    RandomStandardNormal

An input function without an iterator is one element for ever where nothing in it changes. Queues and readers become
datasets too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.input.pulled_datasets import PulledDatasets, reads_of
from trainer.estimator.graph.input.start import MAKE, start
from trainer.estimator.graph.input.traced import TracedInput
from trainer.estimator.graph.inside.datasets import HoldingDataset
from trainer.estimator.graph.inside.model_graph import outside
from trainer.estimator.graph.lookup_tables import fillers
from trainer.estimator.graph.pruning import prune


def dataset_of(source: TracedInput, hooks: Sequence[Any] = ()) -> tf.data.Dataset:
    """The pipeline of an input function.

    Args:
      source: the function, traced.
      hooks: of TensorFlow 1, one of which may run the initializers of iterators.

    Raises:
      ValueError: an iterator or a queue that is used in a way that a map cannot say, or a placeholder that is not fed.
    """
    needed, reads = reads_of(source)
    begun = start(source, needed, reads, hooks)
    feeds, values = [source.step, *begun.placeholders], [tf.constant(0, tf.int64), *begun.values]
    tables = [op for op in fillers(source.graph) if op.type != MAKE]
    if tables:
        with outside():
            prune(source.graph, (), tables, feeds)(*values)
    whole = source.tensors() if source.gives_dataset else []
    variants = prune(source.graph, [*begun.datasets, *whole], (), feeds)(*values)
    if source.gives_dataset:
        made = HoldingDataset(variants[-1], source.given.element_spec, source)
        return made.map(source.kept) if source.resources else made
    iterated = {
        read: HoldingDataset(variant, tuple(tf.TensorSpec(part.shape, part.dtype) for part in read.outputs), source)
        for variant, read in zip(variants, reads, strict=True)
    }
    return PulledDatasets(source, needed, begun, iterated).mapped(source.tensors(), packed=source.packed)
