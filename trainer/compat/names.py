"""How a module of lost names finds one: among its own, else where TensorFlow still has it, else in words."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def found(module: str, name: str, own: Mapping[str, str], elsewhere: str | None, advice: Mapping[str, str]) -> Any:
    """The value of a name.

    Args:
      module: that is asked for it.
      name: that is asked for.
      own: by name, the module that it is or `module:attribute`.
      elsewhere: the path below `tf` of what has all others; None for nothing.
      advice: by name, what to use where it is not given.

    Raises:
      AttributeError: it is not given; says what to use.
    """
    place: Any
    if name in own:
        where, _, attribute = own[name].partition(":")
        place, path = importlib.import_module(where), attribute
    else:
        place, path = (tf, f"{elsewhere}.{name}") if elsewhere and not name.startswith("__") else (None, name)
    value = place if place is not None else _NOTHING
    for part in filter(None, path.split(".")):
        value = getattr(value, part, _NOTHING)
    if value is not _NOTHING:
        return value
    said = module.replace("trainer.compat.v1", "tf", 1)
    raise AttributeError(
        f"{said}.{name} is asked for, which this package does not give. "
        f"{said} has what docs/differences.md lists. {advice.get(name, _USUAL)}",
        name=name,
    )


_NOTHING = object()  # None is the value of some names, as of tf.newaxis
_USUAL = "Look for it in tf.compat.v1, or in tf of TensorFlow 2"
