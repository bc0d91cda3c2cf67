"""The modes that TensorFlow can be put into: the one that this package works in, and the one that the program is in.

Programs of TensorFlow 1 call `tf.disable_v2_behavior()` or `tf.disable_eager_execution()` first of all, and some call
an Estimator while a graph of theirs is the default one. What a person calls here runs eagerly, with shapes of numbers;
a person's functions that are called in it find shapes as the program has them, whose dimensions may have a `.value`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import tensorflow as tf

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
_numbers_in_program: ContextVar[bool] = ContextVar("numbers_in_program", default=True)


def eagerly(function: AnyFunction) -> AnyFunction:
    """The function or generator function, run eagerly; between what a generator yields its caller's mode holds."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with _as_this_package():
            return function(*args, **kwargs)

    @functools.wraps(function)
    def generated(*args: Any, **kwargs: Any) -> Iterator[Any]:
        iterator, end = function(*args, **kwargs), object()
        with contextlib.closing(iterator):
            while True:
                with _as_this_package():
                    value = next(iterator, end)
                if value is end:
                    return
                yield value

    return cast(AnyFunction, generated if inspect.isgeneratorfunction(function) else called)


def eager_in_thread() -> contextlib.AbstractContextManager[None]:
    """Inside, a thread that this package started runs eagerly, whatever mode the program has chosen for its threads."""
    return cast(contextlib.AbstractContextManager[None], tf.__internal__.eager_context.eager_mode())


def shapes_may_change() -> bool:
    """Whether shapes change in all threads when functions of the program are called: it has those of TensorFlow 1."""
    return not _numbers_in_program.get()


def numbered(function: AnyFunction) -> AnyFunction:
    """The function of this package that a model function of the program is, or calls: run with shapes of numbers."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with _shapes(numbers=True):
            return function(*args, **kwargs)

    return cast(AnyFunction, called)


@contextlib.contextmanager
def as_the_program() -> Iterator[None]:
    """Inside, shapes are what they are outside of this package."""
    with _shapes(numbers=_numbers_in_program.get()):
        yield


@contextlib.contextmanager
def _as_this_package() -> Iterator[None]:
    token = _numbers_in_program.set(_numbers_in_program.get() and _shapes_have_numbers())
    try:
        # `tf.init_scope` leads to eager execution only where a program has it somewhere.
        with tf.__internal__.eager_context.eager_mode(), _shapes(numbers=True):
            yield
    finally:
        _numbers_in_program.reset(token)


@contextlib.contextmanager
def _shapes(*, numbers: bool) -> Iterator[None]:
    """Inside, the dimensions of shapes are numbers, or those of TensorFlow 1; in all threads."""
    before = _shapes_have_numbers()
    if before == numbers:
        yield
        return
    _set_shapes(numbers)
    try:
        yield
    finally:
        _set_shapes(before)


def _shapes_have_numbers() -> bool:
    return isinstance(tf.TensorShape([1])[0], int)


def _set_shapes(numbers: bool) -> None:
    tf.compat.v1.enable_v2_tensorshape() if numbers else tf.compat.v1.disable_v2_tensorshape()
