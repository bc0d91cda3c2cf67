"""Steps on parameter servers: workers train, asynchronously, on variables that servers hold.

The chief schedules calls of many steps on whichever worker is free (`tf.distribute.coordinator.ClusterCoordinator`);
a worker that dies and comes
back is given its call again. With `push_every=1` every step reads the variables from the servers and applies its
gradient there: plain
asynchronous SGD. With `push_every=K` it is Downpour SGD (Dean et al., Large Scale Distributed Deep Networks, NIPS
2012, n_fetch = n_push = K): a worker fetches
the variables, makes K steps on copies of its own in one XLA program, and adds what the weights have gained to those
of the servers, each
variable atomically, whatever the optimizer. An optimizer's own state (momentum, Adam's moments) and moving averages
cannot be added up: each worker
keeps its own between pushes, the servers hold that of the last push, and a new worker starts from it.
"""

from __future__ import annotations

import collections
import logging
import math
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.ps import worker_functions
from trainer.estimator.distribution.ps.pull_push import PullPush
from trainer.estimator.distribution.ps.step_graph import step_graph
from trainer.estimator.distribution.ps.step_partition import NotPartitionableError, partition
from trainer.estimator.distribution.server import MEET_SECS
from trainer.estimator.graph import randomness
from trainer.estimator.graph.inside.coordinator import is_done, resources_of_workers, take_partitioner, wait
from trainer.estimator.graph.row_sharding import Placement
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.steps.stacks import stack_steps, stackable
from trainer.estimator.steps.steps import CallResult, TraceModel
from trainer.job import hosts
from trainer.job.cluster import Cluster

log = logging.getLogger("trainer")

_CALL_STEPS = 50
_MOST_OPS = 4000
_LOOK_SECS, _LAST_SECS = 0.01, 5.0
_CALLS_AHEAD = 2
_WORKER_FAILED = re.compile(r"worker \S*/task:(\d+)\S* failed with", re.IGNORECASE)
_RAISED_TOO = re.compile(r"^Start cancelling closures due to error| encountered the following error when processing ")
_FROM_SERVER = "GRPC error information from remote target /job:ps"
_FORGOTTEN = "Unable to find the relevant tensor remote_handle"  # by a worker that has been started again
_SILENT_SECS = 10.0
DatasetFn = Callable[[tf.distribute.InputContext], tf.data.Dataset]


class Servers:
    """The connection of a chief to its parameter servers and workers.

    Args:
      cluster: with ps and workers; building it waits for all of them, for ten minutes at most.
      strategy: a ParameterServerStrategy that a person made for them; None makes one.
    """

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy | None = None) -> None:
        wait_for([*cluster.jobs["ps"].values(), *cluster.jobs["worker"].values()])
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster.cluster_spec), task_type="chief", task_id=0, rpc_layer="grpc"
        )
        self.strategy = strategy or tf.distribute.ParameterServerStrategy(resolver)
        self.placement = _placement(self.strategy, len(cluster.jobs["ps"]))
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)
        tf.get_logger().addFilter(LostWorkers())
        self.num_workers = len(cluster.jobs["worker"])
        self._watch = _Watch(list(cluster.jobs["ps"].values()))
        self._watch.start()


def _placement(strategy: tf.distribute.Strategy, servers: int) -> Placement:
    """Where variables that are held by rows go; the strategy's own partitioner decides for us, not for itself."""
    devices = tuple(f"/job:ps/replica:0/task:{index}/device:CPU:0" for index in range(servers))
    return Placement(devices=devices, partitioner=take_partitioner(strategy))


def wait_for(addresses: Sequence[str], secs: float = MEET_SECS, wait: Callable[[float], None] = time.sleep) -> None:
    """Waits until somebody listens at every address: TensorFlow would wait for ever, and say nothing.

    Raises:
      PeerLostError: somebody has not come in time.
    """
    waited = 0.0
    while True:
        missing = [reached.address for reached in hosts.ask(addresses) if reached.answer is not hosts.Answer.LISTENS]
        if not missing:
            return
        if waited >= secs:
            raise PeerLostError(
                f"Nobody has come to {', '.join(missing)} in {secs:g} s",
                "a job whose parameter servers and workers have all started",
                "Look why they did not start, and start the job again",
            )
        if waited % 10 == 0:
            log.info("Waiting for %s.", ", ".join(missing))
        wait(1.0)
        waited += 1.0


