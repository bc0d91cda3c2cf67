"""Functions made of a part of a graph, of whose operations nothing is copied.

TensorFlow's C API makes a function of any operations of a graph. In public only all of a graph becomes one, so that a
part would first be copied into a graph of its own, op by op in Python, at five times the cost. For example of

    x ─► MatMul(Read(w)) ─► loss ─► gradients ─► ResourceApply(w)

the part for the loss has the operations Read, MatMul and loss, takes x and the handle of w, and gives the loss.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.function.capture.capture_container import FunctionCaptures
from tensorflow.python.eager.polymorphic_function import atomic_function
from tensorflow.python.framework import auto_control_deps_utils, ops

from trainer.estimator.graph.inside.copying import copy_handle_data

_NUMBERS = itertools.count()


@dataclasses.dataclass(frozen=True, eq=False)
class GraphPart:
    """What is asked of a function graph by those that make a function of it, and by those that look into functions.

    Args:
      source: the graph.
      operations: of it, each behind what it needs, and none behind an operation that is not among them or fed.
      inputs: tensors of it, of any shapes [...], the function's arguments.
      outputs: tensors of it, [...], its results.
      control_outputs: operations of it that run beside those.
    """

    source: Any
    operations: Sequence[tf.Operation]
    inputs: Sequence[tf.Tensor]
    outputs: Sequence[tf.Tensor]
    control_outputs: Sequence[tf.Operation]

    function_captures: Any = dataclasses.field(default_factory=FunctionCaptures)
    captures = ()  # none: what the source captures is among the inputs
    _output_names = None

    @property
    def _c_graph(self) -> Any:
        return self.source._c_graph

    @property
    def _functions(self) -> Any:
        return self.source._functions

    def get_operations(self) -> list[tf.Operation]:
        """Its operations and, in front, the placeholders of its arguments, as of a function graph."""
        return [*(tensor.op for tensor in self.inputs), *self.operations]

    def get_operation_by_name(self, name: str) -> tf.Operation:
        """Operations have in the function the names that they have in the source; asked for when a model is saved."""
        return self.source.get_operation_by_name(name)

    def read_only(self) -> list[int]:
        """The numbers of the inputs that are handles which its operations only read."""
        known = {tensor.ref(): number for number, tensor in enumerate(self.inputs) if tensor.dtype == tf.resource}
        written = set[Any]()
        for op in self.operations:
            _, handles = auto_control_deps_utils.get_read_write_resource_inputs(op)
            written.update(known[handle.ref()] for handle in handles if handle.ref() in known)
        return sorted(set(known.values()) - written)


class PartFunction:
    """A part of a graph as a function. To be differentiated it would have to be a copy.

    Args:
      part: of the graph.
      captured: what it takes behind its arguments, tensors of any shapes [...] from outside of the graph.
    """

    def __init__(self, part: GraphPart, captured: Sequence[tf.Tensor]) -> None:
        self._part, self._captured = part, captured
        # `tf.function` and `wrap_function` begin with all operations of a graph.
        self._function = atomic_function.from_func_graph(f"__inference_part_{next(_NUMBERS)}", part, {})
        self._read_only = part.read_only()

    def __call__(self, *arguments: tf.Tensor) -> Sequence[tf.Tensor]:
        """The outputs of the part, [...] each, computed now or, where a graph is being built, in it."""
        values = [*arguments, *self._captured]
        if tf.executing_eagerly():
            return list(self._function.call_flat(*values) or ())
        return self._in_graph(values)

    def _in_graph(self, values: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """A call in the graph that is being built; its results [...]."""
        function, graph = self._function, tf.compat.v1.get_default_graph()
        graph._add_function_recursive(function)
        options = function._bound_context.function_call_options.as_attrs()
        results = function.function_type.flat_outputs
        call = atomic_function.partitioned_call_op(
            function.name,
            values,
            function.call_options.is_stateful,
            [result.dtype.as_datatype_enum for result in results],
            options["config_proto"],
            options["executor_type"],
        )
        # `AtomicFunction.call_flat` would count what the whole graph does with a handle, so that who only reads waited.
        ops.set_int_list_attr(call, auto_control_deps_utils.READ_ONLY_RESOURCE_INPUTS_ATTR, self._read_only)
        ops.set_int_list_attr(call, auto_control_deps_utils.COLLECTIVE_MANAGER_IDS, [])
        for output, before in zip(call.outputs, self._part.outputs, strict=True):
            output.set_shape(before.shape)
            if before.dtype in (tf.resource, tf.variant):
                copy_handle_data(before, output)
        return list(call.outputs)
