"""Heads in model functions: trained, evaluated, predicted with and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator as tfe
from trainer.estimator.heads import v1_multi_head, v1_named_heads

V1 = tf.compat.v1
CLASSES = np.arange(20) % 3
FEATURES = {"x": np.random.RandomState(0).randn(20, 2).astype(np.float32), "weight": np.linspace(0.5, 2.5, 20)}


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> tfe.EstimatorSpec:
    head = params["head"]
    weight = V1.get_variable("w", [2, head.logits_dimension], initializer=V1.initializers.zeros())
    logits = tf.matmul(features["x"], weight)
    if isinstance(head, tfe.Head):
        given = {"optimizer": keras.optimizers.Adagrad(0.5), "trainable_variables": [weight]}
    else:
        given = {"optimizer": V1.train.AdagradOptimizer(0.5)}
    return head.create_estimator_spec(features, mode, logits, labels, **given)


def input_fn(labels: Any) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(10)


def trained(head: Any, labels: Any, directory: Path) -> tuple[tfe.Estimator, dict[str, Any]]:
    """An Estimator of a head after six steps, and its evaluation."""
    made = tfe.Estimator(model_fn, directory, params={"head": head})
    made.train(lambda: input_fn(labels)().repeat(3), steps=6)
    assert made.get_variable_value("global_step") == 6
    return made, made.evaluate(input_fn(labels))


ONE_LABEL = {
    "binary": (tfe.BinaryClassHead(weight_column="weight"), v1_named_heads.binary_classification_head("weight")),
    "classes": (tfe.MultiClassHead(3, label_vocabulary=["a", "b", "c"]),)
    + (v1_named_heads.multi_class_head(3, label_vocabulary=["a", "b", "c"]),),
    "labels": (tfe.MultiLabelHead(3, thresholds=[0.4]), v1_named_heads.multi_label_head(3, thresholds=[0.4])),
    "numbers": (tfe.RegressionHead(), v1_named_heads.regression_head()),
    "counts": (tfe.PoissonRegressionHead(), v1_named_heads.poisson_regression_head()),
    "shares": (tfe.LogisticRegressionHead(), v1_named_heads.logistic_regression_head()),
}
LABELS = {
    "binary": CLASSES % 2,
    "classes": np.array(["a", "b", "c"])[CLASSES],
    "labels": np.eye(3, dtype=np.int64)[CLASSES],
    "numbers": CLASSES.astype(np.float32),
    "counts": CLASSES,
    "shares": CLASSES / 4,
}


@pytest.mark.parametrize("kind", ONE_LABEL)
def test_both_versions_of_a_head_train_alike(kind: str, tmp_path: Path) -> None:
    (_, of_v2), (_, of_v1) = (
        trained(head, LABELS[kind], tmp_path / str(number)) for number, head in enumerate(ONE_LABEL[kind])
    )
    # The two kinds of metrics integrate curves in ways of their own.
    assert {name: value for name, value in of_v2.items() if "auc" not in name} == pytest.approx(
        {name: value for name, value in of_v1.items() if "auc" not in name}, rel=1e-5
    )
    assert set(of_v2) == set(of_v1)


def sides(name: str) -> dict[str, Any]:
    return {"left": CLASSES % 2, name: CLASSES}


def test_several_heads_train_at_once_and_are_told_apart_by_name(tmp_path: Path) -> None:
    both = [
        tfe.MultiHead([tfe.BinaryClassHead(name="left"), tfe.MultiClassHead(3, name="right")], [1.0, 0.5]),
        v1_multi_head.multi_head(
            [
                v1_named_heads.binary_classification_head(name="left"),
                v1_named_heads.multi_class_head(3, name="right"),
            ],
            [1.0, 0.5],
        ),
    ]
    results = [trained(head, sides("right"), tmp_path / str(number)) for number, head in enumerate(both)]
    (made, of_v2), (_, of_v1) = results
    assert set(of_v2) == set(of_v1)
    assert of_v2["loss"] == pytest.approx(of_v2["loss/left"] + 0.5 * of_v2["loss/right"])
    assert of_v2["loss"] == pytest.approx(of_v1["loss"], rel=1e-5)
    assert {"accuracy/left", "accuracy/right", "auc/left", "average_loss/right"} < set(of_v2)
    predicted = next(made.predict(input_fn(sides("right"))))
    assert {("left", "logits"), ("left", "logistic"), ("right", "class_ids")} < set(predicted)


def test_an_export_serves_the_signatures_of_the_reference(tmp_path: Path) -> None:
    head = tfe.MultiHead([tfe.BinaryClassHead(name="left"), tfe.RegressionHead(name="right")])
    made = tfe.Estimator(model_fn, tmp_path, params={"head": head})
    made.train(input_fn(sides("right")), steps=1)
    receiver = tfe.export.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([2], tf.float32)})
    loaded = tf.saved_model.load(made.export_saved_model(str(tmp_path / "export"), receiver))
    assert set(loaded.signatures) == {
        "serving_default",
        "predict",
        *("left", "left/classification", "left/predict", "left/regression"),
        *("right", "right/predict", "right/regression"),
    }
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend([1.0, 2.0])
    served = loaded.signatures["serving_default"](tf.constant([example.SerializeToString()]))
    assert served["classes"].numpy().tolist() == [[b"0", b"1"]]
    assert served["scores"].numpy().sum() == pytest.approx(1.0)


def test_an_export_of_raw_features_gives_all_predictions(tmp_path: Path) -> None:
    made = tfe.Estimator(model_fn, tmp_path, params={"head": tfe.MultiClassHead(3, label_vocabulary=list("abc"))})
    made.train(input_fn(LABELS["classes"]), steps=1)
    receiver = tfe.export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 2])})
    loaded = tf.saved_model.load(made.export_saved_model(str(tmp_path / "export"), receiver))
    served = loaded.signatures["predict"](x=tf.constant([[1.0, 2.0]]))
    assert set(served) == {"logits", "probabilities", "class_ids", "classes", "all_class_ids", "all_classes"}
    assert served["all_classes"].numpy().tolist() == [[b"a", b"b", b"c"]]


def test_an_export_of_several_heads_for_raw_features_gives_their_predictions_by_default(tmp_path: Path) -> None:
    head = tfe.MultiHead([tfe.BinaryClassHead(name="left"), tfe.MultiClassHead(3, name="right")])
    made = tfe.Estimator(model_fn, tmp_path, params={"head": head})
    made.train(input_fn(sides("right")), steps=1)
    receiver = tfe.export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 2])})
    loaded = tf.saved_model.load(made.export_saved_model(str(tmp_path / "export"), receiver))
    served = loaded.signatures["serving_default"](x=tf.constant([[1.0, 2.0]]))
    assert {"left/logistic", "right/class_ids"} < set(served)


def test_a_head_of_several_labels_trains_on_sparse_and_ragged_ones_alike(tmp_path: Path) -> None:
    ragged = tf.ragged.constant([[number] if number else [] for number in CLASSES.tolist()], dtype=tf.int64)
    results = [
        trained(tfe.MultiLabelHead(3), labels, tmp_path / str(number))[1]
        for number, labels in enumerate((ragged, ragged.to_sparse(), np.eye(3)[CLASSES] * [0, 1, 1]))
    ]
    assert results[0] == pytest.approx(results[2], rel=1e-5)
    assert results[1] == pytest.approx(results[2], rel=1e-5)
