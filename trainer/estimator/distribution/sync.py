"""Steps of several devices in step, of one process or of several: each computes on batches of its own.

What optimizers apply is averaged over the devices, weighted by the examples that each had, inside the graph of the
model function; so any optimizer, of Keras or of `tf.compat.v1`, makes the same update everywhere, and the copies of the
variables stay equal without being sent. Every device has a trace of the model function and a program of its own, which
a thread of its own runs: TensorFlow would run two loops with exchanges in one program one after the other, and wait.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from trainer.estimator.distribution.collectives import Group, Participant, PeerLostError
from trainer.estimator.distribution.device_batches import DeviceBatches
from trainer.estimator.graph.variables import Role
from trainer.estimator.steps.batches import Stack, StackedBatches
from trainer.estimator.steps.steps import (
    CallResult,
    OwnSteps,
    TraceModel,
    fetches_of,
    stack_loop,
    static_spec,
    step_function,
)


@contextlib.contextmanager
def averaged_gradients(participant: Participant, examples: int) -> Iterator[None]:
    """Inside, optimizers average gradients over the group before they apply them.

    Args:
      participant: the device of the group that the optimizer's graph is for.
      examples: in a batch of this device.
    """
    optimizer, keras_optimizer = tf.compat.v1.train.Optimizer, keras.optimizers.Optimizer
    apply_v1, apply_keras = optimizer.apply_gradients, keras_optimizer.apply

    def averaged_v1(self: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        averaged = _averaged(participant, [gradient for gradient, _ in pairs], examples)
        return apply_v1(self, [(g, v) for g, (_, v) in zip(averaged, pairs, strict=True)], *args, **kwargs)

    def averaged_keras(self: Any, grads: Any, *args: Any, **kwargs: Any) -> Any:
        known = [gradient for gradient in grads if gradient is not None]
        averaged = iter(_averaged(participant, known, examples))
        return apply_keras(self, [None if g is None else next(averaged) for g in grads], *args, **kwargs)

    optimizer.apply_gradients, keras_optimizer.apply = averaged_v1, averaged_keras
    try:
        yield
    finally:
        optimizer.apply_gradients, keras_optimizer.apply = apply_v1, apply_keras


def _averaged(participant: Participant, gradients: Sequence[Any], examples: int) -> list[tf.Tensor]:
    """Means over the group, weighted by examples: one collective for all of them."""
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    weight = tf.constant(examples, tf.float32)
    parts = [tf.reshape(tf.cast(gradient, tf.float32), [-1]) * weight for gradient in dense]
    total = participant.sum(tf.concat([*parts, weight[None]], 0))
    sizes = [gradient.shape.num_elements() for gradient in dense]
    means = tf.split(total[:-1] / total[-1], sizes)
    return [
        tf.cast(tf.reshape(mean, gradient.shape), gradient.dtype) for mean, gradient in zip(means, dense, strict=True)
    ]


def seed_of(seed: int | None, device: int) -> int | None:
    """The seed of a device's random ops: devices that dropped the same units would learn less from one step.

    Args:
      seed: of the run.
      device: its number in the whole job; the first one has the seed of the run.
    """
    return seed if seed is None or not device else zlib.crc32(f"{seed}/device {device}".encode())


class SyncSteps(OwnSteps):
    """Steps over this process's share of the data, on its devices, in step with the other processes of the group.

    Args:
      group: the devices.
      batches: of this process; a step takes one for each device.
      element_spec: of a batch.
      traces: trace the model function with the variables of each device.
    """

    def __init__(self, group: Group, batches: StackedBatches, element_spec: Any, traces: Sequence[TraceModel]) -> None:
        self._group, self.batches, self._spec, self._traces = group, batches, element_spec, traces
        self._device_batches = DeviceBatches(batches, len(group.participants))
        self._threads = concurrent.futures.ThreadPoolExecutor(len(traces), thread_name_prefix="device")
        self.how = f"a graph loop {_where(len(traces), group.size)}"
        self._build()

    def _build(self) -> None:
        """Makes the programs for the size that batches have now."""
        self._batch_sizes, group = self._device_batches.batch_sizes, self._group
        self._examples = (self._batch_sizes or [1])[0] or 1
        spec = static_spec(self._spec, self._batch_sizes)
        self._copies = [
            _Copy(participant, trace, spec, self._examples, group.host)
            for participant, trace in zip(group.participants, self._traces, strict=True)
        ]
        self.traced = self._copies[0].traced

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        """The steps that every process can make in the next call, and the highest stop code of them all."""
        ahead = self._device_batches.peek()
        with peers_needed():
            said = self._group.gather([min(steps_until_due, 0 if ahead is None else len(ahead[1])), stop_code])
        return int(said[:, 0].min()), int(said[:, 1].max())

    def run(self, num_steps: int) -> CallResult:
        ahead = self._device_batches.peek() if num_steps else None
        if ahead is None:
            return CallResult(np.zeros([0], np.float32), {}, True)
        if self._batch_sizes != self._device_batches.batch_sizes:
            self._build()
        stack, rows = ahead[0], ahead[1][:num_steps]
        with peers_needed():
            losses, results = self._call(stack, rows)
            weight = float(self._examples * len(self._copies))
            weighted = self._group.gather([weight, *(losses * weight)])
        self._device_batches.take(rows)
        losses = (weighted[:, 1:].sum(0) / weighted[:, 0].sum()).astype(np.float32)
        return CallResult(losses, {key: value.numpy() for key, value in results.items()}, False)

    def _call(self, stack: Stack, rows: np.ndarray) -> tuple[np.ndarray, dict[str, tf.Tensor]]:
        """The losses of this process, float64 [steps], and the fetches of its first device."""
        shares = [tf.constant(rows[:, index]) for index in range(rows.shape[1])]
        calls = [
            functools.partial(copy.run, stack.tensors, share) for copy, share in zip(self._copies, shares, strict=True)
        ]
        made = [calls[0]()] if len(calls) == 1 else _at_once(self._threads, calls)
        losses = np.stack([losses.numpy() for losses, _ in made]).astype(np.float64)
        return losses.mean(axis=0), made[0][1]


def _where(devices: int, processes: int) -> str:
    match devices, processes:
        case 1, _:
            return f"in {processes} processes together"
        case _, 1:
            return f"on {devices} devices together"
        case _:
            return f"on {devices} devices of each of {processes} processes together"


class _Copy:
    """A device's copy of the model, and the program of its steps.

    Args:
      participant: the device.
      trace_model: traces the model function with the variables of this device.
      spec: of a batch, with its size.
      examples: in a batch.
      host: the device that holds the stacks of batches.
    """

    def __init__(self, participant: Participant, trace_model: TraceModel, spec: Any, examples: int, host: str) -> None:
        self._participant, self._host = participant, host
        with averaged_gradients(participant, examples):
            self.traced = trace_model(spec, False)
        self._loop = stack_loop(step_function(self.traced), fetches_of(self.traced))
        stack = [tf.TensorSpec([None, *part.shape], part.dtype) for part in tf.nest.flatten(spec)]
        self._program = tf.function(self._steps, autograph=False).get_concrete_function(
            stack, tf.TensorSpec([None], tf.int32)
        )

    def run(self, tensors: list[tf.Tensor], rows: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Makes a step on each of the rows of a stack; gives their losses and the fetches of the last."""
        with tf.device(self._participant.device):
            return self._program(tensors, rows)

    def _steps(self, tensors: list[tf.Tensor], rows: tf.Tensor) -> Any:
        with tf.device(self._host):
            share = [tf.gather(tensor, rows) for tensor in tensors]
        made = self._loop(share, tf.constant(0), tf.size(rows))
        self._settle_state()
        return made

    def _settle_state(self) -> None:
        """Sets moving averages to their means over all devices, each of which has seen other examples.

        They are linear in what they average, so once a call does what once a step would.
        """
        store = self.traced.store
        moving = [v for _, v in sorted(store.named(Role.STATE).items()) if v.dtype.is_floating]
        for variable, mean in zip(moving, _averaged(self._participant, moving, 1), strict=True) if moving else ():
            variable.assign(mean)


def _at_once(threads: concurrent.futures.Executor, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls give, each in a thread; when one fails, the others, which wait for it, are ended."""
    running = [threads.submit(call) for call in calls]
    done, waiting = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_EXCEPTION)
    failed = next((call for call in done if call.exception()), None)
    if failed is not None and waiting:
        context.context().abort_collective_ops(tf.errors.ABORTED, "another device failed")
        concurrent.futures.wait(waiting)
    return [call.result() for call in ([failed] if failed is not None else running)]


@contextlib.contextmanager
def peers_needed() -> Iterator[None]:
    """Turns the loss of another process into a PeerLostError."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        raise PeerLostError(
            f"Another process of the synchronous job is gone ({type(error).__name__})",
            do="Start all of its processes again: they go on from the last checkpoint",
        ) from error
