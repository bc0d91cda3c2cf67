"""Python functions that ops call, by a name that every process of a job knows."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow.python.ops import script_ops


def define(name: str, function: Callable[[bytes], bytes]) -> None:
    """Has the op `PyFuncStateless` call a function in this process, where the op's token is the name.

    `tf.numpy_function` counts its tokens in each process, so that a graph means another function in another process.

    Args:
      name: the token.
      function: kept by the caller, for TensorFlow does not keep it.
    """
    script_ops._py_funcs._funcs[name] = function
