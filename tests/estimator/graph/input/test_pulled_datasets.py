"""Queues and readers of TensorFlow 1 in an input function, as pipelines."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import ModeKeys, RunConfig
from trainer.estimator.steps.input.input_function import InputFunction

V1 = tf.compat.v1


def values(input_fn: Callable[[], Any], most: int = 20) -> list[Any]:
    dataset = InputFunction(input_fn, {}, RunConfig(tf_random_seed=1)).dataset(ModeKeys.TRAIN)
    return list(dataset.take(most).as_numpy_iterator())


def numbers(num_epochs: int | None = 1, count: int = 5) -> Any:
    return V1.train.range_input_producer(count, num_epochs, shuffle=False)


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[str]:
    for name in ("a", "b"):
        rows = [f"{name}{i},{i}" for i in range(3)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["name,x", *rows, ""]))
    return [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]


def test_a_program_of_2016_reads_its_table(files: list[str]) -> None:
    def input_fn() -> Any:
        pattern = files[0].replace("a.csv", "*.csv")
        names = V1.train.string_input_producer(V1.train.match_filenames_once(pattern), num_epochs=2)
        _, rows = V1.TextLineReader(skip_header_lines=1).read_up_to(names, num_records=2)
        name, x = tf.io.decode_csv(tf.expand_dims(rows, -1), [[""], [0]])
        batch = V1.train.shuffle_batch(
            {"name": name, "x": x}, 5, 50, 10, num_threads=4, enqueue_many=True, allow_smaller_final_batch=True
        )
        return batch, batch.pop("x") * 10

    batches = values(input_fn)
    assert [x.shape for _, x in batches] == [(5, 1), (5, 1), (2, 1)]
    pairs = [pair for batch, x in batches for pair in zip(batch["name"].ravel(), x.ravel().tolist(), strict=True)]
    rows = [(f"{name}{i}".encode(), 10 * i) for name in "ab" for i in range(3)]
    assert sorted(pairs) == sorted(2 * rows)
    assert pairs != sorted(pairs)


def test_batches_are_whole_or_the_rest_as_the_program_says() -> None:
    assert [x.tolist() for x in values(lambda: V1.train.batch([numbers().dequeue()], 2))] == [[0, 1], [2, 3]]
    rest = values(lambda: V1.train.batch([numbers().dequeue()], 2, allow_smaller_final_batch=True))
    assert rest[-1].tolist() == [4]


def test_a_reader_begins_a_batch_anew_in_each_file(files: list[str]) -> None:
    def input_fn() -> Any:
        names = V1.train.string_input_producer(files, num_epochs=1, shuffle=False)
        return V1.TextLineReader(skip_header_lines=1).read_up_to(names, 2)[0]

    keys = [[key.decode().rpartition("/")[2] for key in batch] for batch in values(input_fn)]
    assert keys == [["a.csv:2", "a.csv:3"], ["a.csv:4"], ["b.csv:2", "b.csv:3"], ["b.csv:4"]]


def test_several_readers_divide_the_files(files: list[str]) -> None:
    def input_fn() -> Any:
        names = V1.train.string_input_producer(files, num_epochs=1, shuffle=False)
        rows = [[V1.TextLineReader(skip_header_lines=1).read(names)[1]] for _ in range(2)]
        return V1.train.batch_join(rows, 3)

    assert [x.tolist() for x in values(input_fn)] == [[b"a0,0", b"b0,0", b"a1,1"], [b"b1,1", b"a2,2", b"b2,2"]]


def test_records_are_called_by_their_place_in_the_file(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"one")
        writer.write(b"three")

    def read(reader: Any) -> list[tuple[bytes, bytes]]:
        return values(lambda: reader().read(V1.train.string_input_producer([path], num_epochs=1)))

    whole = pathlib.Path(path).read_bytes()
    assert read(V1.TFRecordReader) == [(f"{path}:0".encode(), b"one"), (f"{path}:19".encode(), b"three")]
    assert read(V1.WholeFileReader) == [(path.encode(), whole)]
    assert read(V1.IdentityReader) == [(path.encode(), path.encode())]
    tens = read(lambda: V1.FixedLengthRecordReader(10, header_bytes=0, footer_bytes=0))
    assert tens[1] == (f"{path}:1".encode(), whole[10:20])


def test_slices_of_arrays_are_queued_too() -> None:
    def input_fn() -> Any:
        return V1.train.slice_input_producer([np.arange(3), np.arange(3) * 2.0], num_epochs=2, shuffle=False)

    assert [(int(x), float(y)) for x, y in values(input_fn)] == 2 * [(0, 0.0), (1, 2.0), (2, 4.0)]


def test_examples_of_several_lengths_are_padded() -> None:
    padded = values(lambda: V1.train.batch([tf.range(numbers(count=3).dequeue())], 3, dynamic_pad=True))
    assert [x.tolist() for x in padded] == [[[0, 0], [0, 0], [0, 1]]]


def test_a_queue_of_ones_own_is_filled_by_its_runner() -> None:
    def input_fn() -> Any:
        queue = V1.FIFOQueue(10, [tf.float32, tf.int32], [[2], []])
        fill = queue.enqueue([tf.constant([1.0, 2.0]), 3])
        V1.train.add_queue_runner(V1.train.QueueRunner(queue, [fill]))
        x, y = queue.dequeue()
        return x, y + 1

    assert [(x.tolist(), int(y)) for x, y in values(input_fn, 2)] == [([1.0, 2.0], 4)] * 2


def test_elements_of_an_iterator_may_be_queued() -> None:
    def input_fn() -> Any:
        return V1.train.batch([V1.data.make_one_shot_iterator(V1.data.Dataset.range(4)).get_next()], 2)

    assert [x.tolist() for x in values(input_fn)] == [[0, 1], [2, 3]]


def unfilled() -> Any:
    return V1.FIFOQueue(10, [tf.float32]).dequeue()


def taken_twice() -> Any:
    queue = numbers()
    return queue.dequeue() + queue.dequeue()


def queued_twice() -> Any:
    number = numbers().dequeue()
    return V1.train.batch([number], 2) + V1.train.batch([number], 2)


@pytest.mark.parametrize(
    ("input_fn", "message"),
    [
        (unfilled, "takes from the queue .*, which nothing fills at every step"),
        (taken_twice, "takes from .* by QueueDequeueV2, QueueDequeueV2. It takes the next element"),
        (queued_twice, "takes an element of .* into several queues"),
        (lambda: numbers().size(), "takes from .* by QueueSizeV2"),
        (lambda: V1.PriorityQueue(10, [tf.float32], [[]]).dequeue(), "a queue of priorities"),
    ],
)
def test_what_no_dataset_can_do_is_refused(input_fn: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        values(input_fn)
