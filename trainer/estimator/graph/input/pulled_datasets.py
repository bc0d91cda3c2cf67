"""What an input function of TensorFlow 1 takes in a step, as datasets: of iterators, queues and readers.

An example, as programs of 2016 read their data::

    names = tf.train.string_input_producer(["a.csv", "b.csv"], num_epochs=2)
    _, lines = tf.TextLineReader().read_up_to(names, num_records=4)
    x, y = tf.decode_csv(lines, [[0.0], [0.0]])
    x, y = tf.train.shuffle_batch([x, y], 32, capacity=100, min_after_dequeue=50, enqueue_many=True)

    what fills and takes                          the dataset

    (limit_epochs, shuffled) Enqueue ─► a queue   map(RandomShuffle) over the epochs ─► unbatch
    Dequeue ─► ReaderReadUpTo                     ─► flat_map(TextLineDataset ─► batch(4))
    DecodeCSV ─► EnqueueMany ─► another queue     ─► map(DecodeCSV) ─► unbatch ─► shuffle(100)
    DequeueMany                                   ─► batch(32)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.initial_values import computed
from trainer.estimator.graph.input.queues import READS, behind, check_taken_once, enqueues
from trainer.estimator.graph.input.reader_datasets import records_of
from trainer.estimator.graph.input.start import Start
from trainer.estimator.graph.input.traced import TracedInput
from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.subgraphs import ancestors, in_order


class PulledDatasets:
    """Datasets of what the ops of an input function take in each step.

    Args:
      source: the function, traced.
      needed: all that what it gives depends on.
      begun: has the values of its placeholders.
      iterated: the datasets of its iterators, of flat tuples, by the ops that take their elements.

    Raises:
      ValueError: it takes from one iterator or queue more than once in a step.
    """

    def __init__(
        self,
        source: TracedInput,
        needed: Collection[tf.Operation],
        begun: Start,
        iterated: Mapping[tf.Operation, tf.data.Dataset],
    ) -> None:
        self._source, self._begun, self._iterated = source, begun, iterated
        self._reads = {op for op in needed if op.type in READS}
        queues = in_order(source.graph, {op for op in needed if op.type in op_table.QUEUES})
        outputs = [tensor.op for tensor in source.tensors()]
        pulls = [outputs, *([op] for queue in queues for op in enqueues(queue))]
        check_taken_once(needed, [self._taken_for(ops) for ops in pulls])

    def mapped(
        self,
        tensors: Sequence[tf.Tensor],
        operations: Sequence[tf.Operation] = (),
        packed: Callable[[Sequence[tf.Tensor]], Any] = tuple,
    ) -> tf.data.Dataset:
        """What the function computes at each step.

        Args:
          tensors: of its graph, [...] each.
          operations: what to run beside them.
          packed: makes an element of them.
        """
        source, begun = self._source, self._begun
        targets = [*(tensor.op for tensor in tensors), *operations]
        reads = in_order(source.graph, self._taken_for(targets))
        elements = [part for read in reads for part in read.outputs]
        feeds = [source.step, *begun.placeholders, *elements]
        function = prune(source.graph, list(tensors), [op for op in operations if op not in self._reads], feeds)
        at_each_step = ancestors(targets, self._reads) - self._reads
        captured = {inner.op for _, inner in source.graph.captures}
        changes = any(op.op_def.is_stateful for op in at_each_step - captured)

        @tf.autograph.experimental.do_not_convert
        def computed_of(step: tf.Tensor, *parts: Any) -> Any:
            return packed(function(step, *begun.values, *tf.nest.flatten(parts)))

        if not (reads or changes or source.step.op in at_each_step):
            return tf.data.Dataset.from_tensors(computed_of(tf.constant(0, tf.int64))).repeat()
        counted = tf.data.Dataset.zip((tf.data.Dataset.counter(), *map(self._read, reads)))
        # What keeps a state of its own is asked in order.
        return counted.map(computed_of, num_parallel_calls=None if changes else tf.data.AUTOTUNE)

    def _taken_for(self, targets: Sequence[tf.Operation]) -> set[tf.Operation]:
        """The reads that ops need, but for those behind these."""
        return ancestors(targets, self._reads) & self._reads

    def _read(self, op: tf.Operation) -> tf.data.Dataset:
        """What an op that takes elements gives, as flat tuples."""
        if op in self._iterated:
            return self._iterated[op]
        if op.type in op_table.READER_READS:
            return self._records(op)
        queue = op.inputs[0].op
        elements = self._queued(queue)
        if op.type == "QueueDequeueV2":
            return elements
        size, whole = computed(op.inputs[1]), op.type == "QueueDequeueManyV2"
        if queue.type == "PaddingFIFOQueueV2":
            shapes = tuple(tf.TensorShape(shape) for shape in queue.get_attr("shapes"))
            return elements.padded_batch(size, padded_shapes=shapes, drop_remainder=whole)
        return elements.batch(size, drop_remainder=whole)

    def _records(self, op: tf.Operation) -> tf.data.Dataset:
        """What a reader gives of the files that a queue names; several readers divide them among themselves."""
        reader, names = op.inputs[0].op, op.inputs[1]
        readers = in_order(self._source.graph, self._reads.intersection(names.consumers()))
        files, records = self._queued(names.op).shard(len(readers), readers.index(op)), records_of(reader)
        if op.type == "ReaderReadV2":
            return files.flat_map(records)
        size = computed(op.inputs[2])
        # It reads up to the end of a file, and goes on in the next one when it is asked again.
        return files.flat_map(lambda name: records(name).batch(size))

    def _queued(self, queue: tf.Operation) -> tf.data.Dataset:
        """The elements of a queue, as flat tuples."""
        filled = [self._filled(op) for op in enqueues(queue)]
        elements = filled[0]
        if len(filled) > 1:  # threads did this at the same time
            turns = tf.data.Dataset.range(len(filled)).repeat()
            elements = tf.data.Dataset.choose_from_datasets(filled, turns, stop_on_empty_dataset=False)
        if queue.type != "RandomShuffleQueueV2":
            return elements
        seeds = queue.get_attr("seed"), queue.get_attr("seed2")
        room = max(queue.get_attr("capacity"), queue.get_attr("min_after_dequeue"), 1)
        return elements.shuffle(room, seed=hash(seeds) if any(seeds) else None)

    def _filled(self, enqueue: tf.Operation) -> tf.data.Dataset:
        """The elements that an op fills a queue with, as flat tuples."""
        elements = self.mapped(list(enqueue.inputs)[1:], list(enqueue.control_inputs))
        return elements.unbatch() if enqueue.type == "QueueEnqueueManyV2" else elements


def reads_of(source: TracedInput) -> tuple[set[tf.Operation], list[tf.Operation]]:
    """What the tensors of an input function depend on, and the ops among it that take from iterators, in order."""
    needed = behind([tensor.op for tensor in source.tensors()])
    return needed, in_order(source.graph, {op for op in needed if op.type in op_table.GET_NEXT})