class LostWorkers(logging.Filter):
    """Says what TensorFlow's coordinator says of a worker that is gone in one line, and once in some seconds.

    What it says of errors that it raises as well is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        found = _WORKER_FAILED.search(said)
        if not found:
            return not _RAISED_TOO.search(said)
        last, self._said[found[1]] = self._said.get(found[1], -_SILENT_SECS), record.created
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg = f"Worker {found[1]} does not answer. Others make its steps, and it trains again when it is back."
        record.args = ()
        return record.created - last >= _SILENT_SECS


class _Watch(threading.Thread):
    """Ends the process when a parameter server is gone: TensorFlow may wait for one for ever."""

    def __init__(
        self, addresses: Sequence[str], every_secs: float = 1.0, misses: int = 3, grace_secs: float = 4.0
    ) -> None:
        super().__init__(name="parameter server watch", daemon=True)
        self._addresses, self._every, self._misses, self._grace = addresses, every_secs, misses, grace_secs

    def run(self) -> None:
        missed = dict.fromkeys(self._addresses, 0)
        while max(missed.values()) < self._misses:
            time.sleep(self._every)
            for reached in hosts.ask(self._addresses):
                missed[reached.address] = 0 if reached.answer is hosts.Answer.LISTENS else missed[reached.address] + 1
        time.sleep(self._grace)  # the ordinary way out comes first, if it is open
        gone = ", ".join(address for address, count in missed.items() if count)
        print(
            f"The parameter server at {gone} is gone. Start the job again: it goes on from the last checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(PeerLostError.exit_code)


class ServerSteps:
    """Steps that workers make on the parameter servers' variables.

    Args:
      servers: the connection.
      dataset_fn: makes a worker's share of the data, from its input context.
      trace_model: traces the model function.
      push_every: steps between exchanges with the servers.
      limit: the most steps in a call; None chooses.
      stop_at: the global step to end at; None for the end of the data.
    """

    def __init__(
        self,
        servers: Servers,
        dataset_fn: DatasetFn,
        trace_model: TraceModel,
        push_every: int,
        limit: int | None,
        stop_at: int | None,
    ) -> None:
        self._servers, self._stop_at = servers, stop_at
        first = dataset_fn(tf.distribute.InputContext(servers.num_workers, 0, servers.num_workers))
        spec = _static_spec(first)
        most = stack_steps(spec, limit)
        if push_every > 1:
            self.traced, self._call_steps = trace_model(spec, True), push_every
            if self.traced.store.by_rows():  # of which only some are fetched, so that XLA knows no sizes
                self.traced = trace_model(spec, False)
            call = worker_functions.downpour(self.traced, push_every)
        else:
            self.traced, self._call_steps, call = _direct(trace_model, spec, min(limit or _CALL_STEPS, most))
        self._iterators = _iterators(servers, dataset_fn, spec, self._call_steps)
        self._call = tf.function(call, autograph=False)
        self.how = "workers on parameter servers" + (f", exchanging every {push_every} steps" if push_every > 1 else "")
        self._running: collections.deque[tuple[int, Any]] = collections.deque()
        self._ended = 0
        self._step: int | None = None  # not asked for before a checkpoint has set it

    def global_step(self) -> int:
        if self._step is None:
            self._step = int(self.traced.store.global_step.numpy())
        return self._step

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        return steps_until_due, stop_code

    def close(self) -> None:
        """Nothing: the pipelines are the workers'."""

    def position(self) -> dict[str, Any]:
        """Nothing: which worker has seen what is not known when workers do not wait for each other."""
        return {}

    def run(self, num_steps: int) -> CallResult:
        """Keeps the workers busy, and returns the losses of the calls that have ended."""
        try:
            self._schedule()
            ended = not self._running
            losses = self._collect()
            self._step = int(self.traced.store.global_step.numpy())
            if self._stop_at is not None and self._step >= self._stop_at:
                losses += self._collect_last()
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise PeerLostError(
                "A parameter server is gone", do="Start the job again: it goes on from the last checkpoint"
            ) from error
        return CallResult(np.concatenate(losses) if losses else np.zeros([0], np.float32), {}, ended)

    def _schedule(self) -> None:
        while len(self._running) < _CALLS_AHEAD * self._servers.num_workers and not self._data_ended():
            ahead = sum(count for count, _ in self._running)
            left = self._call_steps if self._stop_at is None else self._stop_at - self.global_step() - ahead
            if left <= 0:
                return
            count = min(left, self._call_steps)
            called = self._servers.coordinator.schedule(self._call, args=(self._iterators, tf.constant(count)))
            self._running.append((count, called))

    def _data_ended(self) -> bool:
        return self._ended >= _CALLS_AHEAD * self._servers.num_workers

    def _collect_last(self) -> list[np.ndarray]:
        """Losses of calls that have made their steps and not said so yet; a worker that is gone is not waited for."""
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
            made, values = fetched
            self._ended = self._ended + 1 if made < count else 0
            losses.append(values[:made])
        return losses


