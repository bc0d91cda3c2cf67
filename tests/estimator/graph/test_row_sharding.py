"""How rows are dealt out, and what is done with a variable that is held by rows."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.row_sharding import Block, Placement, Rows, RowShardedVariable, blocks

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
FIXED = tf.distribute.experimental.partitioners.FixedShardsPartitioner


@pytest.mark.parametrize(
    ("count", "servers", "bounds"),
    [(10, 4, (0, 3, 6, 8, 10)), (4, 2, (0, 2, 4)), (2, 3, (0, 1, 2)), (5, 1, (0, 5))],
)
def test_rows_are_dealt_in_runs_as_equal_as_can_be_the_longer_ones_first(
    count: int, servers: int, bounds: tuple[int, ...]
) -> None:
    assert Rows.dealt(count, ["/ps:0", "/ps:1", "/ps:2", "/ps:3"][:servers]).bounds == bounds


def test_runs_that_do_not_fit_their_devices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bounds \(0, 2, 1\) for 2 devices"):
        Rows(bounds=(0, 2, 1), devices=(CPU, CPU))


def test_ids_go_to_the_runs_that_have_their_rows() -> None:
    numbers, (marks,) = Rows.dealt(10, [CPU] * 3).partition(tf.constant([9, 0, 3, 4, 7]), tf.constant([9, 0, 3, 4, 7]))
    assert [part.numpy().tolist() for part in numbers] == [[0, 3], [0], [2, 0]]
    assert [part.numpy().tolist() for part in marks] == [[0, 3], [4], [9, 7]]


def placement(**settings: object) -> Placement:
    return Placement(devices=("/ps:0", "/ps:1", "/ps:2"), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "parts"),
    [([8_000_000, 64], 3), ([1_500_000, 64], 2), ([1_000_000, 64], 1), ([1000, 64], None), ([], None), ([1], None)],
)
def test_a_part_has_some_256_mib_and_small_variables_stay_ordinary(shape: list[int], parts: int | None) -> None:
    rows = placement().rows(tf.TensorShape(shape), tf.float32, turn=0)
    assert (rows and len(rows)) == parts


def test_a_partitioner_of_the_strategy_decides_instead_and_servers_take_turns() -> None:
    rows = placement(partitioner=FIXED(2)).rows(tf.TensorShape([5, 2]), tf.float32, turn=2)
    assert rows == Rows(bounds=(0, 3, 5), devices=("/ps:2", "/ps:0"))


def test_more_parts_than_servers_go_round_again() -> None:
    rows = placement(partitioner=FIXED(4)).rows(tf.TensorShape([8]), tf.float32, turn=0)
    assert rows is not None and rows.devices == ("/ps:0", "/ps:1", "/ps:2", "/ps:0")


def test_a_partitioner_of_another_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gives \[1, 2\] for a variable of shape \(4, 4\).*the others are 1"):
        placement(partitioner=lambda shape, dtype: [1, 2]).rows(tf.TensorShape([4, 4]), tf.float32, turn=0)


def test_blocks_stay_within_a_run_and_below_a_size() -> None:
    found = list(blocks(Rows.dealt(7, [CPU, CPU]), row_bytes=10, most_bytes=25))
    assert found == [Block(0, 0, 2), Block(0, 2, 4), Block(1, 4, 6), Block(1, 6, 7)]
    assert len(list(blocks(Rows.dealt(3, [CPU]), row_bytes=1000, most_bytes=25))) == 3


@pytest.fixture
def table() -> RowShardedVariable:
    made = RowShardedVariable(tf.Variable(tf.zeros([7, 2])), "table", Rows.dealt(7, [CPU, CPU]))
    made.create(made.rows, None, lambda block, number: tf.constant(VALUES[block.start : block.stop]))
    return made


VALUES = np.arange(14, dtype=np.float32).reshape(7, 2)


def test_rows_are_made_gathered_and_changed_where_they_are(table: RowShardedVariable) -> None:
    assert [tuple(shard.shape) for shard in table.shards] == [(4, 2), (3, 2)]
    assert np.array_equal(table.read_value(), VALUES)
    assert np.array_equal(table.gather(tf.constant([6, 0, 6, 4])), VALUES[[6, 0, 6, 4]])
    table.scatter_add(tf.constant([0, 5]), tf.constant([[1.0, 1.0], [2.0, 2.0]]))
    table.scatter_update(tf.constant([6]), tf.constant([[7.0, 8.0]]))
    changed = VALUES.copy()
    changed[0] += 1
    changed[5] += 2
    changed[6] = [7, 8]
    assert np.array_equal(table.read_value(), changed)


def test_it_is_set_and_added_to_as_a_whole_too(table: RowShardedVariable) -> None:
    table.assign(-VALUES)
    table.assign_add(np.ones_like(VALUES))
    assert np.array_equal(table.read_value(), 1 - VALUES)
    assert [np.array_equal(table.block(b), (1 - VALUES)[b.start : b.stop]) for b in table.blocks()] == [True, True]
