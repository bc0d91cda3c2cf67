"""What an exported model takes and gives: serving input receivers and export outputs."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import tensorflow as tf

DEFAULT_SIGNATURE = "serving_default"
SINGLE_FEATURE = "feature"
SINGLE_RECEIVER = "input"

CLASSIFY_METHOD = "tensorflow/serving/classify"
PREDICT_METHOD = "tensorflow/serving/predict"
REGRESS_METHOD = "tensorflow/serving/regress"


class _ServingFields(NamedTuple):
    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: Mapping[str, Any]


class ServingInputReceiver(_ServingFields):
    """The inputs of a served model and the features made of them, as a named tuple.

    Args:
      features: what the model function gets: a dict of tensors; a single tensor is called `feature`.
      receiver_tensors: a tensor or a dict of tensors that a client feeds; a single one is called `input`.
      receiver_tensors_alternatives: further groups of tensors that can be fed instead, by name. Group `g` gets
        signatures of its own, named `g:<signature>`. Groups may feed any tensors from which the features are computed.

    Raises:
      ValueError: something is no tensor, or has no string for a name.
    """

    __slots__ = ()

    def __new__(
        cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Mapping[str, Any] | None = None
    ) -> Self:
        checked = cls._checked_features(features)
        tensors = named_tensors(receiver_tensors, "receiver_tensors")
        given = receiver_tensors_alternatives or {}
        if not isinstance(given, Mapping):
            raise ValueError(f"receiver_tensors_alternatives is {given!r}. It takes a dict of name to tensors")
        alternatives = {
            name: named_tensors(group, f"receiver_tensors_alternatives[{name!r}]") for name, group in given.items()
        }
        return super().__new__(cls, checked, tensors, alternatives)

    @classmethod
    def _checked_features(cls, given: Any) -> Any:
        features = given if isinstance(given, Mapping) else {SINGLE_FEATURE: given}
        check_features(features, "features")
        return features

    def receives_examples(self) -> bool:
        """Whether the one input is a batch of serialized examples, as Classify and Regress calls send."""
        tensors = list(self.receiver_tensors.values())
        return len(tensors) == 1 and isinstance(tensors[0], tf.Tensor) and tensors[0].dtype == tf.string


class TensorServingInputReceiver(ServingInputReceiver):
    """The same for a model function whose features are one tensor, which it gets as it is."""

    __slots__ = ()

    @classmethod
    def _checked_features(cls, given: Any) -> Any:
        _check_feature(given, "features")
        return given


def check_features(features: Any, place: str) -> None:
    """Checks features, or labels.

    Args:
      features: a tensor, or a dict of strings or integers to tensors, as [batch, …] each.
      place: what they are called in errors.

    Raises:
      ValueError: something else.
    """
    if not isinstance(features, Mapping):
        _check_feature(features, place)
        return
    for name, feature in features.items():
        if not isinstance(name, str | int):
            raise ValueError(f"{place} has the key {name!r}. Keys are strings or integers. Rename it")
        _check_feature(feature, f"{place}[{name!r}]")


def _check_feature(feature: Any, place: str) -> None:
    # What wraps a tensor in an attribute `tensor` and converts to it is one too, as in tf.estimator.
    if not tf.is_tensor(feature) and not tf.is_tensor(getattr(feature, "tensor", None)):
        raise ValueError(f"{place} is {feature!r}. Features are a tensor, or a dict of names to tensors")


def named_tensors(tensors: Any, place: str) -> dict[str, tf.Tensor]:
    """A dict of tensors, of any shapes, from a dict or from a single tensor.

    Args:
      tensors: such a dict, or one tensor, as [batch].
      place: what they are called in errors.

    Raises:
      ValueError: a key that is no string or a value that is no tensor.
    """
    named = dict(tensors) if isinstance(tensors, Mapping) else {SINGLE_RECEIVER: tensors}
    for name, tensor in named.items():
        if not isinstance(name, str) or not tf.is_tensor(tensor):
            raise ValueError(
                f"{place} has {name!r}: {tensor!r}. It takes a tensor, or a dict of strings to tensors. "
                "Make the inputs with tf.compat.v1.placeholder"
            )
    return named


def placeholder_like(name: str, feature: Any, batch_size: int | None) -> tf.Tensor:
    """A placeholder [batch_size, …] of the kind, the type and the further dimensions of a feature.

    Args:
      name: of the placeholder.
      feature: a tensor [batch, …], dense, sparse or ragged, or a `tf.TypeSpec` of one.
      batch_size: None for any.
    """
    # A tensor is not converted: it may be eager, or of another graph, and only its type and shape count.
    tensor = feature if isinstance(feature, tf.TypeSpec) or tf.is_tensor(feature) else tf.convert_to_tensor(feature)
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else None
    if shape:
        shape[0] = batch_size
    match tensor:
        case tf.SparseTensor() | tf.SparseTensorSpec():
            return tf.compat.v1.sparse_placeholder(tensor.dtype, shape, name=str(name))
        case tf.RaggedTensor() | tf.RaggedTensorSpec():
            inner = [] if shape is None else shape[tensor.ragged_rank + 1 :]
            return tf.compat.v1.ragged.placeholder(tensor.dtype, tensor.ragged_rank, inner, name=str(name))
    return tf.compat.v1.placeholder(tensor.dtype, shape, name=str(name))


def build_raw_serving_input_receiver_fn(
    features: Any, default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver function for features that clients send as they are.

    Args:
      features: a dict of tensors or `tf.TensorSpec`s (or one), whose types and shapes the placeholders take.
      default_batch_size: the first dimension of the placeholders; None for any.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        if not isinstance(features, Mapping):
            placeholder = placeholder_like(SINGLE_FEATURE, features, default_batch_size)
            return TensorServingInputReceiver(placeholder, {SINGLE_FEATURE: placeholder})
        placeholders = {name: placeholder_like(name, feature, default_batch_size) for name, feature in features.items()}
        return ServingInputReceiver(placeholders, placeholders)

    return serving_input_receiver_fn


def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver function for serialized `tf.train.Example`s.

    Args:
      feature_spec: a dict of `tf.io.FixedLenFeature` and the like, for `tf.io.parse_example`.
      default_batch_size: the number of examples; None for any.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        examples = tf.compat.v1.placeholder(tf.string, [default_batch_size], name="input_example_tensor")
        return ServingInputReceiver(tf.io.parse_example(examples, dict(feature_spec)), {"examples": examples})

    return serving_input_receiver_fn


class ExportOutput(abc.ABC):
    """One way to answer: the outputs of a signature and the kind of call that it serves."""

    method_name: str
    takes_examples_only: bool
    alternative: str | None = None
    """The one way in that it is for, of a receiver's alternatives; None for each that it can answer."""

    @property
    @abc.abstractmethod
    def tensors(self) -> dict[str, tf.Tensor]:
        """The outputs [batch, …], by the names that clients see."""


