"""Predictions are traced once for a kind of batch, and are those of the checkpoint that was asked."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec

Rows = Callable[[], tf.data.Dataset]


class Traces:
    """A model function of one weight that counts how often it is traced to predict.

    Args:
      noise: whether it adds what a random op with a hidden state draws.
    """

    def __init__(self, noise: bool = False) -> None:
        self.count, self._noise = 0, noise

    def model_fn(self, features: tf.Tensor, labels: Any, mode: str) -> EstimatorSpec:
        weight = tf.compat.v1.get_variable("w", initializer=1.0)
        if mode == "infer":
            self.count += 1
            drawn = tf.random.gamma([], 1.0) if self._noise else 0.0
            return EstimatorSpec(mode, predictions={"once": features * weight + drawn, "twice": 2 * features * weight})
        return EstimatorSpec(mode, loss=weight, train_op=weight.assign_add(1.0))


def rows(size: int = 4) -> Rows:
    return lambda: tf.data.Dataset.from_tensor_slices(np.ones(8, np.float32)).batch(size, drop_remainder=True)


def trained(model: Traces, directory: pathlib.Path) -> Estimator:
    """Saved at steps 1 and 2, where the weight is 2 and 3."""
    estimator = Estimator(model.model_fn, directory)
    return estimator.train(rows(), steps=1).train(rows(), steps=1)


def once(found: Any) -> list[float]:
    return [float(row["once"]) for row in found]


def test_a_kind_of_batch_is_traced_once_whatever_checkpoint_is_asked(tmp_path: pathlib.Path) -> None:
    model = Traces()
    estimator = trained(model, tmp_path)
    assert once(estimator.predict(rows())) == [3.0] * 8
    assert once(estimator.predict(rows(), checkpoint_path=str(tmp_path / "model.ckpt-1"))) == [2.0] * 8
    assert model.count == 1
    estimator.train(rows(), steps=1)
    assert once(estimator.predict(rows())) == [4.0] * 8 and model.count == 1
    assert once(estimator.predict(rows(2))) == [4.0] * 8 and model.count == 2
    assert [float(row["twice"]) for row in estimator.predict(rows(2), "twice")] == [8.0] * 8


def test_predictions_that_are_read_by_turns_are_each_of_their_own_checkpoint(tmp_path: pathlib.Path) -> None:
    model = Traces()
    estimator = trained(model, tmp_path)
    assert once(estimator.predict(rows(1))) == [3.0] * 8
    newest = estimator.predict(rows(1))
    oldest = estimator.predict(rows(1), checkpoint_path=str(tmp_path / "model.ckpt-1"))
    found = [(float(new["once"]), float(old["once"])) for new, old in zip(newest, oldest, strict=True)]
    assert found == [(3.0, 2.0)] * 8
    # One of them had the trace that was there already.
    assert model.count == 2


def test_one_that_is_not_read_to_its_end_leaves_its_trace_to_the_next(tmp_path: pathlib.Path) -> None:
    model = Traces()
    estimator = trained(model, tmp_path)
    found = estimator.predict(rows(1))
    assert float(next(found)["once"]) == 3.0
    found.close()
    assert once(estimator.predict(rows(1), checkpoint_path=str(tmp_path / "model.ckpt-1"))) == [2.0] * 8
    assert model.count == 1


@pytest.mark.parametrize("noise", [True, False])
def test_a_model_that_draws_or_has_no_checkpoint_is_traced_each_time(noise: bool, tmp_path: pathlib.Path) -> None:
    model = Traces(noise)
    estimator = trained(model, tmp_path) if noise else Estimator(model.model_fn, tmp_path)
    for count in (1, 2):
        assert len(once(estimator.predict(rows()))) == 8
        assert model.count == count
