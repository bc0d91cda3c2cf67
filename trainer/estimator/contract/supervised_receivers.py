"""What clients of an exported TRAIN or EVAL graph feed: features with labels, or without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import tensorflow as tf

from trainer.estimator.contract.export import (
    SINGLE_RECEIVER,
    ServingInputReceiver,
    check_features,
    named_tensors,
    placeholder_like,
)

_SINGLE_LABEL = "label"


class _SupervisedFields(NamedTuple):
    features: Any
    labels: Any
    receiver_tensors: Any


class SupervisedInputReceiver(_SupervisedFields):
    """The inputs of an exported TRAIN or EVAL graph: features, labels, and the tensors that are fed; a named tuple.

    Raises:
      ValueError: something is no tensor, or has neither a string nor an integer for a name.
    """

    __slots__ = ()

    def __new__(cls, features: Any, labels: Any, receiver_tensors: Any) -> Self:
        check_features(features, "features")
        check_features(labels, "labels")
        return super().__new__(cls, features, labels, named_tensors(receiver_tensors, "receiver_tensors"))


class UnsupervisedInputReceiver(ServingInputReceiver):
    """The inputs of an exported TRAIN or EVAL graph of a model function that needs no labels."""

    __slots__ = ()


def build_raw_supervised_input_receiver_fn(
    features: Any, labels: Any, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """A receiver function for features and labels that are fed as they are.

    Args:
      features: a dict of tensors or `tf.TensorSpec`s (or one), whose types and shapes the placeholders take.
      labels: likewise.
      default_batch_size: the first dimension of the placeholders; None for any.

    Raises:
      ValueError: features and labels of one name.
    """
    both = (_keyed(features, SINGLE_RECEIVER), _keyed(labels, _SINGLE_LABEL))
    twice = set(both[0]) & set(both[1])
    if twice:
        raise ValueError(
            f"Features and labels have the keys {', '.join(sorted(map(str, twice)))} in common. "
            "Each is fed under its key, so keys differ. Rename them in features or labels"
        )

    def supervised_input_receiver_fn() -> SupervisedInputReceiver:
        x, y = (
            {name: placeholder_like(name, tensor, default_batch_size) for name, tensor in keyed.items()}
            for keyed in both
        )
        return SupervisedInputReceiver(_as_given(features, x), _as_given(labels, y), {**x, **y})

    return supervised_input_receiver_fn


def build_supervised_input_receiver_fn_from_input_fn(
    input_fn: Callable[..., Any], **input_fn_args: Any
) -> Callable[[], SupervisedInputReceiver]:
    """The same for the features and labels that an input function gives.

    Args:
      input_fn: gives a Dataset of (features, labels), or a pair of them. It is called at once, in a graph that is
        thrown away.
      **input_fn_args: what it is called with.

    Raises:
      ValueError: it gives something else.
    """
    with tf.Graph().as_default():
        given = input_fn(**input_fn_args)
        spec = given.element_spec if isinstance(given, tf.data.Dataset) else given
    if not isinstance(spec, list | tuple) or len(spec) != 2:
        raise ValueError(f"The input function gives {spec!r}. It gives a pair (features, labels), or a Dataset of such")
    return build_raw_supervised_input_receiver_fn(*spec)


def _keyed(tensors: Any, name: str) -> Mapping[Any, Any]:
    return tensors if isinstance(tensors, Mapping) else {name: tensors}


def _as_given(like: Any, placeholders: dict[Any, tf.Tensor]) -> Any:
    """The placeholders [batch, …] themselves, or the only one of them where one tensor was given."""
    return placeholders if isinstance(like, Mapping) else next(iter(placeholders.values()))
