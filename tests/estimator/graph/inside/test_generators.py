"""Datasets of Python generators give in chunks what TensorFlow's give one by one."""

from __future__ import annotations

import collections
import gc
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import generators

Pair = collections.namedtuple("Pair", ["x", "y"])
FLOATS = tf.TensorSpec(None, tf.float32)
FLOAT, COUNT = tf.TensorSpec([2], tf.float32), tf.TensorSpec([], tf.int64)


def many(element: Callable[[int], Any], count: int = 40) -> Callable[[], Iterator[Any]]:
    return lambda: (element(number) for number in range(count))


GENERATORS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "numbers": (many(lambda n: n), {"output_signature": COUNT}),
    "a feature and a label": (
        many(lambda n: ([n, n / 3], n)),
        {"output_signature": (FLOAT, COUNT)},
    ),
    "dicts": (
        many(lambda n: ({"b": n, "a": np.float64([n, 0.1])}, np.int32(n))),
        {"output_signature": ({"b": COUNT, "a": FLOAT}, COUNT)},
    ),
    "named": (many(lambda n: Pair(n, str(n))), {"output_signature": Pair(COUNT, tf.TensorSpec([], tf.string))}),
    "types alone": (
        many(lambda n: ([1.0] * (1 + n % 3), [b"x", b"yz"], n > 3)),
        {"output_types": (tf.float32, tf.string, tf.bool)},
    ),
    "a dimension of any size": (
        many(lambda n: np.full([n // 15, 2], n, np.float32)),
        {"output_types": tf.float32, "output_shapes": [None, 2]},
    ),
    "arguments": (lambda most: iter(range(int(most))), {"output_signature": COUNT, "args": (tf.constant(300),)}),
    "nothing": (many(lambda n: n, 0), {"output_signature": COUNT}),
    "batches": (many(lambda n: np.full([1000, 2], n, np.float32), 20), {"output_types": tf.float32}),
    "ragged": (
        many(lambda n: tf.ragged.constant([[n], []]), 3),
        {"output_signature": tf.RaggedTensorSpec([2, None], tf.int32)},
    ),
}


def values(dataset: tf.data.Dataset) -> list[Any]:
    return [[np.array(part).tolist() for part in tf.nest.flatten(one, expand_composites=True)] for one in dataset]


@pytest.mark.parametrize("name", GENERATORS)
def test_elements_are_the_same(name: str) -> None:
    generator, given = GENERATORS[name]
    plain = tf.data.Dataset.from_generator(generator, **given)
    with generators.in_chunks():
        chunked = tf.data.Dataset.from_generator(generator, **given)
    assert chunked.element_spec == plain.element_spec
    gc.collect()  # newer releases forget the Python functions of a dataset that nothing holds
    assert values(chunked.repeat(2)) == values(plain.repeat(2))


def test_a_chunk_is_one_call_of_python() -> None:
    numbers = generators.chunks(iter(range(600)), COUNT, clock=lambda: 0.0)
    assert [len(chunk[0]) for chunk in numbers] == [*(1 << power for power in range(9)), 89]
    large = generators.chunks((np.zeros(100_000, np.float32) for _ in range(9)), FLOATS, clock=lambda: 0.0)
    assert [len(chunk[0]) for chunk in large] == [1, 2, 2, 2, 2]


def test_what_a_slow_generator_has_given_goes_on() -> None:
    seconds = itertools.count(0.0, 0.002)
    sizes = [len(chunk[0]) for chunk in generators.chunks(iter(range(20)), COUNT, lambda: next(seconds))]
    assert sizes == [1, 2, 3, 3, 3, 3, 3, 2]


def failing() -> Iterator[Any]:
    yield from range(5)
    raise ZeroDivisionError("the sixth")


ERRORS: dict[str, tuple[Callable[[], Iterator[Any]], tf.TypeSpec, str]] = {
    "its own": (failing, COUNT, "ZeroDivisionError: the sixth"),
    "a shape": (lambda: iter([[1, 2]] * 5 + [[3]]), FLOAT, r"yielded an element of shape \(1,\) where .* \(2,\) was"),
    "a type": (
        lambda: iter([1] * 5 + ["one"]),
        COUNT,
        "could not be converted to the expected type. .* int64, ",
    ),
    "a structure": (
        lambda: iter([(1, 2)] * 5 + [(1, 2, 3)]),
        (COUNT, COUNT),
        r"did not match the expected structure. .*, but the yielded element was \(1, 2, 3\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_comes_at_its_element(name: str) -> None:
    generator, spec, message = ERRORS[name]
    with generators.in_chunks():
        dataset = tf.data.Dataset.from_generator(generator, output_signature=spec)
    for made in (dataset, tf.data.Dataset.from_generator(generator, output_signature=spec)):
        found = iter(made)
        assert len([next(found) for _ in range(5)]) == 5
        with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.UnknownError), match=message):
            next(found)


def test_a_generator_is_closed_with_its_dataset() -> None:
    closed = []

    def endless() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    with generators.in_chunks():
        dataset = tf.data.Dataset.from_generator(endless, output_signature=COUNT)
    assert values(dataset.take(3)) == [[0], [1], [2]]
    assert closed == [True]


def test_a_generator_in_a_graph_of_version_1_is_taken_in_chunks() -> None:
    with tf.Graph().as_default(), generators.in_chunks():
        dataset = tf.compat.v1.data.Dataset.from_generator(lambda: iter([5, 6]), tf.int64)
        taken = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        with tf.compat.v1.Session() as session:
            assert [session.run(taken) for _ in range(2)] == [5, 6]
