"""Serving input receivers and export outputs: names, shapes, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator.contract import export
from trainer.estimator.contract.supervised_receivers import SupervisedInputReceiver, UnsupervisedInputReceiver


@pytest.fixture(autouse=True)
def graph() -> Iterator[tf.Graph]:
    with tf.Graph().as_default() as made:
        yield made


def placeholder(dtype: tf.DType = tf.float32) -> tf.Tensor:
    return tf.compat.v1.placeholder(dtype, [None])


def test_single_tensors_get_the_references_names() -> None:
    tensor = placeholder()
    receiver = export.ServingInputReceiver(tensor, tensor)
    assert (receiver.features, receiver.receiver_tensors) == ({"feature": tensor}, {"input": tensor})


def test_a_model_function_of_one_tensor_gets_it_as_it_is() -> None:
    tensor = placeholder()
    receiver = export.TensorServingInputReceiver(tensor, {"x": tensor})
    assert receiver.features is tensor
    assert isinstance(receiver, export.ServingInputReceiver)


def test_alternatives_are_groups_by_name() -> None:
    tensor, other = placeholder(), placeholder(tf.string)
    receiver = export.ServingInputReceiver({"x": tensor}, {"x": tensor}, {"csv": {"row": other}, "single": other})
    assert receiver.receiver_tensors_alternatives == {"csv": {"row": other}, "single": {"input": other}}


@pytest.mark.parametrize(
    "kind", [export.ServingInputReceiver, export.TensorServingInputReceiver, UnsupervisedInputReceiver]
)
def test_a_receiver_is_a_named_tuple(kind: Any) -> None:
    tensor, other = placeholder(), placeholder()
    receiver = kind(tensor, {"x": tensor}, {"y": {"y": other}})
    features, tensors, alternatives = receiver
    assert (features, tensors, alternatives) == (receiver.features, receiver[1], receiver[2])
    assert receiver._fields == ("features", "receiver_tensors", "receiver_tensors_alternatives")
    assert receiver._asdict() == dict(zip(receiver._fields, receiver, strict=True))
    changed = receiver._replace(features=other)
    assert (type(changed), changed.features, changed.receiver_tensors) == (kind, other, {"x": tensor})


def test_a_receiver_with_labels_is_a_named_tuple() -> None:
    x, y = placeholder(), placeholder()
    features, labels, tensors = SupervisedInputReceiver({"x": x}, y, {"x": x, "y": y})
    assert (features, labels, tensors) == ({"x": x}, y, {"x": x, "y": y})


@pytest.mark.parametrize(
    ("features", "tensors", "alternatives", "message"),
    [
        (3, None, None, "features['feature'] is 3. Features are a tensor, or a dict of names to tensors"),
        ({"x": 3}, None, None, "features['x'] is 3. Features are a tensor, or a dict of names to tensors"),
        (None, 3, None, "receiver_tensors has 'input': 3. It takes a tensor, or a dict of strings to tensors"),
        (None, {"x": 3}, None, "receiver_tensors has 'x': 3. It takes a tensor, or a dict of strings to tensors"),
        (None, None, [1], "receiver_tensors_alternatives is [1]. It takes a dict of name to tensors"),
        (None, None, {"a": {"b": 3}}, "receiver_tensors_alternatives['a'] has 'b': 3. It takes a tensor"),
    ],
)
def test_a_receiver_without_tensors_is_refused(features: Any, tensors: Any, alternatives: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        export.ServingInputReceiver(features or placeholder(), tensors or placeholder(), alternatives)
    assert message in str(raised.value)


def test_a_feature_needs_a_string_or_an_integer_for_a_name_and_may_wrap_its_tensor() -> None:
    class Labelled:
        def __init__(self, tensor: tf.Tensor) -> None:
            self.tensor = tensor

    tensor = placeholder()
    assert export.ServingInputReceiver({42: tensor, "a": Labelled(tensor)}, tensor).features[42] is tensor
    with pytest.raises(ValueError, match="features has the key 4.2. Keys are strings or integers. Rename it"):
        export.ServingInputReceiver({4.2: tensor}, tensor)


def test_a_raw_receiver_is_made_of_eager_tensors_in_any_graph() -> None:
    with tf.init_scope():
        features = {"x": tf.zeros([2, 3])}
    receiver = export.build_raw_serving_input_receiver_fn(features)()
    assert receiver.features["x"].shape.as_list() == [None, 3]


def test_a_receiver_tensor_needs_a_string_for_a_name() -> None:
    with pytest.raises(ValueError, match="receiver_tensors has 1: "):
        export.ServingInputReceiver(placeholder(), {1: placeholder()})


@pytest.mark.parametrize(
    ("tensors", "examples"),
    [
        (lambda: {"examples": placeholder(tf.string)}, True),
        (lambda: {"x": placeholder()}, False),
        (lambda: {"a": placeholder(tf.string), "b": placeholder(tf.string)}, False),
    ],
)
def test_one_string_tensor_receives_examples(tensors: Callable[[], dict[str, tf.Tensor]], examples: bool) -> None:
    assert export.ServingInputReceiver(placeholder(), tensors()).receives_examples() is examples


@pytest.mark.parametrize(("batch_size", "shape"), [(None, [None, 3]), (7, [7, 3])])
def test_a_raw_receiver_takes_the_features_as_they_are(batch_size: int | None, shape: list[int | None]) -> None:
    features = {"a": tf.zeros([2, 3]), "b": tf.TensorSpec([None, 3], tf.int64)}
    receiver = export.build_raw_serving_input_receiver_fn(features, batch_size)()
    assert receiver.features == receiver.receiver_tensors
    assert {name: tensor.shape.as_list() for name, tensor in receiver.features.items()} == {"a": shape, "b": shape}
    assert [tensor.dtype for tensor in receiver.features.values()] == [tf.float32, tf.int64]
    assert [tensor.op.name for tensor in receiver.features.values()] == ["a", "b"]


def test_a_raw_receiver_of_one_tensor_hands_on_one_tensor() -> None:
    receiver = export.build_raw_serving_input_receiver_fn(tf.TensorSpec([None, 3], tf.float32))()
    assert receiver.receiver_tensors == {"feature": receiver.features}


def test_a_raw_receiver_keeps_scalars_and_unknown_shapes() -> None:
    features = {"scalar": tf.TensorSpec([], tf.float32), "any": tf.TensorSpec(None, tf.float32)}
    receiver = export.build_raw_serving_input_receiver_fn(features, 7)()
    assert receiver.features["scalar"].shape == []
    assert receiver.features["any"].shape.rank is None


def test_a_parsing_receiver_takes_serialized_examples() -> None:
    receiver = export.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([3], tf.float32)})()
    examples = receiver.receiver_tensors["examples"]
    assert (examples.dtype, examples.shape.as_list(), examples.name) == (tf.string, [None], "input_example_tensor:0")
    assert receiver.features["x"].shape.as_list() == [None, 3]


def test_outputs_have_the_names_that_clients_know() -> None:
    floats, strings = placeholder(), placeholder(tf.string)
    assert export.PredictOutput(floats).tensors == {"output": floats}
    assert export.PredictOutput({"y": floats}).tensors == {"y": floats}
    assert export.PredictOutput({("head", "y"): floats}).tensors == {"head/y": floats}
    assert export.RegressionOutput(floats).tensors == {"outputs": floats}
    assert export.ClassificationOutput(floats, strings).tensors == {"scores": floats, "classes": strings}
    assert export.ClassificationOutput(scores=floats).tensors == {"scores": floats}
    assert export.ClassificationOutput(classes=strings).tensors == {"classes": strings}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda: export.PredictOutput({"y": 3}), "A PredictOutput was given 'y': 3. It takes a tensor, or a dict"),
        (lambda: export.PredictOutput({1: placeholder()}), "A PredictOutput was given 1: "),
        (lambda: export.RegressionOutput(3), "A RegressionOutput was given 3. It takes a tensor of floating-point"),
        (lambda: export.RegressionOutput(placeholder(tf.string)), "It takes a tensor of floating-point values"),
        (lambda: export.ClassificationOutput(), "was given neither scores nor classes. It needs one of them"),
        (lambda: export.ClassificationOutput(scores=placeholder(tf.int32)), "It takes a floating-point tensor"),
        (lambda: export.ClassificationOutput(classes=placeholder()), "It takes a tensor of strings"),
    ],
)
def test_an_output_of_a_wrong_type_is_refused(output: Callable[[], export.ExportOutput], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        output()
    assert message in str(raised.value)
