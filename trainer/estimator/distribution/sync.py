"""Synchronous data parallelism: devices of one process or of several, each with a replica of the model.

Gradients are averaged over the devices inside the graph of the model function, before an optimizer applies them. So any
optimizer, of Keras or of `tf.compat.v1`, makes the same update on every device, and the replicas' variables stay equal
without being sent.

An example: the weights w [3] and b [] on two devices of one process, two steps in a call, batches of 4 examples. A
stack of four batches lies on the host; device A gathers the batches 0 and 2 from it, B 1 and 3. The first step is:

                      device A                               device B
    computes          gradients of batch 0:                  gradients of batch 1:
                      dw_A [3], db_A []                      dw_B [3], db_B []
    gives             [4 dw_A, 4 db_A, 4]    float32 [5]     [4 dw_B, 4 db_B, 4]    float32 [5]
    receives          the sum of the two vectors: [4 dw_A + 4 dw_B, 4 db_A + 4 db_B, 8]
    applies           dw = (4 dw_A + 4 dw_B) / 8, db = (4 db_A + 4 db_B) / 8
                      w -= rate * dw, b -= rate * db         the same

That vector is all that crosses in a step: the weighted gradients of all weights, flat one after the other, and the
number of examples. At the end of the call the moving averages of Keras layers are averaged in the same way, and the
losses, float32 [2] from each device, on the host.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.contract.xla_use import XlaUse
from trainer.estimator.distribution.collectives import Group, PeerLostError
from trainer.estimator.distribution.device_batches import DeviceBatches
from trainer.estimator.distribution.replica import Replica
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.distribution.steps_in_hand import BatchInHand
from trainer.estimator.graph.inside import collectives
from trainer.estimator.graph.inside.modes import eagerly
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.diagnosis.bad_step import BatchNumber
from trainer.estimator.steps.inner.stacked_steps import static_spec
from trainer.estimator.steps.input import input_position
from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.stacks import Stack
from trainer.estimator.steps.steps import CallResult, OwnSteps


def seed_of(seed: int | None, device: int) -> int | None:
    """The seed of a device's random ops: devices that dropped the same units would learn less from one step.

    Args:
      seed: of the run.
      device: its number in the whole job; the first one has the seed of the run.
    """
    return seed if seed is None or not device else zlib.crc32(f"{seed}/device {device}".encode())


_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_ABORTED = "Collective ops is aborted"
"""Of another error: a process that was stopped for a while finds the others in a group without it, and one whose chief
was started again before anything was sent to the one before hears that it is not registered."""


class SyncSteps(OwnSteps):
    """Steps on the devices of this process, in step with those of the other processes of the group.

    Args:
      group: the devices.
      batches: this process's part of the data; a step takes one batch for each device.
      models: for each device, the model function with the variables of that device.
      memory: of the last step.
      xla: when XLA makes the steps of a process that has one device.
    """

    def __init__(
        self,
        group: Group,
        batches: StackedBatches,
        models: Sequence[ModelReplica],
        memory: StepMemory,
        xla: XlaUse = XlaUse.NEVER,
    ) -> None:
        super().__init__(batches)
        self._memory, self._xla = memory, xla
        self._group, self._spec, self._models = group, batches.element_spec, models
        self._device_batches = DeviceBatches(batches, len(group.participants))
        self._threads = concurrent.futures.ThreadPoolExecutor(len(models), thread_name_prefix="device")
        self.how = f"a graph loop {_where(len(models), group.size)}"
        self._last: tuple[Stack, np.ndarray, int] | None = None
        self._consumed: list[int] = []  # batches, by every process
        self._build()

    def _build(self) -> None:
        """Makes a program for each device, for batches of the size that they have now."""
        self._batch_sizes, group = self._device_batches.batch_sizes, self._group
        self._examples = (self._batch_sizes or [1])[0] or 1  # data without any batch, and batches of scalars: one
        spec = self.spec
        self._replicas = [
            Replica(participant, model, spec, self._examples, group.host)
            for participant, model in zip(group.participants, self._models, strict=True)
        ]
        self.traced = self._replicas[0].traced
        self._compiled_from = self._replicas[0].compiled_from(self._xla) if len(self._replicas) == 1 else sys.maxsize

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        """The steps that every process can make in the next call, and the highest stop code of them all."""
        next_batches = self._device_batches.peek()
        if (as_graph := self._compiled_from - self.global_step()) > 0:
            steps_until_due = min(steps_until_due, as_graph)
        num_ready = 0 if next_batches is None else len(next_batches[1])
        with self._peers_needed():
            votes = self._group.gather(
                [min(steps_until_due, num_ready), stop_code, self._memory.is_due, self.batches.consumed]
            )
        self._consumed = votes[:, 3].astype(int).tolist()
        if votes[:, 2].any():  # all of them keep the same step
            store = self.traced.store
            self._memory.keep(self.global_step(), store.saved(), self.position(), self._group.host)
        # A process whose data have ended votes for 0 steps, and so ends the training of all: the others would wait for
        # it in the first sum of the next step.
        return int(votes[:, 0].min()), int(votes[:, 1].max())

    def position(self) -> dict[str, Any]:
        """As of `Steps`; with it the batches that every process has used of its part of the data."""
        position = super().position()
        if self._consumed and self._group.size > 1:
            part = input_position.Part(self._group.index, self._group.size)
            position |= input_position.of_part(part, self._consumed)
        return position

    def run(self, num_steps: int) -> CallResult:
        """As of `Steps`; every process of the group is given the same number of steps.

        The losses are means over all examples of a step, whichever process had them; what is fetched is that of the
        first device of this process.
        """
        next_batches = self._device_batches.peek() if num_steps else None
        if next_batches is None:
            return CallResult(np.zeros([0], np.float32), {}, True)
        if self._batch_sizes != self._device_batches.batch_sizes:
            self._build()
        stack, rows = next_batches[0], next_batches[1][:num_steps]
        self._last = stack, rows, self.batches.consumed - stack.start
        with self._peers_needed():
            losses, results = self._call(stack, rows)
            self._device_batches.take(rows)
            # Processes may have batches of different sizes, so their means do not count alike.
            weight = float(self._examples * len(self._replicas))
            gathered = self._group.gather([weight, self.batches.consumed, *(losses * weight)])
        self._consumed = gathered[:, 1].astype(int).tolist()
        losses = (gathered[:, 2:].sum(0) / gathered[:, 0].sum()).astype(np.float32)
        return CallResult(losses, {key: value.numpy() for key, value in results.items()}, False)

    @contextlib.contextmanager
    def _peers_needed(self) -> Iterator[None]:
        """As `peers_needed`; the last step in memory is handed over."""
        try:
            with peers_needed():
                yield
        except PeerLostError as error:
            error.kept = self._memory.hand_over()
            raise

    def in_hand(self, last: int) -> Iterator[BatchInHand]:
        """The batches of this process in a step of the last call, and in the step before it.

        Args:
          last: the global step.
        """
        assert self._last is not None  # there was a call
        stack, rows, first = self._last
        made, group = last - (self.global_step() - len(rows)), self._group
        for row in range(made - 1, max(made - 3, -1), -1):
            for device, place in enumerate(rows[row].tolist()):
                parts = [part[place] for part in stack.tensors]
                of_device = f"device {device}" if len(self._models) > 1 else ""
                who = " of ".join(filter(None, [of_device, f"process {group.index}" if group.size > 1 else ""]))
                number = BatchNumber(first + place, group.index, group.size)
                yield BatchInHand(last - (made - 1 - row), parts, number, who)

    @property
    def spec(self) -> Any:
        """Of a batch, with its size."""
        return static_spec(self._spec, self._batch_sizes)

    def _call(self, stack: Stack, rows: np.ndarray) -> tuple[np.ndarray, dict[str, tf.Tensor]]:
        """Makes the steps on the devices of this process.

        Args:
          stack: of batches.
          rows: int32 [steps, devices], the batch in the stack for each step and device.

        Returns:
          The means of the devices' losses, float64 [steps], and the fetches of the first device, of any shapes.
        """
        compiled = self.global_step() >= self._compiled_from
        calls = [
            functools.partial(replica.run, stack.tensors, tf.constant(rows[:, number]), compiled=compiled)
            for number, replica in enumerate(self._replicas)
        ]
        # One program with a loop for each device would hang: TensorFlow starts such loops one after the other, and the
        # first one waits for the sums of the second. So each device has a program, and a thread that runs it.
        results = [calls[0]()] if len(calls) == 1 else _at_once(self._threads, calls)
        losses = np.stack([losses.numpy() for losses, _ in results]).astype(np.float64)
        return losses.mean(axis=0), results[0][1]


def _where(devices: int, processes: int) -> str:
    match devices, processes:
        case 1, _:
            return f"in {processes} processes together"
        case _, 1:
            return f"on {devices} devices together"
        case _:
            return f"on {devices} devices of each of {processes} processes together"


def _at_once(threads: concurrent.futures.Executor, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls that each run in a thread.

    Raises:
      Exception: of the call that failed first; the other calls are aborted.
    """
    running = [threads.submit(eagerly(call)) for call in calls]
    done, waiting = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_EXCEPTION)
    failed = next((call for call in done if call.exception()), None)
    if failed is not None and waiting:
        # They wait for ever for a sum with the device that failed.
        collectives.abort("another device failed")
        concurrent.futures.wait(waiting)
    return [call.result() for call in ([failed] if failed is not None else running)]


@contextlib.contextmanager
def peers_needed() -> Iterator[None]:
    """Within it, the errors of TensorFlow that tell of a lost process are raised as a PeerLostError."""
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(error, _LOST) and _ABORTED not in str(error):
            raise
        raise PeerLostError(
            f"Another process of the synchronous job is gone ({type(error).__name__})",
            do="Start all processes again: they resume from the last checkpoint",
        ) from error
