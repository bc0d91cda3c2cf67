"""What a copy of an operation needs that TensorFlow has no public name for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import handle_data_util

FuncGraph = func_graph.FuncGraph
"""A graph whose `tf.init_scope` leads out of it, as that of a `tf.function` does; `tf.Graph`'s does not."""


def create(
    graph: tf.Graph, op: tf.Operation, inputs: Sequence[tf.Tensor], attributes: Mapping[str, Any], device: str
) -> tf.Operation:
    """An operation of the same type in another graph.

    `Graph._create_op_internal` is `Graph.create_op` without the wrapper that examines its arguments, which takes as
    long as the rest. `Operation._set_device` gives one op a device without the cost of a `tf.device` around it.

    Args:
      graph: where it goes.
      op: what it is like.
      inputs: tensors of that graph, of any shapes [...] that the type takes.
      attributes: by name, as in the protocol buffer of an op.
      device: of the op; `''` leaves it to the scope.
    """
    types = [tensor.dtype for tensor in op.outputs]
    made = graph._create_op_internal(op.type, list(inputs), types, None, op.name, attributes, op.op_def)
    if device:
        made._set_device(device)
    return made


def add_functions(source: tf.Graph, target: tf.Graph) -> None:
    """Makes the functions that ops of one graph call known to another.

    `Graph._functions` and `_add_function`: the public way is a graph definition, which is parsed again each time.
    """
    for function in source._functions.values():
        target._add_function(function)


def is_function(graph: tf.Graph, name: str) -> bool:
    """Whether a type of op is a function that the graph has: calls made by `compat.v1` functions are such ops."""
    return name in graph._functions


def copy_handle_data(source: tf.Tensor, target: tf.Tensor) -> None:
    """Lets a handle or a list [] in one graph be known to be of the shape and type that another one is of.

    `handle_data_util`: only the shape functions of ops set this in public.
    """
    handle_data_util.copy_handle_data(source, target)


def variable_shape(handle: tf.Tensor) -> tf.TensorShape:
    """Of the variable behind a handle [] of a graph; of unknown rank where the graph does not say.

    `handle_data_util`: in public only an op that reads the variable would tell, which then stands in the graph.
    """
    data = handle_data_util.get_resource_handle_data(handle)
    known = data is not None and data.is_set and len(data.shape_and_type) == 1
    return tf.TensorShape(data.shape_and_type[0].shape if known else None)


def set_handle_data(handle: tf.Tensor, shape: tf.TensorShape, dtype: tf.DType) -> None:
    """Lets a handle [] be known to be of a variable of a shape and a type, for the same reason.

    Args:
      handle: a placeholder.
      shape: of the variable; dimensions may be unknown.
      dtype: of the variable.
    """
    handle_data_util.set_handle_data(handle, handle_data_util.create_handle_data(shape, dtype))
