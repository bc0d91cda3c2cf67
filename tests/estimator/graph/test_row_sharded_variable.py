"""What is done with a row-sharded variable from outside of a graph."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.row_sharding import Rows

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
VALUES = np.arange(14, dtype=np.float32).reshape(7, 2)


@pytest.fixture
def table() -> RowShardedVariable:
    table = RowShardedVariable(tf.Variable(tf.zeros([7, 2])), "table", Rows.evenly(7, [CPU, CPU]))
    table.create(table.rows, None, lambda block, number: tf.constant(VALUES[block.start : block.stop]))
    return table


def test_rows_are_made_gathered_and_changed_where_they_are(table: RowShardedVariable) -> None:
    assert [tuple(shard.shape) for shard in table.shards] == [(4, 2), (3, 2)]
    assert np.array_equal(table.read_value(), VALUES)
    assert np.array_equal(table.gather(tf.constant([6, 0, 6, 4])), VALUES[[6, 0, 6, 4]])
    table.scatter(tf.constant([0, 5]), tf.constant([[1.0, 1.0], [2.0, 2.0]]), add=True)
    table.scatter(tf.constant([6]), tf.constant([[7.0, 8.0]]), add=False)
    changed = VALUES.copy()
    changed[0] += 1
    changed[5] += 2
    changed[6] = [7, 8]
    assert np.array_equal(table.read_value(), changed)


def test_it_is_set_as_a_whole_and_read_in_blocks(table: RowShardedVariable) -> None:
    table.assign(-VALUES)
    assert np.array_equal(table.read_value(), -VALUES)
    read = [np.array_equal(table.read_block(block), -VALUES[block.start : block.stop]) for block in table.blocks()]
    assert read == [True, True]


def test_one_number_everywhere_is_made_without_blocks() -> None:
    table = RowShardedVariable(tf.Variable(tf.zeros([7, 2])), "table", Rows.evenly(7, [CPU, CPU]))
    table.create(table.rows, 3.0, lambda block, number: pytest.fail("a block was asked for"))
    assert np.array_equal(table.read_value(), np.full([7, 2], 3.0))
