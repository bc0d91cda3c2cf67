"""Features that are handed on to predictions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator as tfe
from trainer.estimator.forwarding import forward_features

V1 = tf.compat.v1


def model_fn(features: Any, labels: Any, mode: str) -> tfe.EstimatorSpec:
    weight = V1.get_variable("w", [1, 1], initializer=V1.initializers.ones())
    head = tfe.RegressionHead()
    features.pop("tags", None)
    arguments = {"train_op_fn": lambda loss: V1.train.GradientDescentOptimizer(0.1).minimize(loss)}
    return head.create_estimator_spec(features, mode, tf.matmul(features["x"], weight), labels, **arguments)


def input_fn() -> tf.data.Dataset:
    tags = tf.SparseTensor([[0, 0], [1, 1]], ["new", "old"], [2, 2])
    features = {"x": np.float32([[1.0], [2.0]]), "key": np.array(["first", "second"]), "tags": tags}
    return tf.data.Dataset.from_tensors((features, np.float32([[1.0], [2.0]])))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tfe.Estimator:
    made = tfe.Estimator(model_fn, tmp_path_factory.mktemp("forwarding"))
    made.train(input_fn)
    return made


def test_predictions_have_the_features_that_are_asked_for(trained: tfe.Estimator) -> None:
    given = list(forward_features(trained, "key").predict(input_fn))
    assert [example["key"] for example in given] == [b"first", b"second"]
    assert set(given[0]) == {"predictions", "key"}


def test_all_features_are_handed_on_and_sparse_ones_become_dense(trained: tfe.Estimator) -> None:
    given = list(forward_features(trained, sparse_default_values={"tags": "-"}).predict(input_fn))
    assert set(given[0]) == {"predictions", "x", "key", "tags"}
    assert [example["tags"].tolist() for example in given] == [[b"new", b"-"], [b"-", b"old"]]


def test_training_and_evaluation_go_on(trained: tfe.Estimator, tmp_path: Path) -> None:
    own = forward_features(tfe.Estimator(model_fn, tmp_path), ["key"])
    own.train(input_fn)
    assert own.evaluate(input_fn)["global_step"] == 1


def test_an_export_gives_them_with_the_predictions(trained: tfe.Estimator, tmp_path: Path) -> None:
    receiver = tfe.export.build_raw_serving_input_receiver_fn(
        {"x": tf.TensorSpec([None, 1]), "key": tf.TensorSpec([None], tf.string)}
    )
    loaded = tf.saved_model.load(forward_features(trained, "key").export_saved_model(str(tmp_path), receiver))
    served = loaded.signatures["predict"](x=tf.constant([[3.0]]), key=tf.constant(["third"]))
    assert set(served) == {"predictions", "key"}
    assert served["key"].numpy().tolist() == [b"third"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["id"], "the key 'id', and the features have 'x', 'key', 'tags'"),
        (["tags"], "Feature 'tags' is a SparseTensor, and sparse_default_values has []"),
    ],
)
def test_other_features_are_refused(trained: tfe.Estimator, keys: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        next(forward_features(trained, keys).predict(input_fn))


def test_keys_are_strings(trained: tfe.Estimator) -> None:
    with pytest.raises(TypeError, match=re.escape("keys 3. It takes a string, or a list of strings")):
        forward_features(trained, 3)  # type: ignore[arg-type]


def test_a_name_that_the_model_predicts_is_refused(trained: tfe.Estimator) -> None:
    with pytest.raises(ValueError, match="The model predicts 'key' itself"):
        next(forward_features(forward_features(trained, "key"), "key").predict(input_fn))
