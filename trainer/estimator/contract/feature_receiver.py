"""A serving input receiver made from the features of a dataset: dense tensors, or serialized examples of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import ServingInputReceiver, build_raw_serving_input_receiver_fn
from trainer.job.errors import UsageError

EXAMPLES = "examples"
_TENSORS = tf.TensorSpec | tf.SparseTensorSpec | tf.RaggedTensorSpec


def receiver_fn_of(spec: Any) -> Callable[[], ServingInputReceiver]:
    """A receiver function for clients that send features as the data have them.

    A client may send the features themselves, or `tf.train.Example`s that hold them where all sizes but that of the
    batch are known.

    Args:
      spec: the element spec of batches of features: of dense, sparse or ragged tensors, or a dict of such specs.

    Raises:
      UsageError: features that are no such tensors.
    """
    named = spec if isinstance(spec, Mapping) else {"features": spec}
    for name, one in named.items():
        if not isinstance(one, _TENSORS) or one.shape.rank in (None, 0):
            raise UsageError(
                f"PROBLEM has no serving_input_receiver_fn, and its features give {name!r} as {one}",
                "batches of tensors, which clients can send as they are",
                "Give a serving_input_receiver_fn, or leave exports out with --exporter=",
            )
    if not isinstance(spec, Mapping) or not all(_parses(one) for one in spec.values()):
        return build_raw_serving_input_receiver_fn(spec)

    def receiver_fn() -> ServingInputReceiver:
        examples = tf.compat.v1.placeholder(tf.string, [None], name=EXAMPLES)
        features = _parsed(examples, spec)
        # Both ways in one graph: whoever feeds the features themselves cuts the parsing off.
        return ServingInputReceiver(features, features, {EXAMPLES: {EXAMPLES: examples}})

    return receiver_fn


def _parses(spec: Any) -> bool:
    """Whether `tf.io.parse_example` can give such a feature: dense, numbers or strings, of known sizes [batch, …]."""
    known = isinstance(spec, tf.TensorSpec) and spec.shape[1:].is_fully_defined()
    return known and (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype in (tf.string, tf.bool))


def _parsed(examples: tf.Tensor, specs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """The features of serialized examples, string [batch], each of its spec's type and shape [batch, …]."""
    wanted = {name: tf.io.FixedLenFeature(spec.shape[1:], _stored(spec.dtype)) for name, spec in specs.items()}
    parsed = tf.io.parse_example(examples, wanted)
    # The identity gives each feature a tensor of its own name, which clients feed.
    return {name: tf.identity(tf.cast(parsed[name], spec.dtype), name=name) for name, spec in specs.items()}


def _stored(dtype: tf.DType) -> tf.DType:
    """The type that a `tf.train.Example` keeps such values in."""
    return tf.float32 if dtype.is_floating else tf.string if dtype == tf.string else tf.int64
