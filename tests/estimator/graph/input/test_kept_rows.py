"""Batches are taken from rows in memory where that gives the same batches, and small files decoded once for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator.graph.input import changes_refused
from trainer.estimator.graph.input import kept_rows, late_maps
from trainer.estimator.graph.input.kept_rows import kept

Pipeline = Callable[[list[str]], tf.data.Dataset]
ROWS = 83


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Two files of lines with a header each."""
    random = np.random.default_rng(0)
    for name, rows in (("a", 41), ("b", ROWS - 41)):
        lines = [f"{x:.7g},{y:.7g},{int(9 * y)},t{x:.1f}" for x, y in random.normal(size=(rows, 2))]
        (tmp_path / f"{name}.csv").write_text("".join(f"{line}\n" for line in ["x,y,count,text", *lines]))
    return [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]


def lines(paths: list[str]) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices(paths)
    return files.flat_map(lambda path: tf.data.TextLineDataset(path).skip(1))


def decode(line: tf.Tensor) -> Any:
    """Of one line [], or of lines [batch]."""
    *features, count, text = tf.io.decode_csv(line, [[0.0], [0.0], [7], [""]])
    return {"x": tf.stack(features, -1), "text": text}, count


def centred(features: dict[str, tf.Tensor], labels: tf.Tensor) -> Any:
    return {**features, "x": features["x"] - tf.reduce_mean(features["x"], 0)}, labels


PIPELINES: dict[str, Pipeline] = {
    "of the course": lambda paths: lines(paths).map(decode).shuffle(30, seed=4).repeat().batch(7),
    "batches decoded": lambda paths: (
        lines(paths).shuffle(30, seed=4).repeat().batch(8, drop_remainder=True).map(decode).prefetch(2)
    ),
    "over the rest of an epoch": lambda paths: lines(paths).repeat(3).batch(9).map(decode, num_parallel_calls=2),
    "batches repeated": lambda paths: lines(paths).map(decode).batch(9).repeat(3),
    "before and behind": lambda paths: (
        lines(paths).map(decode).repeat(3).map(lambda x, y: (x["x"] * 2.0, y)).batch(5).map(lambda x, y: (x[:, :1], y))
    ),
    "of some lines": lambda paths: lines(paths).shard(2, 1).skip(3).take(20).map(decode).repeat().batch(6),
    "fused": lambda paths: (
        lines(paths)
        .apply(tf.data.experimental.shuffle_and_repeat(8, 2, seed=3))
        .apply(tf.data.experimental.map_and_batch(decode, 5, drop_remainder=True))
    ),
    "named": lambda paths: tf.data.TextLineDataset(paths).map(tf.strings.length).repeat(2).batch(4),
    "listed": lambda paths: (
        tf.data.Dataset.list_files(paths, shuffle=False)
        .flat_map(tf.data.TextLineDataset)
        .map(tf.strings.length)
        .repeat(2)
        .batch(4)
    ),
    "of version 1": lambda paths: (
        tf.compat.v1.data.TextLineDataset(paths).map(tf.strings.length).shuffle(9, 2).repeat(2).batch(4)
    ),
}


def batches(dataset: tf.data.Dataset) -> list[Any]:
    return [[part.numpy().tolist() for part in tf.nest.flatten(batch)] for batch in dataset.take(60)]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_same_batches_come_from_memory(pipeline: str, paths: list[str]) -> None:
    # Two, since a shuffle that is gone over twice gives another order the second time.
    dataset, other = (PIPELINES[pipeline](paths) for _ in range(2))
    expected, changed = batches(dataset), kept(other)
    assert changed.element_spec == dataset.element_spec
    for path in paths:
        os.unlink(path)
    assert batches(changed) == expected


def test_batches_of_examples_come_from_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "a.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(20):
            x = tf.train.Feature(float_list=tf.train.FloatList(value=[number, number / 7]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"x": x})).SerializeToString())

    def made() -> tf.data.Dataset:
        features = {"x": tf.io.FixedLenFeature([2], tf.float32)}
        records = tf.data.TFRecordDataset(path).shuffle(5, seed=1).repeat(2).batch(3)
        return records.map(lambda batch: tf.io.parse_example(batch, features))

    expected, changed = batches(made()), kept(made())
    os.unlink(path)
    assert batches(changed) == expected


ARRAYS: dict[str, Callable[[tf.data.Dataset], tf.data.Dataset]] = {
    "in order": lambda rows: rows.batch(4),
    "shuffled": lambda rows: rows.shuffle(20, seed=3).repeat().batch(4, drop_remainder=True).prefetch(1),
    "shuffled once": lambda rows: rows.shuffle(9, 5, reshuffle_each_iteration=False).repeat(3).batch(4),
    "some": lambda rows: rows.skip(1).shard(2, 1).take(5).batch(2).repeat(2),
    "mapped": lambda rows: rows.map(lambda x, y: (x["x"] * 2.0, y)).shuffle(5, seed=1).repeat(2).batch(3),
    "mapped in batches": lambda rows: rows.shuffle(5, seed=1).repeat(2).batch(3).map(centred),
}


