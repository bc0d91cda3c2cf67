"""Optimizers that a model function calls, of Keras and of `tf.compat.v1`.

The methods that apply gradients are wrapped once, when this module is imported, and do what they always did unless the
thread is tracing a model function. Then gradients pass through the function that averages them over devices, if there
is one, Keras's variables are understood by the optimizers of `tf.compat.v1`, and Keras's `apply` returns a train_op.
Nothing in a graph tells gradients from what else an update computes with, so it cannot be done afterwards.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.graph.inside.graphs import accessed
from trainer.estimator.graph.inside.keras_optimizers import revive

Average = Callable[[Sequence[Any]], Sequence[tf.Tensor]]
"""Of gradients, each a tensor or `tf.IndexedSlices`, the means over all devices: dense, of the same shapes."""


_average: ContextVar[Average | None] = ContextVar("gradients_are_averaged_by", default=None)
_tracing: ContextVar[bool] = ContextVar("optimizers_are_traced", default=False)


@contextlib.contextmanager
def averaging(average: Average) -> Iterator[None]:
    """Inside, the model functions that are traced have their gradients averaged before they are applied."""
    token = _average.set(average)
    try:
        yield
    finally:
        _average.reset(token)


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """Inside, optimizers are those of a model function."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


@contextlib.contextmanager
def _applying() -> Iterator[Average | None]:
    """Inside, optimizers that the one at work hands its gradients to find them averaged, and only apply them."""
    average, token = _average.get(), _tracing.set(False)
    try:
        yield average
    finally:
        _tracing.reset(token)


def _averaged(gradients: Iterable[Any], average: Average | None) -> list[Any]:
    """The gradients, averaged where they are to be; None stays in its place."""
    listed = list(gradients)
    if average is None:
        return listed
    # All at once, so that they cost one message.
    means = iter(average([gradient for gradient in listed if gradient is not None]))
    return [None if gradient is None else next(means) for gradient in listed]


def _returning_its_writes(apply: Callable[..., None]) -> Callable[..., Any]:
    """A Keras optimizer's `apply` that returns its count of iterations, for which every variable is written first."""

    @functools.wraps(apply)
    def asking(self: keras.optimizers.Optimizer, grads: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        if not _tracing.get():
            return apply(self, grads, *args, **kwargs)
        revive(self)
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        with _applying() as average:
            # An optimizer may hand its gradients to another one, as LossScaleOptimizer does: that is one application.
            apply(self, _averaged(grads, average), *args, **kwargs)
        # Keras runs eagerly or in a tf.function, where every write runs; here one that nothing waits for is cut away.
        writes = [op for op in graph.get_operations()[before:] if accessed(op)[1]]
        with tf.control_dependencies(writes):
            return tf.identity(tf.convert_to_tensor(self.iterations), name="train_op")

    return asking


def _applied(apply_gradients: Callable[..., Any]) -> Callable[..., Any]:
    """A Keras optimizer's `apply_gradients` that returns what `apply` does."""

    @functools.wraps(apply_gradients)
    def asking(self: keras.optimizers.Optimizer, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        if not _tracing.get():
            return apply_gradients(self, grads_and_vars)
        gradients, variables = zip(*grads_and_vars, strict=True)
        return self.apply(list(gradients), list(variables))

    return asking


def _value(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _v1_apply(apply_gradients: Callable[..., Any]) -> Callable[..., Any]:
    """An optimizer of `tf.compat.v1` that takes Keras's variables too, and means over devices."""

    @functools.wraps(apply_gradients)
    def asking(
        self: tf.compat.v1.train.Optimizer, grads_and_vars: Iterable[tuple[Any, Any]], *args: Any, **kwargs: Any
    ) -> Any:
        if not _tracing.get():
            return apply_gradients(self, grads_and_vars, *args, **kwargs)
        # A Keras variable is no variable to them, but has one.
        pairs = [(gradient, _value(variable)) for gradient, variable in grads_and_vars]
        with _applying() as average:
            means = _averaged([gradient for gradient, _ in pairs], average)
            paired = [(mean, variable) for mean, (_, variable) in zip(means, pairs, strict=True)]
            return apply_gradients(self, paired, *args, **kwargs)

    return asking


def _v1_compute(compute_gradients: Callable[..., Any]) -> Callable[..., Any]:
    """An optimizer of `tf.compat.v1` that computes gradients of Keras's variables too, and without gates.

    A gate (`GATE_OP`, which optimizers ask for unless they are told otherwise) has all gradients of an op wait for each
    other, lest a variable be updated that one of them still reads by reference. Variables of a model function are read
    by value, so it changes no number; and of the ops of a small model's step a quarter would be gates.
    """
    optimizer = tf.compat.v1.train.Optimizer

    @functools.wraps(compute_gradients)
    def asking(
        self: tf.compat.v1.train.Optimizer,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = optimizer.GATE_OP,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if _tracing.get():
            var_list = None if var_list is None else tf.nest.map_structure(_value, var_list)
            gate_gradients = optimizer.GATE_NONE if gate_gradients == optimizer.GATE_OP else gate_gradients
        return compute_gradients(self, loss, var_list, gate_gradients, *args, **kwargs)

    return asking


def _install() -> None:
    # Subclasses that override one of these reach it by super().
    v1, of_keras = tf.compat.v1.train.Optimizer, keras.optimizers.Optimizer
    v1.apply_gradients, v1.compute_gradients = _v1_apply(v1.apply_gradients), _v1_compute(v1.compute_gradients)
    of_keras.apply_gradients = _applied(of_keras.apply_gradients)
    for kind in (of_keras, keras.optimizers.LossScaleOptimizer):
        kind.apply = _returning_its_writes(kind.apply)


_install()
