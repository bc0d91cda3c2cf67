"""The stacks that a worker reads are the whole batches of its data, each with its number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution.ps import worker_data
from trainer.estimator.distribution.ps.worker_data import Data

STEPS = 4


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("data") / "a.csv"
    path.write_text("".join(f"{number},{number / 3:.6g}\n" for number in range(53)))
    return str(path)


def decode(text: tf.Tensor) -> Any:
    x, y = tf.io.decode_csv(text, [[0.0]] * 2)
    return {"x": x[:, None]}, y


KIND_OF_FIXED = "one by one, without the rest"
KINDS: dict[str, Callable[[str], tf.data.Dataset]] = {
    "at once": lambda path: tf.data.TextLineDataset(path).repeat(2).batch(5, True).map(decode),
    "at once, of sizes that no spec says": lambda path: tf.data.TextLineDataset(path).repeat().batch(5).map(decode),
    "one by one": lambda path: tf.data.TextLineDataset(path).batch(5).map(decode).repeat(2),
    KIND_OF_FIXED: lambda path: tf.data.TextLineDataset(path).batch(5, True).map(decode).repeat(2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_stacks_are_those_of_the_batches(kind: str, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data.of(KINDS[kind](lines))

    @tf.function(autograph=False)
    def read() -> list[tf.Tensor]:
        """As a worker reads: the pipeline is made in a graph."""
        iterator = iter(worker_data._stacks(KINDS[kind](lines), data, STEPS, 3))
        return [next(iterator) for _ in range(5)]

    read_stacks = read()
    expected = [(number, *batch) for number, batch in enumerate(KINDS[kind](lines).take(50)) if len(batch[1]) == 5]
    assert [len(stack[-1]) for stack in read_stacks] == [STEPS] * 5
    x, y, numbers = (np.concatenate([stack[part].numpy() for stack in read_stacks]) for part in range(3))
    for place, (number, features, labels) in enumerate(expected[: 5 * STEPS]):
        assert numbers[place].tolist() == [3, number]
        np.testing.assert_array_equal(x[place], features["x"])
        np.testing.assert_array_equal(y[place], labels)


@pytest.mark.parametrize(("kind", "asks"), [("at once", False), ("one by one", True), (KIND_OF_FIXED, False)])
def test_only_batches_of_unknown_sizes_are_asked_for_them(kind: str, asks: bool, lines: str) -> None:
    data = Data.of(KINDS[kind](lines))
    with tf.Graph().as_default() as graph:
        worker_data._stacks(KINDS[kind](lines), data, STEPS, 0)
    assert ("FilterDataset" in {op.type for op in graph.get_operations()}) == asks
