"""Who is making a variable: the Keras variable, the optimizer's slot, the layer or metric.

A variable creator is told little more than a name and a value. Who made the call is on the stack of Python's frames,
where it is read; so nothing of TensorFlow or Keras is replaced, and threads do not meet.
"""

from __future__ import annotations

import dataclasses
import inspect
from types import CodeType
from typing import Any

import keras
from keras.src.backend.common import global_state
from tensorflow.python.training import slot_creator


@dataclasses.dataclass(frozen=True)
class Maker:
    """Who is making a variable.

    Attributes:
      variable: the Keras variable whose value it will be; None for code that calls `tf.Variable` itself.
      primary: the variable, of Keras or of TensorFlow, that an optimizer is making a slot of; None for no slot.
      caller: the Keras layer, metric or optimizer at work; None outside of all.
    """

    variable: keras.Variable | None
    primary: Any
    caller: object


def now() -> Maker:
    """Who is making the variable whose creator calls this."""
    places: dict[CodeType, tuple[str, str]] = {
        # Where each of them is made, what it is to the Maker, and what it is called there.
        keras.Variable._initialize.__code__: ("variable", "self"),
        keras.optimizers.Optimizer.add_variable_from_reference.__code__: ("primary", "reference_variable"),
        slot_creator._create_slot_var.__code__: ("primary", "primary"),
    }
    found: dict[str, Any] = {}
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code in places:
            attribute, local = places[frame.f_code]
            found.setdefault(attribute, frame.f_locals[local])  # the innermost one
        frame = frame.f_back
    # Layers, metrics and optimizers open a scope while they make variables, and say who they are.
    scopes = global_state.get_global_attribute("name_scope_stack") or []
    return Maker(found.get("variable"), found.get("primary"), scopes[-1].caller if scopes else None)
