"""Examples of an evaluation for plots: spread over all of it, with the predictions that are theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys
from trainer.reporting import evaluated
from trainer.reporting.evaluated import Thinning


def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str) -> EstimatorSpec:
    weight = tf.compat.v1.get_variable("weight", [], initializer=tf.compat.v1.ones_initializer())
    predictions = {"double": 2.0 * weight * features["x"]}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean((predictions["double"] - labels) ** 2)
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.0).minimize(loss)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def numbered(count: int, batch: int) -> tf.data.Dataset:
    x = np.arange(count, dtype=np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, 2 * x)).batch(batch)


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    made = Estimator(model_fn, model_dir=str(tmp_path_factory.mktemp("run")))
    return made.train(lambda: numbered(8, 4), max_steps=1)


def test_all_examples_have_their_labels_and_predictions(estimator: Estimator) -> None:
    found = evaluated.examples(estimator, lambda: numbered(10, 4))
    assert found.numbers.tolist() == list(range(10))
    assert found.predictions["double"].tolist() == found.labels.tolist() == (2 * found.features["x"]).tolist()
    assert (found.total, found.words) == (10, "10 examples")


def test_of_many_those_are_kept_that_are_spread_evenly(estimator: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Thinning.__init__, "__defaults__", (8, 10**6))
    found = evaluated.examples(estimator, lambda: numbered(40, 2))
    assert found.numbers.tolist() == [0, 1, 16, 17, 32, 33]
    assert found.features["x"].tolist() == found.numbers.tolist()
    assert (found.predictions["double"] / 2).tolist() == found.numbers.tolist()
    assert found.words == "6 of 40 examples"


def test_no_more_is_read_than_an_evaluation_reads_or_than_there_is_time_for(estimator: Estimator) -> None:
    assert evaluated.examples(estimator, lambda: numbered(40, 2), steps=3).total == 6
    late = iter([0.0, 1.0, 100.0])
    assert evaluated.examples(estimator, lambda: numbered(40, 2), clock=lambda: next(late)).total == 4


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda: numbered(4, 2).take(0), "the evaluation yields no batch"),
        (
            lambda: tf.data.Dataset.from_tensors(({"x": tf.ragged.constant([[1.0]])}, 1.0)),
            "the evaluation yields sparse or ragged tensors",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(estimator: Estimator, dataset: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluated.examples(estimator, dataset)


def test_batches_are_thinned_by_their_bytes_too() -> None:
    thinning = Thinning(most_examples=100, most_bytes=3 * 8)
    for number in range(7):
        thinning.add(np.array([number], np.int64))
    assert [start for start, _ in thinning.batches] == [0, 4]
    assert thinning.seen == 7
