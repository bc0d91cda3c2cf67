"""Functions under names that say what they compute, so that the next process knows what this one compiled.

TensorFlow numbers functions in the order in which a process traces them. The number is part of the name, and the name
is part of the key under which a program that XLA compiled is kept on disk (`storage/compiled_programs.py`): a process
that traces one function more, as one that resumes does, finds nothing. Here names are digests of the definitions::

    __inference_run_506 ─► While ─► while_body_20        run_9f2c… ─► While ─► while_body_41d0…

Public names neither call a definition nor take one: `Context.add_function_def` and `Context.call_function`, with which
TensorFlow's own functions are registered and called.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context

_NUMBERED = ("_gradient_op_type", "_forward_func_name", "_backward_func_name")
"""Attributes of calls that hold such numbers too. They serve differentiation, which nobody does to what is compiled."""


class NamedFunction:
    """A ConcreteFunction whose name, and the names of all functions that it calls, follow from what they compute.

    Functions of the same definition share the name, and so what XLA has compiled of it in this process.

    Args:
      function: that returns nested tensors. It is not to be differentiated.

    Attributes:
      name: of the function.
      captured_inputs: handles [] of these and other tensors [...] from outside, which it takes after its arguments.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self.captured_inputs: Sequence[tf.Tensor] = function.captured_inputs
        definition, library = function.function_def, function.graph.as_graph_def().library.function
        self.name = _Renamed([definition, *library]).added(definition)

    @property
    def variables(self) -> Sequence[tf.Variable]:
        """That it uses; as the function itself, it does not keep them alive."""
        return tuple(self._function.variables)

    def __call__(self, *arguments: Any) -> Any:
        """Its results for nested tensors of the shapes [...] that it was traced for."""
        return self.call(tf.nest.flatten(arguments), self.captured_inputs)

    def call(self, arguments: Sequence[tf.Tensor], captures: Sequence[tf.Tensor]) -> Any:
        """Its results with other captures than its own: on stand-ins for the variables that it uses.

        Args:
          arguments: of the shapes [...] that it was traced for, flat.
          captures: a tensor [...] or handle [] in the place of each of `captured_inputs`.
        """
        structure, num_results = self._function.structured_outputs, len(self._function.outputs)
        results = context.context().call_function(self.name.encode(), [*arguments, *captures], num_results)
        return tf.nest.pack_sequence_as(structure, results or []) if num_results else structure


class _Renamed:
    """Definitions in which each name of a function is the digest of what it stands for.

    Args:
      definitions: all of them.
    """

    def __init__(self, definitions: Sequence[Any]) -> None:
        self._library = {each.signature.name: each for each in definitions}
        self._called_by_type = {node.op for each in definitions for node in each.node_def}
        self._names: dict[str, str] = {}

    def added(self, definition: Any) -> str:
        """The new name of a definition, which TensorFlow then knows, with all that it calls."""
        renamed = type(definition)()
        renamed.CopyFrom(definition)
        for node in renamed.node_def:
            self._rename_in(node)
        _number_arguments(renamed)
        if definition.signature.name not in self._called_by_type:
            _number_results(renamed)
        # What a digest is of may not hold the old name.
        stem = re.sub(r"^_*(inference_)?|_?\d+", "", definition.signature.name)
        renamed.signature.name = stem
        digest = hashlib.sha256(renamed.SerializeToString(deterministic=True)).hexdigest()
        renamed.signature.name = f"{stem}_{digest[:32]}"
        if not context.context().has_function(renamed.signature.name):
            context.context().add_function_def(renamed)
        return str(renamed.signature.name)

    def _rename_in(self, node: Any) -> None:
        """Renames what a node calls: by its type, as calls of TensorFlow 1 do, or by its attributes."""
        for key in _NUMBERED:
            node.attr.pop(key, None)
        if node.op in self._library:
            node.op = self._name_of(node.op)
        for value in node.attr.values():
            for function in [value.func] if value.HasField("func") else value.list.func:
                function.name = self._name_of(function.name)

    def _name_of(self, name: str) -> str:
        """The new name of what a node calls; the old one of what stands in no library."""
        if name not in self._library:
            return name
        if name not in self._names:
            self._names[name] = self.added(self._library[name])
        return self._names[name]


def _number_arguments(definition: Any) -> None:
    """Names the arguments of a definition by their places: some are named after numbers of the process."""
    names = {argument.name: f"argument_{place}" for place, argument in enumerate(definition.signature.input_arg)}
    for argument in definition.signature.input_arg:
        argument.name = names[argument.name]
    for node in definition.node_def:
        node.input[:] = [names.get(name, name) for name in node.input]
    for result, name in list(definition.ret.items()):
        definition.ret[result] = names.get(name, name)
    for attributes in definition.arg_attr.values():
        attributes.attr.pop("_user_specified_name", None)


def _number_results(definition: Any) -> None:
    """Names the results of a definition by their places, for the same reason. Calls by type ask for them by name."""
    results = [definition.ret[result.name] for result in definition.signature.output_arg]
    definition.ret.clear()
    for place, (result, value) in enumerate(zip(definition.signature.output_arg, results, strict=True)):
        result.name = f"result_{place}"
        definition.ret[result.name] = value
