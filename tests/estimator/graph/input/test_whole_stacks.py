"""Stacks that are read at once have the bits of the batches that a program makes, or are not made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator.graph.input import changes_refused
from trainer.estimator.graph.input import late_maps, whole_stacks
from trainer.estimator.steps.input.batches import StackedBatches

ROWS, STEPS = 48, 3
Make = Callable[[str], tf.data.Dataset]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of lines and one of Examples, 48 records each."""
    made = tmp_path_factory.mktemp("records")
    numbers = np.random.default_rng(0).normal(size=(ROWS, 3))
    (made / "a.csv").write_text("".join(f"{x:.7g},{y:.7g},{z:.3f}\n" for x, y, z in numbers))
    with tf.io.TFRecordWriter(str(made / "a.tfrecord")) as writer:
        for row in numbers:
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"x": feature})).SerializeToString())
    return str(made)


def lines(folder: str) -> tf.data.Dataset:
    return tf.data.TextLineDataset(f"{folder}/a.csv")


def examples(folder: str) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(f"{folder}/a.tfrecord")


def slices(rows: int = ROWS) -> tf.data.Dataset:
    numbers = np.arange(rows, dtype=np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": numbers[:, None] / 7}, numbers))


def decode(text: tf.Tensor) -> Any:
    """Of a line [] or of lines [batch]."""
    *features, label = tf.io.decode_csv(text, [[0.0]] * 3)
    return {"x": tf.stack(features, -1)}, label


def parse(serialized: tf.Tensor) -> Any:
    """Examples [batch]."""
    return tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([3], tf.float32)})


def drawn(features: Any, label: tf.Tensor) -> Any:
    return features, label + tf.random.uniform(tf.shape(label), seed=4)


def normalised(features: Any, label: tf.Tensor) -> Any:
    return {"x": features["x"] - tf.reduce_mean(features["x"], 0)}, label


def starts() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(np.random.default_rng(1).integers(0, ROWS - 12, [7, 4]))


def cut(starts: tf.Tensor) -> Any:
    """Windows of 12 rows of a series [48, 3], 8 of history and 4 to forecast, from starts [batch]."""
    series = tf.constant(np.random.default_rng(2).normal(size=(ROWS, 3)), tf.float32)
    windows = tf.gather(series, starts[:, None] + tf.range(12, dtype=tf.int64))
    return {"x": windows[:, :8]}, windows[:, 8:]


AT_ONCE: dict[str, Make] = {
    "batches that are decoded": lambda f: lines(f).repeat().batch(4, True).map(decode).prefetch(2),
    "without the rest": lambda f: lines(f).batch(5, True).map(decode),
    "records that are decoded": lambda f: lines(f).map(decode).shuffle(9, seed=3).repeat().batch(4).prefetch(1),
    "Examples": lambda f: examples(f).shuffle(9, seed=2).repeat(2).batch(4, True).map(parse, tf.data.AUTOTUNE),
    "Examples for ever": lambda f: examples(f).repeat().batch(5).map(parse).prefetch(1),
    "arrays": lambda f: slices().batch(4).repeat(3),
    "arrays for ever": lambda f: slices().shuffle(20, seed=1).repeat().batch(5),
    "fewer than a stack": lambda f: slices().batch(40, True),
    "no batch": lambda f: slices().batch(50, True),
    "with options": lambda f: slices().batch(4, True).with_options(tf.data.Options()).repeat(),
    "a rest that is left out in each epoch": lambda f: slices().batch(5, True).repeat(3),
    "windows of a series": lambda f: starts().repeat(3).map(cut).prefetch(2),
    "windows of single starts": lambda f: starts().unbatch().shuffle(9, seed=1).repeat().batch(4).map(cut),
}
ONE_BY_ONE: dict[str, Make] = {
    "a rest in each epoch": lambda f: slices().batch(5).repeat(3),
    "an end that nobody knows": lambda f: lines(f).batch(4).map(decode),
    "a shuffle of batches": lambda f: slices().batch(4).shuffle(5, seed=1),
    "a part of the batches": lambda f: slices().batch(4).take(3).repeat(2),
    "random numbers": lambda f: slices().batch(4).map(drawn),
    "a mean over the batch": lambda f: slices().batch(4).map(normalised),
    "a map and a batch in one": lambda f: slices().apply(tf.data.experimental.map_and_batch(drawn, 4)),
    "rows that may be left out": lambda f: slices().ignore_errors().batch(4),
    "a filter": lambda f: slices().batch(4).filter(lambda _, label: label[0] > 5),
    "Python": lambda f: slices().batch(4).map(lambda x, y: (x, tf.numpy_function(np.copy, [y], tf.float32))),
    "switched off": lambda f: slices().batch(4).with_options(changes_refused.options()),
}