@pytest.mark.parametrize("pipeline", ARRAYS)
def test_batches_of_arrays_are_taken_by_the_numbers_of_rows(pipeline: str) -> None:
    x = np.arange(42, dtype=np.float32).reshape(21, 2)
    rows = tf.data.Dataset.from_tensor_slices(({"x": x, "text": x[:, 0].astype(str)}, x[:, 1]))
    dataset, other = ARRAYS[pipeline](rows), ARRAYS[pipeline](rows)
    changed = kept(other)
    assert changed is not other and changed.element_spec == dataset.element_spec
    assert batches(changed) == batches(dataset)
    # A shuffle then holds numbers, and a checkpoint of its place no rows.
    assert late_maps.steps_to(changed)[-1].before.element_spec == tf.TensorSpec([], tf.int64)


def test_batches_are_at_hand_where_nothing_else_is_done_to_rows(paths: list[str]) -> None:
    rows = tf.data.Dataset.from_tensor_slices([1.0, 2.0, 3.0]).shuffle(3).repeat().batch(2)
    assert kept_rows.at_hand(kept(rows).take(5))
    assert kept_rows.at_hand(kept(PIPELINES["of the course"](paths)))
    assert not kept_rows.at_hand(kept(rows.map(lambda x: x - tf.reduce_mean(x))))
    assert not kept_rows.at_hand(rows)
    assert not kept_rows.at_hand(tf.data.Dataset.range(9).batch(3))


STAY: dict[str, Pipeline] = {
    "arrays that are mapped one by one, once": lambda _: (
        tf.data.Dataset.from_tensor_slices([1.0, 2.0]).map(lambda x: x + 1.0).batch(2)
    ),
    "arrays in batches of batches": lambda _: tf.data.Dataset.from_tensor_slices([1.0, 2.0]).batch(1).batch(2),
    "gone through once": lambda paths: lines(paths).map(decode).shuffle(9).batch(4),
    "not decoded": lambda paths: lines(paths).repeat().batch(4),
    "not in batches": lambda paths: lines(paths).map(decode).repeat(),
    "seen beside its neighbours": lambda paths: lines(paths).repeat().batch(4).map(decode).map(centred),
    "drawn": lambda paths: lines(paths).map(decode).map(lambda x, _: x["x"] + tf.random.normal([2])).repeat().batch(4),
    "filtered": lambda paths: lines(paths).map(decode).filter(lambda _, y: y > 0).repeat().batch(4),
    "from files in another order each time": lambda paths: (
        tf.data.Dataset.list_files(paths).flat_map(tf.data.TextLineDataset).map(tf.strings.length).repeat().batch(4)
    ),
    "from what Python gives": lambda _: (
        tf.data.Dataset.from_generator(lambda: iter("ab"), output_signature=tf.TensorSpec([], tf.string))
        .map(tf.strings.length)
        .repeat()
        .batch(4)
    ),
    "from files that are not there": lambda paths: lines([f"{paths[0]}.gone"]).map(decode).repeat().batch(4),
    "changes refused": lambda paths: lines(paths).map(decode).repeat().batch(4).with_options(changes_refused.options()),
}


@pytest.mark.parametrize("pipeline", STAY)
def test_a_pipeline_stays_as_it_is_where_rows_may_be_others_the_next_time(pipeline: str, paths: list[str]) -> None:
    dataset = STAY[pipeline](paths)
    assert kept(dataset) is dataset


@pytest.mark.parametrize("bound", ["_MOST_FILE_BYTES", "_MOST_ROW_BYTES"])
def test_what_is_large_is_read_each_time(bound: str, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, bound, 1000)
    dataset = PIPELINES["of the course"](paths)
    assert kept(dataset) is dataset


def test_a_pipe_is_left_for_the_training_to_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    dataset = lines([str(tmp_path / "pipe")]).map(decode).repeat().batch(4)
    assert kept(dataset) is dataset


def test_a_line_that_cannot_be_decoded_fails_at_its_batch(paths: list[str]) -> None:
    written = Path(paths[1]).read_text().splitlines()
    Path(paths[1]).write_text("\n".join([*written[:10], "1,no number,3,x", *written[10:]]))
    dataset = lines(paths).repeat().batch(10).map(decode)
    assert kept(dataset) is dataset
    read = iter(late_maps.moved(kept(dataset)))
    for _ in range(5):
        next(read)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no number"):
        next(read)