class PredictOutput(ExportOutput):
    """Any tensors, by name.

    Args:
      outputs: a dict of tensors [batch, …], or one tensor, called `output`. Of several heads the names are pairs, as
        `("head", "logits")`, which clients see as `head/logits`.
    """

    method_name = PREDICT_METHOD
    takes_examples_only = False

    def __init__(self, outputs: Any) -> None:
        given = outputs if isinstance(outputs, Mapping) else {"output": outputs}
        self.outputs = {_joined(name): tensor for name, tensor in given.items()}
        for name, tensor in self.outputs.items():
            if not isinstance(name, str) or not tf.is_tensor(tensor):
                raise ValueError(
                    f"A PredictOutput was given {name!r}: {tensor!r}. "
                    "It takes a tensor, or a dict of strings to tensors"
                )

    @property
    def tensors(self) -> dict[str, tf.Tensor]:
        return self.outputs


def _joined(name: Any) -> Any:
    pair = isinstance(name, tuple) and all(isinstance(part, str) for part in name)
    return "/".join(name) if pair else name


class RegressionOutput(ExportOutput):
    """One value an example, for Regress calls with serialized examples.

    Args:
      value: float [batch] or [batch, 1].
      alternative: of the receiver, which takes the examples; None for whatever takes one string a row.
    """

    method_name = REGRESS_METHOD
    takes_examples_only = True

    def __init__(self, value: tf.Tensor, alternative: str | None = None) -> None:
        if not (isinstance(value, tf.Tensor) and value.dtype.is_floating):
            raise ValueError(f"A RegressionOutput was given {value!r}. It takes a tensor of floating-point values")
        self.value, self.alternative = value, alternative

    @property
    def tensors(self) -> dict[str, tf.Tensor]:
        return {"outputs": self.value}


class ClassificationOutput(ExportOutput):
    """Scores and class names, for Classify calls with serialized examples.

    Args:
      scores: float [batch, classes]; None where only the names matter.
      classes: string [batch, classes]; None where the scores say it all.
      alternative: of the receiver, which takes the examples; None for whatever takes one string a row.
    """

    method_name = CLASSIFY_METHOD
    takes_examples_only = True

    def __init__(
        self, scores: tf.Tensor | None = None, classes: tf.Tensor | None = None, alternative: str | None = None
    ) -> None:
        if scores is None and classes is None:
            raise ValueError("A ClassificationOutput was given neither scores nor classes. It needs one of them")
        if scores is not None and not (isinstance(scores, tf.Tensor) and scores.dtype.is_floating):
            raise ValueError(f"A ClassificationOutput was given scores {scores!r}. It takes a floating-point tensor")
        if classes is not None and not (isinstance(classes, tf.Tensor) and classes.dtype == tf.string):
            raise ValueError(f"A ClassificationOutput was given classes {classes!r}. It takes a tensor of strings")
        self.scores, self.classes, self.alternative = scores, classes, alternative

    @property
    def tensors(self) -> dict[str, tf.Tensor]:
        named = {"classes": self.classes, "scores": self.scores}
        return {name: tensor for name, tensor in named.items() if tensor is not None}
