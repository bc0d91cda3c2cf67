"""A step whose loss, or what it wrote, is not finite: all that is needed to run it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import health
from trainer.estimator.graph.health import Health
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import Role, VariableStore


@dataclasses.dataclass(frozen=True)
class BatchNumber:
    """Which batch of the training data.

    Attributes:
      index: in its pipeline, from 0.
      pipeline: which of several pipelines, from 0.
      pipelines: how many there are.
    """

    index: int
    pipeline: int = 0
    pipelines: int = 1


@dataclasses.dataclass(frozen=True)
class Component:
    """One of the tensors that make a batch.

    Attributes:
      name: `features['x']`, `labels`.
      has_rows: whether its first dimension counts the examples; not that of a scalar, or of a sparse tensor's parts.
    """

    name: str
    has_rows: bool


@dataclasses.dataclass(frozen=True, eq=False)
class BadStep:
    """A step to run again.

    Attributes:
      traced: the model, for batches of this size.
      step: the global step that it makes.
      before: values of the variables before it, by name.
      batch: its components, flat, each [batch, …] or a scalar.
      components: what they are.
      number: which batch of the data; None where that is not known.
      replayed: how many steps were made again to come to it; None where the variables are those of the last checkpoint.
      who: of several devices or workers the one whose step it is; '' where there is one.
    """

    traced: TracedModel
    step: int
    before: Mapping[str, np.ndarray]
    batch: Sequence[tf.Tensor]
    components: Sequence[Component]
    number: BatchNumber | None
    replayed: int | None
    who: str = ""

    def restore(self) -> None:
        """Sets the variables to what they were before the step."""
        assign(self.traced.store, self.before)


def components_of(element_spec: Any) -> list[Component]:
    """What the flat components of a batch are.

    Args:
      element_spec: features, or a tuple (features, labels).
    """
    if isinstance(element_spec, tuple):
        return [*_components("features", element_spec[0]), *_components("labels", element_spec[1])]
    return _components("features", element_spec)


def _components(name: str, part: Any) -> list[Component]:
    match part:
        case dict():
            return [found for key in sorted(part) for found in _components(f"{name}[{key!r}]", part[key])]
        case list() | tuple():
            return [found for index, one in enumerate(part) for found in _components(f"{name}[{index}]", one)]
        case _:
            has_rows = isinstance(part, tf.TensorSpec) and part.shape.rank != 0
            return [Component(name, has_rows)] * len(tf.nest.flatten(part, expand_composites=True))


def snapshot(store: VariableStore) -> dict[str, np.ndarray]:
    """Copies of the values of all variables, of any shapes, by name."""
    return {name: variable.read_value().numpy() for name, variable in store.by_name.items()}


def assign(store: VariableStore, values: Mapping[str, Any]) -> None:
    """Sets variables to values of their shapes, by name."""
    for name, value in values.items():
        store.by_name[name].assign(value)


def broken(store: VariableStore) -> dict[str, Health]:
    """The variables that no training continues from, by name: weights that are not finite, and any other NaN.

    An infinity in a variable that nothing trains may be meant, as in the best loss so far.
    """
    found = health.of_variables(store.saved())
    return {name: kind for name, kind in found.items() if kind & Health.NAN or store.roles[name] is Role.WEIGHT}
