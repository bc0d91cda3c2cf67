"""What the queues of an input function of TensorFlow 1 hold: which ops fill them, and which take from them.

Threads ran what fills a queue, each op for itself, until one of them came to the end of its data. A queue is filled by
the ops that its runners were given, so what the function gives depends on these, though no edge of the graph says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.subgraphs import ancestors

READS = op_table.GET_NEXT | op_table.DEQUEUES | op_table.READER_READS
ADVICE = "Read with tf.data.TextLineDataset or TFRecordDataset, and use shuffle, repeat and batch of it"


def enqueues(queue: tf.Operation) -> list[tf.Operation]:
    """The ops that fill a queue, in the order of the program.

    Raises:
      ValueError: no runner has one, or the queue is one of priorities.
    """
    if queue.type == "PriorityQueueV2":
        raise ValueError(f"The input function reads through a queue of priorities, {queue.name}. {ADVICE}")
    runners = queue.graph.get_collection(tf.compat.v1.GraphKeys.QUEUE_RUNNERS)
    run = ancestors([op for runner in runners for op in runner.enqueue_ops], set())
    found = [op for op in queue.outputs[0].consumers() if op.type in op_table.ENQUEUES and op in run]
    if not found:
        raise ValueError(
            f"The input function takes from the queue {queue.name}, which nothing fills at every step. "
            "It takes queues that a QueueRunner fills, whatever the data are, as tf.train.batch makes them. " + ADVICE
        )
    return found


def behind(targets: Iterable[tf.Operation]) -> set[tf.Operation]:
    """What ops depend on, themselves and what fills the queues included."""
    reached: set[tf.Operation] = set()
    waiting = list(targets)
    while waiting:
        found = ancestors(waiting, reached) - reached
        reached |= found
        waiting = [op for queue in found if queue.type in op_table.QUEUES for op in enqueues(queue)]
    return reached


def check_taken_once(ops: Collection[tf.Operation], pulls: Iterable[Collection[tf.Operation]]) -> None:
    """Checks that each element of an iterator or of a queue is taken by one op, and that for one purpose.

    Args:
      ops: what the function depends on.
      pulls: for what it gives, and for what fills each of the queues, the reads that are made for it.

    Raises:
      ValueError: something else is done.
    """
    for handle in (op.outputs[0] for op in ops if op.type in op_table.ITERATORS | op_table.QUEUES):
        users = [op for op in handle.consumers() if op in ops and op.type not in op_table.ENQUEUES]
        kinds = {op.type for op in users}
        several_readers = kinds <= op_table.READER_READS  # which share the files
        if not kinds <= READS or not (len(users) == 1 or several_readers):
            raise ValueError(_taken_by(f"from {handle.op.name} by {', '.join(op.type for op in users)}"))
    seen: set[tf.Operation] = set()
    for reads in pulls:
        if twice := seen.intersection(reads):
            raise ValueError(
                _taken_by(f"an element of {', '.join(sorted(op.name for op in twice))} into several queues")
            )
        seen.update(reads)


def _taken_by(how: str) -> str:
    return (
        f"The input function takes {how}. "
        "It takes the next element of an iterator or of a queue once in a step, outside of branches and loops. "
        "Call get_next() or dequeue() once, and use what it gives wherever that is needed"
    )