def _direct(trace_model: TraceModel, spec: Any, most: int) -> tuple[TracedModel, int, worker_functions.Call]:
    """Steps that read and write the servers' variables: the traced model, the steps of a call, and the call."""
    traced = trace_model(spec, True)
    step, run = step_graph(traced), uuid.uuid4().hex
    try:
        parts = partition(step, lambda name: step.variables[name].device)
    except NotPartitionableError as why:
        log.info("Each read and write of a variable crosses the network by itself, because %s.", why)
        traced = trace_model(spec, False)
        return traced, most, worker_functions.op_by_op(traced, most)
    seeded = traced.store.seed is not None and randomness.hides_state(traced.graph)
    exchange = PullPush(parts, lambda variable: worker_functions.own(run, variable), xla=not seeded)
    unrolled = max(1, min(most, _CALL_STEPS, _MOST_OPS // exchange.size))
    size = most // unrolled * unrolled
    if refused := None if seeded else exchange.refused_by_xla(size):
        log.info("XLA cannot compile this model function, so workers compute its steps op by op: %s", refused)
        exchange = PullPush(parts, lambda variable: worker_functions.own(run, variable), xla=False)
    return traced, size, worker_functions.exchanging(exchange, size, unrolled)


def _fetched(called: Any) -> Any:
    """What a call that is done has returned; None if its worker is gone with it, the steps being on the servers."""
    try:
        return called.fetch()
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InvalidArgumentError) as error:
        forgotten = not isinstance(error, tf.errors.InvalidArgumentError) or _FORGOTTEN in str(error)
        if forgotten and _FROM_SERVER not in str(error):
            return None
        raise


def _static_spec(dataset: tf.data.Dataset) -> Any:
    """The element spec with the batch size of the first batch.

    Raises:
      ValueError: batches that cannot be stacked, or none at all.
    """
    spec = dataset.element_spec
    if not stackable(spec):
        raise ValueError(
            f"The input function gives {spec}. Parameter-server training takes dense batches of known shapes"
        )
    if all(part.shape.is_fully_defined() for part in tf.nest.flatten(spec)):
        return spec
    for first in dataset.take(1):
        return tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), first)
    raise ValueError("The input function gives no batch. Check its paths and its batch size")


def _iterators(servers: Servers, dataset_fn: DatasetFn, spec: Any, steps: int) -> Any:
    """An iterator over stacks of whole batches on every worker, made again there when the worker comes back."""

    def whole(*parts: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all([tf.shape(p)[0] == s.shape[0] for p, s in zip(parts, tf.nest.flatten(spec), strict=True)])

    def make(index: int) -> Callable[[], Any]:
        def fn() -> Any:
            dataset = dataset_fn(tf.distribute.InputContext(servers.num_workers, index, servers.num_workers))
            flat = dataset.map(lambda *element: tuple(tf.nest.flatten(element)))
            return iter(flat.filter(whole).batch(steps).prefetch(2))

        return fn

    stacked = tuple(tf.TensorSpec([None, *part.shape], part.dtype) for part in tf.nest.flatten(spec))
    makers = [make(index) for index in range(servers.num_workers)]
    return resources_of_workers(servers.coordinator, makers, tf.data.IteratorSpec(stacked))
