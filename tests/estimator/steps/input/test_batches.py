"""Batches from a pipeline, and a position in it that a checkpoint keeps."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.deadlines import ANSWER_SECS
from trainer.estimator.saving.checkpoints import INPUT_PREFIX
from trainer.estimator.steps.input.batches import IteratedBatches, StackedBatches, end
from trainer.estimator.steps.input.input_position import ALL, Part, of_part


def rows(count: int = 10) -> tf.data.Dataset:
    return tf.data.Dataset.range(count).map(lambda n: ({"x": tf.cast(n, tf.float32)[None]}, n))


def generated() -> tf.data.Dataset:
    def generate() -> Iterator[int]:
        yield from range(10)

    return tf.data.Dataset.from_generator(generate, output_signature=tf.TensorSpec([], tf.int64))


PIPELINES: dict[str, Callable[[], tf.data.Dataset]] = {
    "static batches": lambda: rows().repeat(3).batch(2, drop_remainder=True),
    "partial batches over epochs": lambda: rows().batch(4).repeat(3),
    "a partial last batch": lambda: rows().batch(4),
    "shuffled anew each epoch": lambda: rows().shuffle(10, seed=1, reshuffle_each_iteration=True).repeat(3).batch(3),
    "a generator, whose state cannot be saved": lambda: generated().batch(3).repeat(2),
}


def save(position: dict[str, Any], path: Path) -> str:
    names = list(position)
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[position[name] for name in names],
    )
    return str(path)


def taken(stacked: StackedBatches, count: int | None = None) -> list[Any]:
    """The next batches, one by one; all that are left for None."""
    batches: list[Any] = []
    while len(batches) != count:
        stack = stacked.peek()
        if stack is None:
            break
        batches.append([part.numpy().tolist() for part in stack.batch()])
        stacked.take(1)
    return batches


@pytest.mark.parametrize("steps", [1, 2, 5, 50])
@pytest.mark.parametrize("name", PIPELINES)
def test_stacks_hold_the_batches_of_the_dataset_in_order(name: str, steps: int) -> None:
    expected = [[part.numpy().tolist() for part in tf.nest.flatten(batch)] for batch in PIPELINES[name]()]
    assert taken(StackedBatches(PIPELINES[name](), steps)) == expected


@pytest.fixture(scope="module")
def unbroken() -> Callable[[str], list[Any]]:
    """The batches of a pipeline that nobody stops."""
    return functools.cache(lambda name: taken(StackedBatches(PIPELINES[name](), 2)))


@pytest.mark.parametrize("stop", [0, 1, 4, 5])
@pytest.mark.parametrize("name", PIPELINES)
def test_a_restored_position_resumes_with_the_very_next_batch(
    name: str, stop: int, tmp_path: Path, unbroken: Callable[[str], list[Any]]
) -> None:
    first = StackedBatches(PIPELINES[name](), 2)
    taken(first, stop)
    first.peek()
    path = save(first.position(), tmp_path / "position")
    second = StackedBatches(PIPELINES[name](), 2)
    assert second.restore(path)
    assert taken(second) == unbroken(name)[stop:]


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_a_position_holds_for_stacks_of_another_length(steps: int, tmp_path: Path) -> None:
    unbroken = taken(StackedBatches(rows().batch(4).repeat(3), 2))
    first = StackedBatches(rows().batch(4).repeat(3), 4)
    taken(first, 2)
    path = save(first.position(), tmp_path / "position")
    second = StackedBatches(rows().batch(4).repeat(3), steps)
    second.restore(path)
    assert taken(second) == unbroken[2:]


def test_a_position_of_another_pipeline_is_found_by_counting_batches(tmp_path: Path) -> None:
    first = StackedBatches(rows(100).batch(2), 2)
    taken(first, 3)
    path = save(first.position(), tmp_path / "position")
    changed = rows(100).map(lambda x, y: (x, y + 100))
    second = StackedBatches(changed.shuffle(1).batch(2), 2)
    second.restore(path)
    assert taken(second, 2) == [[[[6.0], [7.0]], [106, 107]], [[[8.0], [9.0]], [108, 109]]]


def shuffled() -> tf.data.Dataset:
    return tf.data.Dataset.range(10).shuffle(10, seed=3)


# In each of them TensorFlow leaves the state of a shuffle out at some places: where an epoch has ended in front of it.
DRAINED: dict[str, Callable[[], tf.data.Dataset]] = {
    "a partial last batch": lambda: shuffled().batch(4).repeat(),
    "padded": lambda: shuffled().padded_batch(4).repeat(),
    "fetched ahead": lambda: shuffled().batch(4).prefetch(2).repeat(),
    "kept": lambda: shuffled().cache().batch(4).repeat(),
    "two of them": lambda: tf.data.Dataset.zip((shuffled(), shuffled().batch(3))).repeat(),
}


@pytest.mark.parametrize(("name", "steps"), [*((name, 1) for name in DRAINED), ("fetched ahead", 3)])
def test_the_next_epochs_order_is_that_of_an_unbroken_run(name: str, steps: int, tmp_path: Path) -> None:
    whole = taken(StackedBatches(DRAINED[name](), 2), 9)
    for stop in range(1, 6):
        first = StackedBatches(DRAINED[name](), steps)
        taken(first, stop)
        second = StackedBatches(DRAINED[name](), steps)
        assert second.restore(save(first.position(), tmp_path / f"position-{stop}"))
        assert taken(second, 9 - stop) == whole[stop:], stop


def test_batches_that_cannot_be_stacked_have_it_too(tmp_path: Path) -> None:
    def ragged() -> tf.data.Dataset:
        return shuffled().map(lambda n: tf.ragged.range(n[None])).batch(4).repeat()

    def read(batches: IteratedBatches, count: int) -> list[Any]:
        batches.consumed += count
        return [next(batches.iterator).to_list() for _ in range(count)]

    whole = read(IteratedBatches(ragged()), 9)
    for stop in range(1, 4):
        first, second = IteratedBatches(ragged()), IteratedBatches(ragged())
        read(first, stop)
        assert second.restore(save(first.position(), tmp_path / f"position-{stop}"))
        assert read(second, 9 - stop) == whole[stop:], stop


def test_without_a_seed_no_row_comes_twice_in_an_epoch_that_is_resumed(tmp_path: Path) -> None:
    def drawn() -> StackedBatches:
        return StackedBatches(tf.data.Dataset.range(10).shuffle(10).batch(4).repeat(), 3, seeded=False)

    first, second = drawn(), drawn()
    before = taken(first, 2)
    assert second.restore(save(first.position(), tmp_path / "position"))
    assert sorted(sum((rows for (rows,) in [*before, *taken(second, 1)]), [])) == [*range(10)]


def test_a_checkpoint_without_a_position_starts_the_data(tmp_path: Path) -> None:
    path = save({"w": tf.constant(1.0)}, tmp_path / "foreign")
    stacked = StackedBatches(rows().batch(2), 2)
    assert not stacked.restore(path)
    assert taken(stacked, 1) == [[[[0.0], [1.0]], [0, 1]]]


def test_components_keep_lengths_of_their_own() -> None:
    dataset = tf.data.Dataset.range(1, 5).map(lambda n: {"values": tf.ones([n]), "rows": tf.ones([5 - n]), "n": n})
    batches = taken(StackedBatches(dataset, 3))
    lengths = [(n, len(falling), len(rising)) for n, falling, rising in batches]
    assert lengths == [(1, 4, 1), (2, 3, 2), (3, 2, 3), (4, 1, 4)]


def test_the_size_of_whole_batches_outlives_a_restart(tmp_path: Path) -> None:
    first = StackedBatches(rows().batch(4).repeat(2), 1)
    taken(first, 2)
    path = save(first.position(), tmp_path / "position")
    second = StackedBatches(rows().batch(4).repeat(2), 1)
    second.restore(path)
    stack = second.peek()
    assert stack is not None
    assert (stack.batch_sizes, second.batch_sizes) == ([2, 2], [4, 4])


def test_batches_that_cannot_be_stacked_resume_where_they_stopped(tmp_path: Path) -> None:
    def ragged() -> tf.data.Dataset:
        return rows().map(lambda x, n: tf.range(n)).ragged_batch(2)

    first = IteratedBatches(ragged())
    for _ in range(2):
        next(first.iterator)
        first.consumed += 1
    path = save(first.position(), tmp_path / "position")
    second = IteratedBatches(ragged())
    assert second.restore(path)
    assert [batch.to_list() for batch in second.iterator] == [batch.to_list() for batch in ragged()][2:]
    assert second.consumed == 2


def test_a_generator_that_cannot_be_stacked_is_counted_through(tmp_path: Path) -> None:
    def sparse() -> tf.data.Dataset:
        return generated().batch(2).map(tf.sparse.from_dense)

    first = IteratedBatches(sparse())
    next(first.iterator)
    first.consumed += 1
    position = first.position()
    assert list(position) == [f"{INPUT_PREFIX}batches"]
    second = IteratedBatches(sparse())
    second.restore(save(position, tmp_path / "position"))
    assert [tf.sparse.to_dense(batch).numpy().tolist() for batch in second.iterator][0] == [2, 3]


def test_whoever_ends_a_pipeline_does_not_wait_until_it_has_ended() -> None:
    may_end, ended = threading.Event(), threading.Event()

    class Slow:
        def __del__(self) -> None:
            may_end.wait(ANSWER_SECS)
            ended.set()

    end(Slow())
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(ANSWER_SECS)


@pytest.mark.parametrize(("kind", "name"), [(StackedBatches, "_iterator"), (IteratedBatches, "iterator")])
def test_a_closed_pipeline_is_dropped(kind: type, name: str) -> None:
    dropped = threading.Event()
    batches = kind(rows().batch(2), 2) if kind is StackedBatches else kind(rows().batch(2))
    weakref.finalize(getattr(batches, name), dropped.set)
    batches.close()
    assert dropped.wait(ANSWER_SECS)


def part_of_rows(part: Part) -> tf.data.Dataset:
    return rows(24).shard(part.count, part.index).shuffle(12, seed=1).batch(2)


def following(batches: StackedBatches) -> list[int]:
    """The rows that are still to come."""
    found: list[int] = []
    while (stack := batches.peek()) is not None:
        found += stack.tensors[1][stack.start : stack.stop].numpy().ravel().tolist()
        batches.take(stack.left())
    return found


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_goes_on_in_its_own_part_of_the_data(index: int, tmp_path: Path) -> None:
    chief = StackedBatches(part_of_rows(Part(0, 2)), 4)
    chief.peek()
    chief.take(3)  # which leaves one in the stack
    path = save(chief.position() | of_part(Part(0, 2), [3, 2]), tmp_path / "position")
    part = Part(index, 2)
    resumed = StackedBatches(part_of_rows(part), 4)
    assert resumed.restore(path, part)
    used = [3, 2][index]
    assert resumed.consumed == used
    assert following(resumed) == following(StackedBatches(part_of_rows(part), 4))[2 * used :]


@pytest.mark.parametrize(("part", "used"), [(ALL, 5), (Part(1, 3), 1)])
def test_another_number_of_processes_shares_what_was_used(part: Part, used: int, tmp_path: Path) -> None:
    chief = StackedBatches(part_of_rows(Part(0, 2)), 4)
    chief.peek()
    chief.take(3)
    path = save(chief.position() | of_part(Part(0, 2), [3, 2]), tmp_path / "position")
    resumed = StackedBatches(part_of_rows(part), 4)
    assert resumed.restore(path, part)
    assert following(resumed) == following(StackedBatches(part_of_rows(part), 4))[2 * used :]


def test_the_place_of_one_process_is_shared_by_those_that_take_its_run_on(tmp_path: Path) -> None:
    alone = StackedBatches(part_of_rows(ALL), 4)
    alone.peek()
    alone.take(4)
    path = save(alone.position(), tmp_path / "position")
    part = Part(1, 2)
    resumed = StackedBatches(part_of_rows(part), 4)
    assert resumed.restore(path, part)
    assert following(resumed) == following(StackedBatches(part_of_rows(part), 4))[2 * 2 :]
