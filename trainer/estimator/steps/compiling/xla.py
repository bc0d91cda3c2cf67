"""Whether XLA compiles a function: tried in one place, with XLA's reason where it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside.modes import eagerly, shapes_may_change
from trainer.estimator.graph.inside.named_functions import NamedFunction
from trainer.storage.compiled_programs import FOLDER

# A call both compiles and runs, so that other errors of it are those of the model or of the devices.
_FROM_THE_COMPILER = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, ValueError, TypeError)


class NotCompilableError(Exception):
    """XLA does not compile a function. The message is the first line of its reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__((str(error).strip() or type(error).__name__).splitlines()[0])


@contextlib.contextmanager
def first_call() -> Iterator[None]:
    """Inside, a function with `jit_compile=True` is called for the first time, which compiles it.

    Raises:
      NotCompilableError: XLA does not compile it, or TensorFlow cannot write what it has compiled.
    """
    try:
        yield
    except _FROM_THE_COMPILER as error:
        raise NotCompilableError(error) from error
    except tf.errors.OpError as error:
        if FOLDER not in str(error):
            raise
        raise NotCompilableError(error) from error  # what was compiled could not be written, so it did not run


def refusal(function: Any, *arguments: Any) -> str | None:
    """Why XLA does not compile a function; None if it does. Nothing of the function runs.

    Args:
      function: a `tf.function` with `jit_compile=True`.
      arguments: tensors of the types and shapes that it would be called with.
    """
    try:
        function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    except (tf.errors.OpError, ValueError, TypeError) as error:
        return str(NotCompilableError(error))
    return None


def compile_ahead(
    make_program: Callable[[], NamedFunction], arguments: list[tf.Tensor], device: str | None = None
) -> Future[Any]:
    """Has a program made and compiled by XLA in a thread, by a call on variables that nobody else uses.

    A call locks its variables for as long as it is being compiled, so on the program's own variables the training
    beside it would stand still. To make the program takes Python as long as a first step does, which it would delay.

    Args:
      make_program: makes the program, which is compiled when it is called.
      arguments: of any shapes, as [], of a call that changes nothing that counts.
      device: where the program runs; None for TensorFlow's choice.

    Returns:
      What ends when the program is compiled; its result raises what the making or the call raised.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="compiling")
    if shapes_may_change():
        made = make_program()
        compiling = thread.submit(eagerly(_called_on_stand_ins), lambda: made, arguments, device)
    else:
        compiling = thread.submit(eagerly(_called_on_stand_ins), make_program, arguments, device)
    thread.shutdown(wait=False)
    return compiling


def _called_on_stand_ins(
    make_program: Callable[[], NamedFunction], arguments: list[tf.Tensor], device: str | None
) -> Any:
    """A program's results for arguments [...], on zeros; they take as much memory as the model while it is called."""
    with tf.device(device):
        program = make_program()
        stand_ins = {id(variable.handle): _zeros_like(variable) for variable in program.variables}
        captures = [
            stand_ins[id(captured)].handle if id(captured) in stand_ins else captured
            for captured in program.captured_inputs
        ]
        return program.call(arguments, captures)


def _zeros_like(variable: tf.Variable) -> tf.Variable:
    with tf.device(variable.device):
        return tf.Variable(tf.zeros(variable.shape, variable.dtype))
