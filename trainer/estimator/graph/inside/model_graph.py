"""The graph that a model function is traced in, which is one of TensorFlow 1 to the code in it.

It captures what it uses of outside, as a function's graph does, and in all else it is a graph that stands alone: code
in it does not execute eagerly outside of functions, `tf.init_scope` stays in it, and its tensors and variables are told
apart by identity, so that they are keys of dicts and members of sets.
"""

from __future__ import annotations

import contextlib
import dis
import inspect
import logging
import os
import sys
from collections.abc import Iterator
from types import FrameType

import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import math_ops

log = logging.getLogger("trainer")

_TENSORFLOW = os.path.dirname(tf.__file__)

_TAKES_IT_FOR_A_GRAPH = (
    # What entering a graph notes down is what `tf.init_scope` and `executing_eagerly_outside_functions` go by.
    ops._DefaultGraphStack.get_controller.__wrapped__.__code__,
    tf.Tensor.__hash__.__code__,
    # A `for` over a dataset that a function's graph is being built in would never end.
    tf.data.Dataset.__iter__.__code__,
)


_COMPARES = tuple(inspect.unwrap(compare).__code__ for compare in (math_ops.tensor_equals, math_ops.tensor_not_equals))


class ModelGraph(tf.__internal__.FuncGraph):
    """A function's graph for what captures and builds loops and branches, a plain one for what these two places ask.

    A plain `tf.Graph` captures nothing of outside, and the variables are outside.
    """

    @property
    def building_function(self) -> bool:
        """What the caller is to take it for."""
        asking = sys._getframe(1)
        if asking.f_code is ops.inside_function.__code__ and asking.f_back is not None:
            asking = asking.f_back
        return asking.f_code not in _TAKES_IT_FOR_A_GRAPH

    def as_default(self) -> contextlib.AbstractContextManager[tf.Graph]:
        """Makes it the default graph, with the scopes that were open in it and none of the graph around it."""
        asking = sys._getframe(1)
        if asking.f_code is ops.executing_eagerly_outside_functions.__code__:
            _look_for_comparison(asking.f_back)
        return super(tf.__internal__.FuncGraph, self).as_default()


def _look_for_comparison(frame: FrameType | None) -> None:
    """Says where `==` or `!=` is written between tensors: in a graph of TensorFlow 1 that compares no values.

    `in` and `list.index` compare tensors too, and mean their identity.

    Args:
      frame: of the function that asks whether this is a graph of TensorFlow 1.
    """
    if frame is None or frame.f_code not in _COMPARES or frame.f_locals["self"] is frame.f_locals["other"]:
        return
    caller = frame.f_back
    while caller is not None and caller.f_code.co_filename.startswith(_TENSORFLOW):
        caller = caller.f_back
    if caller is not None and dis.opname[caller.f_code.co_code[caller.f_lasti]] == "COMPARE_OP":
        log.warning(
            "%s:%d compares tensors by == or !=, which in a model function tells whether they are the same tensor, as "
            "in tf.estimator. Use tf.equal or tf.not_equal to compare their values.",
            caller.f_code.co_filename,
            caller.f_lineno,
        )


def model_graph() -> ModelGraph | None:
    """The model function's graph that is being built, be it in a branch or a loop of it; None outside of a trace."""
    graph = tf.compat.v1.get_default_graph()
    while not isinstance(graph, ModelGraph) and graph is not None:
        graph = getattr(graph, "outer_graph", None)
    return graph


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Inside, ops run eagerly, out of every graph that is being built, on the device that the graph says."""
    if tf.executing_eagerly():
        yield
        return
    device = next((spec.raw_string for spec in _devices() if spec.raw_string), None)
    with tf.__internal__.eager_context.eager_mode(), tf.device(device):
        yield


def _devices() -> Iterator[ops._UserDeviceSpec]:
    """The device scopes that are open in the graph, the innermost first."""
    yield from tf.compat.v1.get_default_graph()._device_function_stack.peek_objs()


class InputGraph(ModelGraph):
    """The graph that an input function is traced in."""
