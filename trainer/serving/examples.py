"""The examples of Classify and Regress requests as serialized `tf.train.Example`s.

A number without a point is an int64, any other number a float, as TensorFlow Serving reads them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.exported.values import ValueFault


def serialized(request: Mapping[str, Any]) -> np.ndarray:
    """The examples of a request, each with the features of its context: bytes [rows].

    Raises:
      ValueFault: there are none, or a feature that cannot be one.
    """
    found, context = request.get("examples"), request.get("context", {})
    if not isinstance(found, list) or not found:
        raise ValueFault('"examples" has to be a list of at least one object')
    if not isinstance(context, dict):
        raise ValueFault('"context" has to be an object of features')
    texts = [_serialized(each, context, number) for number, each in enumerate(found)]
    return np.array(texts, dtype=object)


def _serialized(features: Any, context: Mapping[str, Any], number: int) -> bytes:
    place = f"examples[{number}]"
    if not isinstance(features, dict):
        raise ValueFault(f"{place} is no object of features")
    doubled = sorted(features.keys() & context.keys())
    if doubled:
        raise ValueFault(f"{place} and the context both have the feature {doubled[0]!r:.80}")
    made = {name: _feature(value, f"{place}.{name:.80}") for name, value in {**context, **features}.items()}
    try:
        return bytes(tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString())
    except UnicodeEncodeError:
        raise ValueFault(f"{place}: the name of a feature is no text") from None


def _feature(value: Any, place: str) -> tf.train.Feature:
    items = value if isinstance(value, list) else [value]
    if all(isinstance(item, int) and not isinstance(item, bool) for item in items):
        if any(not -(1 << 63) <= item < 1 << 63 for item in items):
            raise ValueFault(f"{place}: a whole number that int64 does not hold")
        return tf.train.Feature(int64_list=tf.train.Int64List(value=items))
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        try:
            return tf.train.Feature(float_list=tf.train.FloatList(value=items))
        except (ValueError, OverflowError):
            raise ValueFault(f"{place}: a number that is too large for float32") from None
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[_bytes(item, place) for item in items]))


def _bytes(item: Any, place: str) -> bytes:
    match item:
        case str():
            try:
                return item.encode("utf-8")
            except UnicodeEncodeError:
                raise ValueFault(f"{place}: half a character, which UTF-8 cannot hold") from None
        case {"b64": str(text)} if len(item) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise ValueFault(f"{place}: no base64") from None
    raise ValueFault(f'{place}: numbers, strings or {{"b64": "…"}} are taken, all of one kind')
