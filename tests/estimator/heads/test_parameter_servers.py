"""A step of a head is divided among parameter servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
import tensorflow as tf

from tests.estimator import step_models
from tests.estimator.step_models import V1
from trainer import estimator as tfe
from trainer.compat.v1.contrib import estimator as v1
from trainer.estimator.distribution.ps import step_partition
from trainer.estimator.distribution.ps.step_graph import step_graph


@pytest.mark.parametrize(
    ("head", "optimizer"),
    [
        (tfe.BinaryClassHead("weight", label_vocabulary=["1", "0"]), keras.optimizers.Adam),
        (tfe.MultiClassHead(3, label_vocabulary=["0", "1", "2"]), keras.optimizers.Adagrad),
        (v1.binary_classification_head(label_vocabulary=["0", "1"]), lambda: V1.train.AdagradOptimizer(0.1)),
        (v1.multi_class_head(3, label_vocabulary=["2", "1", "0"]), lambda: V1.train.FtrlOptimizer(0.1)),
    ],
    ids=["binary", "classes", "binary_v1", "classes_v1"],
)
def test_names_of_labels_are_looked_up_by_the_worker(head: Any, optimizer: Callable[[], Any]) -> None:
    def model(x: tf.Tensor) -> tfe.EstimatorSpec:
        weight = V1.get_variable("weight", [5, head.logits_dimension])
        labels = tf.strings.as_string(tf.cast(x[:, :1] > 0.5, tf.int32))
        given = {"trainable_variables": [weight]} if isinstance(head, tfe.Head) else {}
        features = {"weight": x[:, 0]}
        return head.create_estimator_spec(features, "train", x @ weight, labels, optimizer=optimizer(), **given)

    divided = step_partition.partition(step_graph(step_models.traced(model)), lambda name: "ps")
    assert divided.needed == ["weight"]
    assert {device: [tensor.shape for tensor in sent] for device, sent in divided.pushed.items()} == {
        "ps": [[5, head.logits_dimension]]
    }
    assert "Assert" in {op.type for op in divided.local}
