"""What heads refuse: settings, logits, labels, weights and losses that are something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator as tfe
from trainer.compat.v1.contrib import estimator as v1

LOGITS = np.float32([[1.0], [-2.0]])
LABELS = np.float32([[1.0], [0.0]])


def refused(message: str, kind: type[Exception] = ValueError) -> Any:
    return pytest.raises(kind, match=re.escape(message))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tfe.BinaryClassHead(thresholds=[0.0, 0.5]), "thresholds [0.0]. Thresholds of probabilities lie"),
        (lambda: tfe.BinaryClassHead(label_vocabulary="yes"), "label_vocabulary 'yes'. It takes a list or a tuple"),
        (
            lambda: tfe.BinaryClassHead(loss_reduction="none"),
            "loss_reduction 'none'. It takes 'auto', 'sum', '",
        ),
        (lambda: v1.binary_classification_head(loss_reduction="none"), "a value of tf.compat.v1.losses.Reduction"),
        (lambda: tfe.MultiClassHead(2), "n_classes 2. It takes 3 or more. For two use BinaryClassHead"),
        (lambda: tfe.MultiClassHead(None), "n_classes None. It takes 3 or more"),
        (lambda: tfe.MultiClassHead(3, label_vocabulary=["a"]), "of 1 names and n_classes 3. They are as many"),
        (lambda: tfe.MultiLabelHead(1), "n_classes 1. It takes 2 or more"),
        (lambda: tfe.MultiLabelHead(3, classes_for_class_based_metrics=[3]), "has [3]. The numbers of the classes go"),
        (
            lambda: tfe.MultiLabelHead(3, classes_for_class_based_metrics=["a"]),
            "has ['a'], and label_vocabulary is",
        ),
        (lambda: tfe.RegressionHead(label_dimension=0), "label_dimension 0. A label has 1 number or more"),
        (lambda: tfe.RegressionHead(loss_fn=lambda labels: labels), "loss_fn takes labels. It takes labels and logits"),
        (
            lambda: tfe.RegressionHead(loss_fn=lambda labels, logits, w: w),
            "and may take features, loss_reduction",
        ),
        (lambda: tfe.MultiHead([]), "given as []. It takes a list of heads with names"),
        (lambda: tfe.MultiHead([tfe.RegressionHead()]), "has no name. Pass name=… to each"),
        (lambda: tfe.MultiHead([tfe.RegressionHead(name="a")], [1.0, 2.0]), "1 heads were given 2 head_weights"),
    ],
)
def test_a_head_refuses_other_settings(make: Callable[[], Any], message: str) -> None:
    with refused(message):
        make()


def test_a_vocabulary_of_another_type_is_a_type_error_in_the_first_version() -> None:
    with refused("label_vocabulary 'yes'. It takes a list or a tuple of strings", TypeError):
        v1.binary_classification_head(label_vocabulary="yes")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels None. It needs labels to train and to evaluate"),
        (np.float32([[1.0, 0.0], [0.0, 1.0]]), "labels of shape (2, 2) for logits of shape (2, 1). It takes labels"),
        (np.float32([[1.0]]), "labels of shape (1, 1) for logits of shape (2, 1)"),
        (np.float32([[1.5], [0.0]]), "Some labels are not in [0, 1]"),
        (np.array([["a"], ["b"]]), "labels that are strings. Without a label_vocabulary it takes numbers"),
        (tf.sparse.from_dense(LABELS), "labels in a SparseTensor. It takes a tensor [D0, ..., DN, 1]"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, message: str) -> None:
    with refused(message):
        tfe.BinaryClassHead().loss(labels, LOGITS)


def test_labels_that_are_not_in_the_vocabulary_are_refused() -> None:
    with refused("Some labels are not among ['no', 'yes']"):
        tfe.BinaryClassHead(label_vocabulary=["no", "yes"]).loss(np.array([["maybe"], ["yes"]]), LOGITS)
    with refused("with a label_vocabulary was given labels of type float32. It takes strings"):
        tfe.BinaryClassHead(label_vocabulary=["no", "yes"]).loss(LABELS, LOGITS)


def test_classes_are_integers_from_nought_on() -> None:
    head, logits = tfe.MultiClassHead(3), np.zeros([2, 3], np.float32)
    with refused("labels of type float32. It takes the numbers of classes, which are integers"):
        head.loss(LABELS, logits)
    with refused("Some labels are not from 0 to 3 - 1"):
        head.loss([[3], [0]], logits)


def test_logits_have_the_dimension_of_the_head() -> None:
    with refused("logits of shape (2, 1). It takes [D0, ..., DN, 3]. Make as many of them as head.logits_dimension"):
        tfe.MultiClassHead(3).loss([[1], [0]], LOGITS)
    with refused("logits of shape (2,). It takes [D0, ..., DN, 1]. Give them a batch dimension"):
        tfe.RegressionHead().predictions(LOGITS[:, 0])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.float32([1.0, 2.0, 3.0]), "weights of shape (3, 1) for logits of shape (2, 1). It takes [D0, ..., DN] or"),
        (np.array([["a"], ["b"]]), "The weights in feature 'w' are of type string. They are numbers"),
        (tf.sparse.from_dense(LABELS), "The weights in feature 'w' are a SparseTensor. Make them dense"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weight: Any, message: str) -> None:
    with refused(message):
        tfe.RegressionHead(weight_column="w").loss(LABELS, LOGITS, {"w": weight})


def test_a_weight_column_names_a_feature() -> None:
    with refused("A head's weight_column is 'w', and the features have 'x'. Let the input function give 'w'"):
        tfe.RegressionHead(weight_column="w").loss(LABELS, LOGITS, {"x": LOGITS})
    with refused("weight_column 7. It takes the name of a feature, or a tf.feature_column.numeric_column", TypeError):
        tfe.RegressionHead(weight_column=7).loss(LABELS, LOGITS, {"x": LOGITS})


def test_a_numeric_column_prepares_the_weights() -> None:
    column = tf.feature_column.numeric_column("w", normalizer_fn=lambda weight: weight / 10)
    loss = tfe.RegressionHead(weight_column=column).loss(LABELS, LOGITS, {"w": np.float32([10.0, 0.0])})
    assert float(loss) == pytest.approx(0.0)
    loss = tfe.RegressionHead(weight_column=column).loss(LABELS, LOGITS, {"w": np.float32([0.0, 20.0])})
    assert float(loss) == pytest.approx(4.0 * 2 / 2)


def test_a_loss_function_gives_a_loss_for_each_example() -> None:
    def loss_fn(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(labels - logits, axis=-1)

    with refused("loss_fn gave a loss of shape (2,) for logits of shape (2, 1)"):
        tfe.RegressionHead(loss_fn=loss_fn).loss(LABELS, LOGITS)


def test_a_loss_function_may_take_the_features() -> None:
    def loss_fn(labels: tf.Tensor, logits: tf.Tensor, features: Any) -> tf.Tensor:
        return features["scale"] * (labels - logits)

    loss = tfe.RegressionHead(loss_fn=loss_fn, loss_reduction="sum").loss(LABELS, LOGITS, {"scale": 10.0})
    assert float(loss) == pytest.approx(20.0)


def test_several_heads_refuse_what_does_not_name_them() -> None:
    head = tfe.MultiHead([tfe.RegressionHead(name="a"), tfe.RegressionHead(name="b")])
    both = np.zeros([2, 2], np.float32)
    with refused("They take a dict by the names of the heads, 'a', 'b'. Let the input function return that"):
        head.loss(LABELS, both)
    with refused("The labels have 'a', and the heads are called 'a', 'b'. Give labels to 'b'"):
        head.loss({"a": LABELS}, both)
    with refused("The logits have 'b', and the heads are called 'a', 'b'. Give logits to 'a'"):
        head.predictions({"b": LOGITS})
    with refused("Logits of shape (2, 3) were given for heads of dimensions [1, 1]. Their last dimension is"):
        head.predictions(np.zeros([2, 3], np.float32))


def test_predictions_are_asked_for_by_name() -> None:
    assert set(tfe.BinaryClassHead().predictions(LOGITS, ["classes", "logistic"])) == {"classes", "logistic"}
    with refused("asked for predictions 'class'. It has 'logits', 'logistic'"):
        tfe.BinaryClassHead().predictions(LOGITS, ["class"])


def test_shapes_that_are_known_late_are_checked_by_the_graph() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None, None]), tf.TensorSpec(None)])
    def loss(labels: tf.Tensor, logits: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        return tfe.RegressionHead(weight_column="w").loss(labels, logits, {"w": weight})

    ones = np.ones([2, 1], np.float32)
    assert float(loss(LABELS, LOGITS, ones)) == pytest.approx(2.0)
    for given in (
        (LABELS[:1], LOGITS, ones),
        (LABELS, np.ones([2, 2], np.float32), ones),
        (LABELS, LOGITS, ones[:, 0]),
    ):
        with refused("A head was given", tf.errors.InvalidArgumentError):
            loss(*given)


@pytest.mark.parametrize("head", [tfe.BinaryClassHead(), tfe.LogisticRegressionHead()], ids=["binary", "logistic"])
def test_a_loss_that_xla_compiles_is_nan_where_a_label_is_out_of_range(head: tfe.Head) -> None:
    loss = tf.function(lambda labels, logits: head.loss(labels, logits), jit_compile=True)
    assert np.isfinite(loss(LABELS, LOGITS))
    assert np.isnan(loss(LABELS + 1.0, LOGITS))


def test_a_head_of_ones_own_needs_a_spec() -> None:
    class Own(tfe.RegressionHead):
        create_estimator_spec = tfe.Head.create_estimator_spec

    with refused("Own has no create_estimator_spec. A head of your own needs one", NotImplementedError):
        Own().create_estimator_spec({}, "eval", LOGITS, LABELS)
