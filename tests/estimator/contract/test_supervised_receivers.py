"""Receivers with labels: names, shapes, checks, and what they are made of."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from trainer.compat.v1.contrib import estimator as contrib
from trainer.estimator import experimental

V1 = tf.compat.v1


def test_features_and_labels_are_fed_as_they_are() -> None:
    features = {"text": tf.constant(["hello"]), "count": tf.TensorSpec([None, 3], tf.int64)}
    receiver_fn = experimental.build_raw_supervised_input_receiver_fn(features, {"foo": tf.constant([5.0])}, 10)
    with tf.Graph().as_default():
        receiver = receiver_fn()
    assert receiver.receiver_tensors == {**receiver.features, **receiver.labels}
    shapes = {name: (tensor.dtype, tensor.shape.as_list()) for name, tensor in receiver.receiver_tensors.items()}
    assert shapes == {"text": (tf.string, [10]), "count": (tf.int64, [10, 3]), "foo": (tf.float32, [10])}


def test_single_tensors_are_called_input_and_label() -> None:
    receiver_fn = experimental.build_raw_supervised_input_receiver_fn(tf.zeros([2]), tf.zeros([2, 1]))
    with tf.Graph().as_default():
        receiver = receiver_fn()
    assert receiver.receiver_tensors == {"input": receiver.features, "label": receiver.labels}
    assert receiver.labels.shape.as_list() == [None, 1]


def test_a_key_of_both_features_and_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="Features and labels have the keys x in common. .* Rename them"):
        experimental.build_raw_supervised_input_receiver_fn({"x": tf.zeros([1])}, {"x": tf.zeros([1])})


@pytest.mark.parametrize("as_dataset", [False, True])
def test_a_receiver_is_made_of_what_an_input_function_gives(as_dataset: bool) -> None:
    def input_fn(batch_size: int) -> Any:
        data = ({"x": tf.zeros([batch_size, 3])}, tf.zeros([batch_size], tf.int64))
        return tf.data.Dataset.from_tensors(data) if as_dataset else data

    receiver_fn = contrib.build_supervised_input_receiver_fn_from_input_fn(input_fn, batch_size=4)
    with tf.Graph().as_default():
        receiver = receiver_fn()
    assert receiver.features["x"].shape.as_list() == [None, 3]
    assert receiver.receiver_tensors["label"].dtype == tf.int64


def test_an_input_function_without_labels_makes_no_such_receiver() -> None:
    with pytest.raises(ValueError, match="The input function gives .*. It gives a pair"):
        experimental.build_supervised_input_receiver_fn_from_input_fn(lambda: {"x": tf.zeros([1])})


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (None, tf.zeros([1]), "features is None. Features are a tensor"),
        ({"x": [1]}, tf.zeros([1]), "features['x'] is [1]. Features are a tensor"),
        ({1.5: tf.zeros([1])}, tf.zeros([1]), "features has the key 1.5. Keys are strings or integers"),
        (tf.zeros([1]), {1.5: tf.zeros([1])}, "labels has the key 1.5. Keys are strings or integers"),
    ],
)
def test_features_and_labels_are_tensors_of_names(features: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        experimental.SupervisedInputReceiver(features, labels, {"x": tf.zeros([1])})
    assert message in str(raised.value)
