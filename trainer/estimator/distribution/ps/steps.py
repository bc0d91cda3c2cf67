"""Steps on parameter servers: workers train, asynchronously, on variables that servers have.

The chief schedules calls of many steps on whichever worker is free (`tf.distribute.coordinator.ClusterCoordinator`); a
worker that dies and comes back is given its call again. With `push_every=1` every step pulls the variables from the
servers and pushes its gradient: plain asynchronous SGD (`pull_push`). With `push_every=K` a worker makes K steps on
copies of its own and pushes what the weights have gained (`downpour`).
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.contract.xla_use import XlaUse, asked_for
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.ps import worker_functions
from trainer.estimator.distribution.ps.downpour import downpour
from trainer.estimator.distribution.ps.pull_push import PullPush
from trainer.estimator.distribution.ps.returned import Returned
from trainer.estimator.distribution.ps.servers import Servers
from trainer.estimator.distribution.ps.step_graph import step_graph
from trainer.estimator.distribution.ps.step_partition import partition
from trainer.estimator.distribution.ps.variable_accesses import NotPartitionableError
from trainer.estimator.distribution.ps.worker_data import Data, iterators
from trainer.estimator.distribution.steps_in_hand import BatchInHand
from trainer.estimator.graph import randomness
from trainer.estimator.graph.inside.coordinator import is_done, wait
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.steps.diagnosis.bad_step import BatchNumber
from trainer.estimator.steps.input.stacks import STACK_STEPS, stack_steps
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.steps import CallResult

log = logging.getLogger("trainer")

_STACK_STEPS = 50  # which stand one after the other in the graph of a call
_MOST_OPS = 4000  # in that graph; of 1000, a job begins 7 s sooner, but steps that are no XLA program take a third more
_ROOTS_TO_A_STEP = 4  # of 2,000 small steps, 50 at a time or 2 took the same time, and 10 at a time the least work
_LOOK_SECS, _LAST_SECS = 0.01, 5.0
_MOST_WAIT_SECS = 2.0  # then the loop looks whether it is asked to end: all workers may be gone
_CALLS_AHEAD = 2  # for each worker, so that it need not wait for the chief between two calls
_FROM_SERVER = "GRPC error information from remote target /job:ps"
_FORGOTTEN = "Unable to find the relevant tensor remote_handle"  # by a worker that has been started again


class ServerSteps:
    """Steps that workers make on the parameter servers' variables.

    Args:
      servers: the connection.
      plan: of the training.
      replica: the model function with the servers' variables.

    Attributes:
      spec: of a batch.
    """

    def __init__(self, servers: Servers, plan: TrainingPlan, replica: ModelReplica) -> None:
        self._servers, self._stop_at = servers, plan.stop_at
        push_every, limit = plan.config.push_every, plan.config.steps_per_loop
        xla = asked_for(plan.config.session_config)
        data = Data.of(plan.dataset(tf.distribute.InputContext(servers.num_workers, 0, servers.num_workers)))
        spec = data.spec
        most, self._paced = limit or STACK_STEPS, limit is None  # a number that is asked for is kept
        if push_every > 1:
            self.traced, self._stack_steps = replica.trace(spec, xla=True), push_every
            if self.traced.store.row_sharded():  # of which only some are fetched, so that XLA knows no sizes
                self.traced = replica.trace(spec, xla=False)
            stacks = stacks_of(most, push_every)
            call = downpour(self.traced, push_every, stacks, xla=xla is not XlaUse.NEVER)
        else:
            self.traced, self._stack_steps, call = _direct(replica, spec, most, xla, plan.length)
        self._most_stacks = stacks_of(most, self._stack_steps)
        self._iterators = iterators(servers, plan, data, self._stack_steps)
        self._returned = Returned(tuple(tf.TensorSpec(part.shape[1:], part.dtype) for part in data.stacked))
        self._call = tf.function(lambda iterator, wanted: self._returned.pack(*call(iterator, wanted)), autograph=False)
        self.how = "workers on parameter servers" + (f", pushing every {push_every} steps" if push_every > 1 else "")
        self.spec, self._in_hand = spec, list[BatchInHand]()
        self._running: collections.deque[tuple[int, Any]] = collections.deque()
        self._ended = 0
        self._step: int | None = None  # not asked for before a checkpoint has set it

    def global_step(self) -> int:
        """Steps that all workers have made."""
        if self._step is None:
            self._step = int(self.traced.store.global_step.numpy())
        return self._step

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        """The same: the chief decides alone."""
        return steps_until_due, stop_code

    def close(self) -> None:
        """Nothing: the pipelines are the workers'."""

    def position(self) -> dict[str, Any]:
        """Nothing: which worker has seen what is not known when workers do not wait for each other."""
        return {}

    def run(self, num_steps: int) -> CallResult:
        """Keeps the workers busy, and returns those losses that have come, none while all are gone."""
        try:
            self._schedule(num_steps)
            ended = not self._running
            losses = self._collect(time.monotonic() + _MOST_WAIT_SECS)
            self._step = int(self.traced.store.global_step.numpy())
            if self._stop_at is not None and self._step >= self._stop_at:
                losses += self._collect_last()
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise PeerLostError(
                "A parameter server is gone", do="Start the job again: it resumes from the last checkpoint"
            ) from error
        return CallResult(np.concatenate(losses) if losses else np.zeros([0], np.float32), {}, ended)

    def _keep(self, batches: Sequence[np.ndarray]) -> None:
        """Keeps what a call returned of the batches at its first NaN, each [0 to 2, …]."""
        *parts, numbers = batches
        for row in reversed(range(len(numbers))):
            pipeline, index = numbers[row].tolist()
            number = BatchNumber(index, pipeline, self._servers.num_workers)
            batch = [part[row] for part in parts]
            self._in_hand.append(BatchInHand(self.global_step(), batch, number, f"worker {pipeline}"))

    def all_in_hand(self, last: int) -> list[BatchInHand]:
        """Batches on which steps may have broken, those of the running calls too: one of them may have begun it.

        Args:
          last: the global step that is known to be broken.
        """
        self._collect_last()
        return [dataclasses.replace(batch, step=last) for batch in self._in_hand]

    def _schedule(self, num_steps: int) -> None:
        """Gives the workers calls to make, one beside that which each is making.

        Args:
          num_steps: until something is due, of all workers together.
        """
        stacks = max(1, num_steps // (self._stack_steps * self._servers.num_workers))
        most = self._stack_steps * (min(stacks, self._most_stacks) if self._paced else self._most_stacks)
        while len(self._running) < _CALLS_AHEAD * self._servers.num_workers and not self._data_ended():
            ahead = sum(count for count, _ in self._running)
            left = most if self._stop_at is None else self._stop_at - self.global_step() - ahead
            if left <= 0:
                return
            count = min(left, most)
            called = self._servers.coordinator.schedule(self._call, args=(self._iterators, tf.constant(count)))
            self._running.append((count, called))

    def _data_ended(self) -> bool:
        """Whether so many calls in a row came back short that every worker has had one."""
        return self._ended >= _CALLS_AHEAD * self._servers.num_workers

    def _collect_last(self) -> list[np.ndarray]:
        """Losses of calls that have made their steps and not returned yet; a worker that is gone is not waited for."""
        losses, until = [], time.monotonic() + _LAST_SECS
        while self._running and time.monotonic() < until:
            losses += self._collect(until)
        return losses

    def _collect(self, until: float = math.inf) -> list[np.ndarray]:
        """Losses of the calls that are done, waiting for one at least."""
        while self._running and not any(is_done(called) for _, called in self._running) and time.monotonic() < until:
            wait(self._running[0][1], _LOOK_SECS)
            self._servers.coordinator.done()  # raises what a call raised
        done = [entry for entry in self._running if is_done(entry[1])]
        self._running = collections.deque(entry for entry in self._running if not is_done(entry[1]))
        losses = []
        for count, called in done:
            fetched = _fetched(called)
            if fetched is None:
                continue
            steps_made, of_call, batches = self._returned.unpack(fetched)
            self._keep(batches)
            self._ended = self._ended + 1 if steps_made < count else 0
            losses.append(of_call)
        return losses


def stacks_of(most: int, size: int) -> int:
    """How many stacks of a size a call of so many steps may take: one at least."""
    return max(1, most // size)


def unrolled_steps(size: int, length: int | None) -> int:
    """How many steps stand one after the other in the graph of a call, at the most.

    In a training of some hundred steps, a step costs more to be built into the graph than all turns of the loop that it
    saves. Both costs together are least near the square root of the number of steps.

    Args:
      size: ops of a step.
      length: how many steps were asked for; None where no number was given.
    """
    by_length = _STACK_STEPS if length is None else math.isqrt(length) // _ROOTS_TO_A_STEP + 1
    return max(1, min(by_length, _MOST_OPS // size))


def _direct(
    replica: ModelReplica, spec: Any, most: int, xla: XlaUse, length: int | None = None
) -> tuple[TracedModel, int, worker_functions.Call]:
    """Steps that read and write the servers' variables: the traced model, the steps of a stack, and the call.

    Args:
      replica: the model function with the servers' variables.
      spec: of a batch.
      most: the most steps of a call.
      xla: whether XLA may compile what the workers compute.
      length: how many steps were asked for; None where no number was given.
    """
    batches = min(stack_steps(spec, most), _STACK_STEPS)
    traced = replica.trace(spec, xla=True)
    step, run = step_graph(traced), uuid.uuid4().hex
    try:
        step_partition = partition(step, lambda name: step.variables[name].device)
    except NotPartitionableError as why:
        log.info("Each read and write of a variable crosses the network by itself, because %s.", why)
        traced = replica.trace(spec, xla=False)
        return traced, batches, worker_functions.op_by_op(traced, batches, stacks_of(most, batches))
    # XLA has random numbers of its own, which would not follow the seeds of ops that keep their state in a kernel.
    seeded = traced.store.seed is not None and randomness.hides_state(traced.graph)
    compiled = xla is not XlaUse.NEVER and not seeded
    steps = PullPush(step_partition, lambda variable: worker_functions.own(run, variable), xla=compiled)
    unrolled = min(batches, unrolled_steps(steps.size, length))
    size = batches // unrolled * unrolled
    if refused := steps.refused_by_xla(size) if compiled else None:
        log.info("XLA cannot compile this model function, so workers compute its steps op by op: %s", refused)
        steps = PullPush(step_partition, lambda variable: worker_functions.own(run, variable), xla=False)
    return traced, size, worker_functions.pull_push(steps, size, unrolled, stacks_of(most, size))


def _fetched(called: Any) -> Any:
    """What a call that is done has returned; None if its worker is gone with it, the steps being on the servers."""
    try:
        return called.fetch()
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InvalidArgumentError) as error:
        forgotten = not isinstance(error, tf.errors.InvalidArgumentError) or _FORGOTTEN in str(error)
        if forgotten and _FROM_SERVER not in str(error):
            return None
        raise