def batches(dataset: tf.data.Dataset) -> list[list[bytes]]:
    """Shapes and bits of the first 40."""
    return [[str(part.shape).encode() + part.numpy().tobytes() for part in batch] for batch in dataset.take(40)]


def flat(dataset: tf.data.Dataset) -> tf.data.Dataset:
    return dataset.map(lambda *element: tuple(tf.nest.flatten(element)))


@pytest.mark.parametrize("name", AT_ONCE)
def test_stacks_have_the_bits_of_the_batches(folder: str, name: str) -> None:
    expected = batches(flat(AT_ONCE[name](folder)))
    stacks = whole_stacks.stacks(flat(late_maps.moved(AT_ONCE[name](folder))), STEPS)
    assert stacks is not None
    parts = stacks.take(20).unbatch()
    assert batches(parts) == expected


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_batches_are_read_one_by_one_where_it_might_matter(folder: str, name: str) -> None:
    assert whole_stacks.stacks(flat(late_maps.moved(ONE_BY_ONE[name](folder))), STEPS) is None


def test_long_texts_are_not_read_for_a_whole_stack(tmp_path: Path) -> None:
    long = tmp_path / "long.csv"
    long.write_text(f"1,2,3{' ' * 100_000}\n" * 2)

    def pipeline() -> tf.data.Dataset:
        return flat(tf.data.TextLineDataset(str(long)).repeat().batch(2, True).map(decode))

    assert whole_stacks.stacks(pipeline(), 3) is not None
    assert whole_stacks.stacks(pipeline(), 300) is None


def test_a_missing_file_is_met_by_who_reads_it(tmp_path: Path) -> None:
    missing = tf.data.TextLineDataset(str(tmp_path / "none.csv")).batch(2, True).map(decode)
    taken = StackedBatches(missing, STEPS)
    with pytest.raises(tf.errors.NotFoundError, match="none.csv"):
        taken.peek()


def saved(stacked: StackedBatches, path: Path) -> str:
    position = stacked.position()
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(position),
        shape_and_slices=[""] * len(position),
        tensors=list(position.values()),
    )
    return str(path)


def test_a_run_that_resumes_may_have_batches_of_another_size(tmp_path: Path) -> None:
    first = StackedBatches(slices().batch(4).repeat(), STEPS)
    for _ in range(STEPS):
        assert first.peek() is not None
        first.take(1)
    path = saved(first, tmp_path / "model.ckpt-3")
    second = StackedBatches(slices().batch(6).repeat(), STEPS)
    assert second.restore(path)
    labels = []
    for _ in range(9):
        stack = second.peek()
        assert stack is not None
        labels += stack.batch()[1].numpy().tolist()
        second.take(1)
    # What was read ahead keeps its size; no row is left out or comes twice.
    assert labels[:36] == list(range(12, 48))


def test_a_place_is_found_again(folder: str, tmp_path: Path) -> None:
    def pipeline() -> tf.data.Dataset:
        return late_maps.moved(AT_ONCE["records that are decoded"](folder))

    def taken(stacked: StackedBatches, count: int) -> list[list[bytes]]:
        got = []
        for _ in range(count):
            stack = stacked.peek()
            assert stack is not None
            got.append([part.numpy().tobytes() for part in stack.batch()])
            stacked.take(1)
        return got

    expected = taken(StackedBatches(pipeline(), STEPS), 30)
    first = StackedBatches(pipeline(), STEPS)
    assert taken(first, 10) == expected[:10]
    path = saved(first, tmp_path / "model.ckpt-10")
    second = StackedBatches(pipeline(), STEPS)
    assert second.restore(path)
    assert taken(second, 20) == expected[10:]
