"""Maps of single records are done on whole batches where that gives the same bits, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator.graph.input import changes_refused
from trainer.estimator.graph.input import late_maps

COLUMNS = [[0.0], [0.0], [7], [""]]
Pipeline = Callable[[tf.data.Dataset], tf.data.Dataset]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two files of some lines each, with blanks, negative numbers and quotes."""
    random = np.random.default_rng(0)
    paths = [tmp_path_factory.mktemp("lines") / f"{name}.csv" for name in "ab"]
    for path in paths:
        numbers = random.normal(size=(41, 2))
        texts = [f'{x:.7g},{y:.7g},{"" if x > 1 else int(10 * y)}," Ab{x:.1f} "' for x, y in numbers]
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return [str(path) for path in paths]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of serialized Examples."""
    path = str(tmp_path_factory.mktemp("examples") / "a.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(37):
            features = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, number / 7, -number])),
                "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([number, 1, 2, 255])])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3])),
            }
            kept = {name: features[name] for name in features if name != "y" or number % 5}
            writer.write(tf.train.Example(features=tf.train.Features(feature=kept)).SerializeToString())
    return path


def text_lines(paths: list[str]) -> tf.data.Dataset:
    return tf.data.Dataset.list_files(paths, shuffle=False).flat_map(tf.data.TextLineDataset)


def decode(line: tf.Tensor) -> Any:
    """As the course does it: a line at a time."""
    *features, count, text = tf.io.decode_csv(line, COLUMNS)
    return {"x": tf.stack(features), "text": text}, count


def batches(dataset: tf.data.Dataset) -> Iterator[list[np.ndarray]]:
    for batch in dataset.take(40):
        yield [part.numpy() for part in tf.nest.flatten(batch)]


def assert_same(dataset: tf.data.Dataset, other: tf.data.Dataset) -> None:
    assert other.element_spec == dataset.element_spec
    count = 0
    for one, two in zip(batches(dataset), batches(other), strict=True):
        for part, changed in zip(one, two, strict=True):
            assert (part.dtype, part.shape) == (changed.dtype, changed.shape)
            assert part.tolist() == changed.tolist() if part.dtype == object else part.tobytes() == changed.tobytes()
        count += 1
    assert count


PIPELINES: dict[str, Pipeline] = {
    "of the course": lambda data: data.map(decode).shuffle(30, seed=4).repeat().batch(7),
    "a rest": lambda data: data.map(decode).repeat(2).batch(9),
    "no rest": lambda data: data.map(decode).shuffle(9, seed=1).batch(9, drop_remainder=True).repeat(3),
    "one order": lambda data: data.map(decode).shuffle(9, 5, reshuffle_each_iteration=False).repeat(3).batch(4),
    "what can be taken": lambda data: data.map(decode).skip(3).shard(3, 1).take(20).prefetch(2).batch(4).prefetch(1),
    "several maps": lambda data: data.map(decode).map(lambda x, y: (x["x"] * 2.0 - 1.0, y + 1)).batch(4),
    "a map between": lambda data: (
        data.shuffle(8, seed=2).map(decode).repeat(2).map(lambda x, y: (x["text"], y)).batch(5)
    ),
    "after the batch": lambda data: data.map(decode).batch(6).map(lambda x, y: (tf.reduce_sum(x["x"], 1), y)).repeat(2),
    "in parallel": lambda data: data.map(decode, num_parallel_calls=3).batch(6, num_parallel_calls=2),
    "options": lambda data: data.map(decode).batch(6).with_options(tf.data.Options()),
    "a filter before": lambda data: data.filter(lambda line: tf.strings.length(line) > 25).map(decode).batch(3),
    "a filter of what is decoded": lambda data: (
        data.map(decode).filter(lambda x, y: y > 0).map(lambda x, y: (x["x"][0], y)).batch(3)
    ),
    "fused": lambda data: data.apply(tf.data.experimental.shuffle_and_repeat(8, 2, seed=3)).apply(
        tf.data.experimental.map_and_batch(decode, 5, drop_remainder=True)
    ),
    "fused, shuffled after": lambda data: (
        data.map(decode).apply(tf.data.experimental.shuffle_and_repeat(8, 2, seed=3)).batch(5)
    ),
    "of version 1": lambda data: tf.compat.v1.data.Dataset.range(9).map(lambda n: (n, 2 * n)).shuffle(8, 3).batch(4),
    "batches of batches": lambda data: data.map(decode).batch(4, drop_remainder=True).batch(3),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_gives_the_same_batches(pipeline: str, lines: list[str]) -> None:
    # Two, since a shuffle that is gone over twice gives another order the second time.
    dataset, other = (PIPELINES[pipeline](text_lines(lines)) for _ in range(2))
    changed = late_maps.moved(other)
    assert changed is not other
    assert_same(dataset, changed)


OF_RECORDS: dict[str, Callable[..., Any]] = {
    "a constant": lambda line: {"line": line, "one": 1.0, "two": [[1], [2]]},
    "texts": lambda line: (
        tf.strings.strip(tf.strings.lower(line)),
        tf.strings.regex_replace(line, "[0-9]", "n"),
        tf.strings.to_hash_bucket_fast(line, 50),
        tf.strings.length(line),
        tf.strings.join(["<", line, ">"], "|"),
        tf.strings.substr(line, 1, 3),
        tf.strings.to_number(tf.strings.substr(line, 0, 3)),
        tf.strings.as_string(tf.strings.length(line)),
        line + "!",
    ),
    "shapes": lambda line: [
        values := tf.stack(tf.io.decode_csv(line, COLUMNS)[:2]),
        values[::-1],
        values[-1],
        values[None, :, None],
        values[..., 1:],
        tf.reshape(values, [1, 2, 1]),
        tf.squeeze(tf.expand_dims(values, -1)),
        tf.transpose(tf.stack([values, values * 2.0, values])),
        tf.concat([values, [1.0], values], 0),
        *tf.split(values, 2),
        *tf.split(tf.concat([values, values], 0), [1, 3], axis=-1),
        *tf.unstack(values),
        tf.slice(values, [1], [-1]),
        tf.gather(values, [1, 0, 1]),
        tf.gather([[1, 2], [3, 4]], tf.cast(values > 0, tf.int32)),
        tf.one_hot(tf.cast(values > 0, tf.int64), 2),
        tf.one_hot(tf.cast(values > 0, tf.int64), 3, axis=0),
        tf.ensure_shape(values, [2]),
        tf.linalg.diag([1.0, 2.0]),
    ],
    "arithmetic": lambda line: [
        x := tf.stack(tf.io.decode_csv(line, COLUMNS)[:2]),
        (x - [0.5, 3.0]) / tf.constant([[2.0], [0.3]]) + x[0],
        tf.where(x > 0, x, tf.zeros([3, 2])),
        tf.square(x) + tf.abs(x) - tf.math.divide_no_nan(x, x - x),
        tf.cast(x * 10, tf.int32) + 1,
        tf.round(x * 3) + tf.floor(x) + tf.math.ceil(x) + tf.math.rint(x),
        tf.sign(tf.maximum(tf.minimum(tf.cast(x * 10, tf.int32), 4), -4)) + 7 // (1 + tf.cast(x > 0, tf.int32)),
    ],
    "a function": lambda line: tf.function(lambda text: (text + text, tf.strings.length(text)))(line),
}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_a_function_of_a_record_gives_the_same_on_a_batch(name: str, lines: list[str]) -> None:
    def function(line: tf.Tensor) -> Any:
        given = OF_RECORDS[name](line)
        return tuple(given) if isinstance(given, list) else given

    dataset = text_lines(lines).map(function).batch(6)
    changed = late_maps.moved(dataset)
    assert changed is not dataset
    assert_same(dataset, changed)


@pytest.mark.parametrize("parse", [tf.io.parse_single_example, tf.compat.v1.parse_single_example])
def test_parsed_examples_are_the_same(parse: Callable[..., Any], examples: str) -> None:
    kinds = {
        "x": tf.io.FixedLenFeature([3], tf.float32),
        "raw": tf.io.FixedLenFeature([], tf.string),
        "y": tf.io.FixedLenFeature([], tf.int64, default_value=9),
    }

    def function(record: tf.Tensor) -> Any:
        features = parse(record, kinds)
        pixels = tf.reshape(tf.io.decode_raw(features.pop("raw"), tf.uint8), [2, 2])
        return {**features, "pixels": tf.cast(pixels, tf.float32) / 255.0}, features["y"]

    dataset = tf.data.TFRecordDataset(examples).map(function).shuffle(10, seed=2).repeat(2).batch(8)
    changed = late_maps.moved(dataset)
    assert changed is not dataset
    assert_same(dataset, changed)


def test_arithmetic_is_the_same_bits_beside_whatever_it_stands() -> None:
    special = [0.0, -0.0, 1.0, -1.5, 2.5, 0.1, 1e-42, -3e38, np.inf, -np.inf, np.nan, 1 / 3, 7e8]
    values = np.array([[x, y] for x in special for y in special], np.float32)

    def function(pair: tf.Tensor) -> Any:
        x, y = pair[0], pair[1]
        found = [x + y, x - y, x * y, x / y, tf.math.divide_no_nan(x, y)]
        found += [
            tf.square(x),
            tf.math.squared_difference(x, y),
            tf.round(x),
            tf.floor(x),
            tf.math.ceil(x),
            -x,
            tf.abs(x),
        ]
        found += [
            tf.math.rint(x),
            tf.cast(x, tf.float64),
            tf.cast(x, tf.bfloat16),
            tf.cast(x, tf.int32),
            tf.cast(x, tf.int64),
            x < y,
        ]
        return tuple(found)

    dataset = tf.data.Dataset.from_tensor_slices(values).map(function).repeat(2).batch(101)
    changed = late_maps.moved(dataset)
    assert changed is not dataset
    assert_same(dataset, changed)


STAYS: dict[str, Pipeline] = {
    "no batches": lambda data: data.map(decode),
    "no map": lambda data: data.batch(3),
    "random": lambda data: data.map(lambda line: (line, tf.random.uniform([]))).batch(3),
    "approximated": lambda data: data.map(lambda line: tf.exp(decode(line)[0]["x"])).batch(3),
    "numbers out of range": lambda data: data.map(lambda line: tf.cast(decode(line)[0]["x"], tf.uint8)).batch(3),
    "the larger of two zeros": lambda data: data.map(lambda line: tf.nn.relu(decode(line)[0]["x"])).batch(3),
    "clipped": lambda data: data.map(lambda line: tf.clip_by_value(decode(line)[0]["x"], 0.0, 1.0)).batch(3),
    "Python": lambda data: data.map(lambda line: tf.numpy_function(len, [line], tf.int64)).batch(3),
    "a check": lambda data: data.map(_checked).batch(3),
    "a branch": lambda data: data.map(
        lambda line: tf.cond(tf.strings.length(line) > 20, lambda: line, lambda: line + line)
    ).batch(3),
    "records of several sizes": lambda data: data.map(lambda line: tf.strings.bytes_split(line)[:3]).batch(3),
    "sparse": lambda data: data.map(lambda line: tf.sparse.from_dense(line[None])).batch(3),
    "a filter of what is decoded": lambda data: data.map(decode).filter(lambda x, y: y > 0).batch(3),
    "kept": lambda data: data.map(decode).cache().batch(3),
    "errors left out": lambda data: data.map(decode).batch(3).ignore_errors(),
    "switched off": lambda data: data.map(decode).batch(3).with_options(changes_refused.options()),
}


def _checked(line: tf.Tensor) -> tf.Tensor:
    tf.debugging.assert_greater(tf.strings.length(line), 0)
    return line


@pytest.mark.parametrize("name", STAYS)
def test_a_pipeline_stays_as_it_is_with(name: str, lines: list[str]) -> None:
    dataset = STAYS[name](text_lines(lines))
    assert late_maps.moved(dataset) is dataset


def test_a_record_that_cannot_be_decoded_ends_the_pipeline_at_its_batch(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("1,2,3,a\n" * 7 + "1,2,3\n" + "1,2,3,a\n" * 9, encoding="utf-8")
    found = iter(late_maps.moved(tf.data.TextLineDataset(str(path)).map(decode).batch(3)))
    assert len([next(found) for _ in range(2)]) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expect 4 fields but have 3 in record 1"):
        next(found)


def test_the_place_in_a_changed_pipeline_is_kept(lines: list[str], tmp_path: Path) -> None:
    def changed() -> Any:
        return iter(late_maps.moved(text_lines(lines).map(decode).shuffle(20, seed=3).repeat().batch(7)))

    iterator = changed()
    next(iterator)
    saved = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "place"))
    expected = [next(iterator)[1].numpy().tolist() for _ in range(15)]
    again = changed()
    tf.train.Checkpoint(iterator=again).restore(saved)
    assert [next(again)[1].numpy().tolist() for _ in range(15)] == expected


def test_it_is_said_what_stays_with_single_records(caplog: pytest.LogCaptureFixture, lines: list[str]) -> None:
    caplog.set_level(logging.DEBUG, "trainer")
    late_maps.moved(text_lines(lines).map(lambda line: tf.io.read_file(line)).batch(2))
    assert "stays with single records: ReadFile" in caplog.messages[-1]


def test_a_map_that_batches_batches_leaves_the_pipeline_as_it_is() -> None:
    dataset = tf.data.Dataset.range(24).map(lambda x: x + 1).batch(2)
    dataset = dataset.apply(tf.data.experimental.map_and_batch(lambda x: x * 2, 3))
    assert late_maps.moved(dataset) is dataset
