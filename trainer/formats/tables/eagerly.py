"""Computes at once what a graph that is being traced takes as a constant."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


def computed(function: Callable[[], _Result]) -> _Result:
    """What a function of TensorFlow gives outside of all graphs.

    `tf.init_scope` does not lead out of the graph of a model function, which is one of TensorFlow 1 to the code in it.
    Which graph is being made is a matter of each thread.

    Args:
      function: whose result holds no tensors.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="eager") as thread:
        return thread.submit(function).result()
