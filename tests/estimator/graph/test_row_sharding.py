"""Which rows of a large variable are where."""

from __future__ import annotations

import pytest
import tensorflow as tf

from trainer.estimator.graph.row_sharding import Block, Placement, Rows, blocks

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
FIXED = tf.distribute.experimental.partitioners.FixedShardsPartitioner


@pytest.mark.parametrize(
    ("count", "servers", "bounds"),
    [(10, 4, (0, 3, 6, 8, 10)), (4, 2, (0, 2, 4)), (2, 3, (0, 1, 2)), (5, 1, (0, 5))],
)
def test_shards_are_as_equal_as_can_be_the_longer_ones_first(count: int, servers: int, bounds: tuple[int, ...]) -> None:
    assert Rows.evenly(count, ["/ps:0", "/ps:1", "/ps:2", "/ps:3"][:servers]).bounds == bounds


def test_shards_that_do_not_fit_their_devices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bounds \(0, 2, 1\) for 2 devices"):
        Rows(bounds=(0, 2, 1), devices=(CPU, CPU))


def test_ids_go_to_the_shards_that_have_their_rows() -> None:
    numbers, (marks,) = Rows.evenly(10, [CPU] * 3).partition(tf.constant([9, 0, 3, 4, 7]), tf.constant([9, 0, 3, 4, 7]))
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


def test_blocks_stay_within_a_shard_and_below_a_size() -> None:
    two_shards = list(blocks(Rows.evenly(7, [CPU, CPU]), row_bytes=10, most_bytes=25))
    assert two_shards == [Block(0, 0, 2), Block(0, 2, 4), Block(1, 4, 6), Block(1, 6, 7)]
    assert len(list(blocks(Rows.evenly(3, [CPU]), row_bytes=1000, most_bytes=25))) == 3
