"""The labels of a head of several labels, in all their forms, and how heads take what else has several."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator as tfe

LOGITS = np.float32([[-1.0, 1.0, 2.0], [-1.5, 1.5, 0.0]])
HOT = np.array([[0, 1, 1], [1, 0, 0]])
NAMES = ["x", "y", "z"]


@pytest.mark.parametrize(
    "labels",
    [
        HOT.astype(bool),
        HOT.astype(np.float32),
        tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1, 2, 0], [2, 2]),
        tf.SparseTensor([[0, 0], [0, 3], [1, 1]], tf.constant([2, 1, 0], tf.int32), [2, 5]),
        tf.ragged.constant([[1, 2], [0]]),
        tf.ragged.constant([["y", "z"], ["x"]]),
    ],
    ids=["bool", "float", "sparse", "sparse_of_another_width", "ragged", "ragged_names"],
)
def test_labels_are_indicators_or_the_classes_of_each_example(labels: Any) -> None:
    head = tfe.MultiLabelHead(3, label_vocabulary=NAMES)
    assert float(head.loss(labels, LOGITS)) == pytest.approx(float(head.loss(HOT, LOGITS)))


def test_an_example_may_be_in_no_class() -> None:
    none = tf.RaggedTensor.from_row_lengths(tf.constant([], tf.int64), [0, 0])
    head = tfe.MultiLabelHead(3)
    assert float(head.loss(none, LOGITS)) == pytest.approx(float(head.loss(np.zeros([2, 3]), LOGITS)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (HOT * 2, "Some labels of a head of several labels are not 0 or 1"),
        (HOT[:, :2], "labels of shape (2, 2) for logits of shape (2, 3)"),
        (tf.ragged.constant([[1, 3], [0]]), "Some labels are not among the 3 classes of the head"),
        (tf.ragged.constant([["y", "w"], ["x"]]), "Some labels are not among the 3 classes of the head"),
        (tf.ragged.constant([[1.0], [0.0]]), "given sparse labels of type float32. It takes integers or strings"),
    ],
)
def test_other_labels_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tfe.MultiLabelHead(3, label_vocabulary=NAMES).loss(labels, LOGITS)


def test_metrics_of_classes_are_named_by_number_or_by_name() -> None:
    by_number = tfe.MultiLabelHead(3, classes_for_class_based_metrics=[0, 2], name="tags").metrics()
    assert {"probability_mean/class0/tags", "auc/class2/tags", "auc_precision_recall/class2/tags"} < set(by_number)
    by_name = tfe.MultiLabelHead(3, label_vocabulary=NAMES, classes_for_class_based_metrics=["z"]).metrics()
    assert {"probability_mean/z", "auc/z", "auc_precision_recall/z"} < set(by_name)


def test_several_heads_keep_what_they_were_told_of_earlier_batches() -> None:
    head = tfe.MultiHead([tfe.RegressionHead(name="a"), tfe.RegressionHead(name="b")])
    metrics = head.metrics()
    for value in (1.0, 3.0):
        labels = {name: np.full([2, 1], value, np.float32) for name in "ab"}
        metrics = head.update_metrics(metrics, {}, np.zeros([2, 2], np.float32), labels)
    assert float(metrics["label/mean/b"].result()) == pytest.approx(2.0)
    assert float(metrics["loss/a"].result()) == pytest.approx(5.0)


def test_several_heads_have_one_reduction() -> None:
    head = tfe.MultiHead([tfe.RegressionHead(name="a"), tfe.RegressionHead(name="b", loss_reduction="sum")])
    with pytest.raises(ValueError, match="have reductions .'sum', 'sum_over_batch_size'.. Give all the same one"):
        _ = head.loss_reduction
