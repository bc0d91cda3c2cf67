"""Values of Python among the tensors of a batch, which reach the model function as they are.

A dataset has tensors alone. What is none goes along in the type of an element, as an attribute of its spec, with a zero
for a component, because an element without any is not allowed. Specs of one's own are made by overriding private names
of `tf.TypeSpec`, and there is no public way to put such a value into a dataset: an `ExtensionType` takes values of
types that it knows.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_LIST = "ListOf"


class PlainValue(tf.__internal__.CompositeTensor):
    """A value in a batch.

    Args:
      value: any, which is compared by what it prints as.
      place: int32 [], what stands for it in an element; None makes one.
    """

    def __init__(self, value: Any, place: tf.Tensor | None = None) -> None:
        self.value = value
        self.place = tf.zeros([], tf.int32) if place is None else place

    @property
    def _type_spec(self) -> PlainSpec:
        return PlainSpec(self.value)


class _Printed(str):
    """What a value prints as, by which specs are compared, with the value: specs hold texts and numbers alone."""

    value: Any

    def __new__(cls, value: Any) -> _Printed:
        made = super().__new__(cls, f"{type(value).__name__} {value!r}")
        made.value = value
        return made


class PlainSpec(tf.TypeSpec):
    """The spec of a value, which knows it.

    Args:
      value: the value.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def value_type(self) -> type[PlainValue]:
        """What it is the spec of."""
        return PlainValue

    @property
    def _component_specs(self) -> tf.TensorSpec:
        return tf.TensorSpec([], tf.int32)

    def _to_components(self, value: PlainValue) -> tf.Tensor:
        """Int32 []."""
        return value.place

    def _from_components(self, components: tf.Tensor) -> PlainValue:
        """Of one, int32 []."""
        return PlainValue(self.value, components)

    def _serialize(self) -> tuple[_Printed]:
        return (_Printed(self.value),)

    @classmethod
    def _deserialize(cls, serialization: tuple[_Printed]) -> PlainSpec:
        return cls(serialization[0].value)

    def __repr__(self) -> str:
        return f"PlainSpec({self.value!r})"


def wrapped(given: Any) -> Any:
    """What an input function gave, with its values of Python in the form in which a dataset has them.

    Args:
      given: features, or a pair (features, labels): tensors, arrays and lists of any shapes, and anything else. Labels
        that are None are none, which a dataset may have. A dataset has no such values. Lists of tensors become tuples
        that are known again, for a dataset would make one tensor of them.
    """
    if isinstance(given, tf.data.Dataset):
        return given
    if isinstance(given, tuple | list) and len(given) == 2:
        features, labels = given
        return _wrapped(features), None if labels is None else _wrapped(labels)
    return _wrapped(given)


def _wrapped(part: Any) -> Any:
    if isinstance(part, Mapping) and part:
        return {name: _wrapped(value) for name, value in part.items()}
    if isinstance(part, tuple) and part:
        parts = [_wrapped(value) for value in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
    if isinstance(part, list) and any(tf.is_tensor(value) or isinstance(value, np.ndarray) for value in part):
        return _list_type(len(part))(*map(_wrapped, part))
    becomes_tensor = tf.is_tensor(part) or isinstance(part, list) or hasattr(part, "__array__")
    return part if becomes_tensor else PlainValue(part)


@functools.cache
def _list_type(length: int) -> type[tuple[Any, ...]]:
    """What stands for a list in an element of a dataset: a named tuple, whose type stays where elements are packed."""
    return collections.namedtuple(f"{_LIST}{length}", [f"part_{number}" for number in range(length)])


def unwrapped(batch: Any) -> Any:
    """A batch with its values and lists as they were given."""
    return _as_given(tf.nest.map_structure(lambda part: part.value if isinstance(part, PlainValue) else part, batch))


def _as_given(part: Any) -> Any:
    if isinstance(part, tuple) and type(part).__name__.startswith(_LIST):
        return [_as_given(value) for value in part]
    if type(part) is dict and any(isinstance(value, dict | tuple) for value in part.values()):
        return {name: _as_given(value) for name, value in part.items()}
    if type(part) is tuple:
        return tuple(_as_given(value) for value in part)
    return part
