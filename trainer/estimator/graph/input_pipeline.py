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

An input function without an iterator is one element for ever where nothing in it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.input_start import MAKE, Start, start
from trainer.estimator.graph.inside.model_graph import outside
from trainer.estimator.graph.lookup_tables import fillers
from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.subgraphs import ancestors, in_order
from trainer.estimator.graph.traced_input import TracedInput

QUEUES = (
    "The input function reads through queues, as string_input_producer, the readers and tf.train.batch do. "
    "It takes tf.data. Read with tf.data.TextLineDataset or TFRecordDataset, and use shuffle, repeat and batch of it"
)


def dataset_of(source: TracedInput, hooks: Sequence[Any] = ()) -> tf.data.Dataset:
    """The pipeline of an input function.

    Args:
      source: the function, traced.
      hooks: of TensorFlow 1, one of which may run the initializers of iterators.

    Raises:
      ValueError: an iterator that is used in a way that a map cannot say, queues, or a placeholder that is not fed.
    """
    needed = ancestors([tensor.op for tensor in source.tensors()], set())
    reads = _reads(source.graph, needed)
    begun = start(source, needed, reads, hooks)
    feeds, values = [source.step, *begun.placeholders], [tf.constant(0, tf.int64), *begun.values]
    tables = [op for op in fillers(source.graph) if op.type != MAKE]
    if tables:
        with outside():
            prune(source.graph, (), tables, feeds)(*values)
    whole = source.tensors() if source.gives_dataset else []
    variants = prune(source.graph, [*begun.datasets, *whole], (), feeds)(*values)
    if source.gives_dataset:
        made = tf.data.experimental.from_variant(variants[-1], source.given.element_spec)
        return made.map(source.kept) if source.resources else made
    datasets = [
        tf.data.experimental.from_variant(
            variant, tuple(tf.TensorSpec(part.shape, part.dtype) for part in read.outputs)
        )
        for variant, read in zip(variants, reads, strict=True)
    ]
    return _mapped(source, begun, reads, datasets)


def _mapped(
    source: TracedInput, begun: Start, reads: Sequence[tf.Operation], datasets: Sequence[tf.data.Dataset]
) -> tf.data.Dataset:
    """What the function computes at each step.

    Args:
      source: the function, traced.
      begun: has the values of its placeholders.
      reads: the ops that take the next elements.
      datasets: what they take them from, as flat tuples.
    """
    elements = [part for read in reads for part in read.outputs]
    function = prune(source.graph, source.tensors(), (), [source.step, *begun.placeholders, *elements])
    at_each_step = ancestors([tensor.op for tensor in source.tensors()], set(reads)) - set(reads)
    captured = {inner.op for _, inner in source.graph.captures}
    changes = any(op.op_def.is_stateful for op in at_each_step - captured)

    @tf.autograph.experimental.do_not_convert
    def computed(step: tf.Tensor, *parts: Any) -> Any:
        return source.packed(function(step, *begun.values, *tf.nest.flatten(parts)))

    if not (reads or changes or source.step.op in at_each_step):
        return tf.data.Dataset.from_tensors(computed(tf.constant(0, tf.int64))).repeat()
    counted = tf.data.Dataset.zip((tf.data.Dataset.counter(), *datasets))
    # What keeps a state of its own is asked in order.
    return counted.map(computed, num_parallel_calls=None if changes else tf.data.AUTOTUNE)


def _reads(graph: tf.Graph, needed: Collection[tf.Operation]) -> list[tf.Operation]:
    """The ops that take the next elements of iterators, in the order of the program.

    Args:
      graph: of the function.
      needed: ops that what it gives depends on.

    Raises:
      ValueError: something else is done with an iterator, two elements are taken of one, or there are queues.
    """
    if any(op.type in op_table.QUEUES for op in needed):
        raise ValueError(QUEUES)
    reads = [op for op in in_order(graph, set(needed)) if op.type in op_table.GET_NEXT]
    for handle in (op.outputs[0] for op in needed if op.type in op_table.ITERATORS):
        users = [op for op in handle.consumers() if op in needed]
        if len(users) != 1 or users[0] not in reads:
            raise ValueError(
                f"The input function takes from one iterator by {', '.join(op.type for op in users)}. "
                "It takes the next element of an iterator once in a step, outside of branches and loops. "
                "Call get_next() once, and use what it gives wherever that is needed"
            )
    return reads
