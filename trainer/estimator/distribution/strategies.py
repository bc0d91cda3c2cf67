"""How the processes of a job share the work of training: alone, together in step, or on parameter servers."""

from __future__ import annotations

import abc
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.distribution import sync
from trainer.estimator.distribution.collectives import Devices, Group, Processes, own_devices
from trainer.estimator.distribution.ps import steps as ps_steps
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps import steps
from trainer.estimator.steps.batches import StackedBatches
from trainer.estimator.steps.stacks import stack_steps, stackable
from trainer.estimator.steps.steps import Steps, TraceModel
from trainer.job.distribution import Distribution

TraceInto = Callable[[Any, VariableStore, bool], TracedModel]
DatasetFn = Callable[[tf.distribute.InputContext], tf.data.Dataset]


class Strategy(abc.ABC):
    """Where variables live and who makes steps."""

    scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    batches_per_step = 1
    """How many batches of the input function a step of the whole job is on."""
    _store: VariableStore | None = None

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        """Where the variables of a training are.

        Args:
          seed: of their initial values.
          initial_values: by name.
          afresh: whether they start at their initial values; else a checkpoint sets every one of them.
        """
        self._store = VariableStore(seed, initial_values, self.scope, restored=not afresh)
        return self._store

    def _tracing(self, trace: TraceInto) -> TraceModel:
        """Traces with the variables of this training."""
        assert self._store is not None  # asked for before
        return functools.partial(_into, trace, self._store)

    @abc.abstractmethod
    def steps(
        self,
        dataset_fn: DatasetFn,
        trace: TraceInto,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        """What makes the steps.

        Args:
          dataset_fn: makes the share of the data that an input context names.
          trace: traces the model function for an element spec, with the variables of a store, for XLA or not.
          config: of the run.
          position: the checkpoint whose place in the data to go on from; None to start at the first batch.
          stop_at: the global step to end at; None for the end of the data.
        """

    def start(self, step: int) -> int:
        """The global step that training begins at, as the chief sees it, given what this process sees."""
        return step

    def broadcast(self, store: VariableStore) -> None:  # noqa: B027  (there is nothing to give where there is one copy)
        """Sets the variables to the chief's values in every process, and on every device to those of its first."""


class Alone(Strategy):
    """One process, one device. What it compiled for one training serves the next one of the same model.

    Args:
      device: its name; None for TensorFlow's choice.
    """

    def __init__(self, device: str | None = None) -> None:
        self._device, self._compiled = device, steps.Compiled()
        self.scope = functools.partial(tf.device, device)

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        if afresh or self._store is None:
            self._compiled = steps.Compiled()
            return super().store(seed, initial_values, afresh)
        return self._store

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace: TraceInto,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        dataset = dataset_fn(tf.distribute.InputContext())
        limit, save_steps = config.steps_per_loop, config.save_checkpoints_steps
        traced = self._tracing(trace)
        return steps.make(dataset, traced, limit, save_steps, position, self._compiled, self._device, stop_at)


class Synchronous(Strategy):
    """Devices in step, of one process or of several, each with a copy of the variables and batches of its own.

    Args:
      group: the devices.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._stores: list[VariableStore] = []
        self.batches_per_step = group.size * len(group.participants)

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        participants = self._group.participants
        first = self._group.index * len(participants)
        self._stores = [
            VariableStore(sync.seed_of(seed, first + number), initial_values, functools.partial(tf.device, one.device))
            for number, one in enumerate(participants)
        ]
        return self._stores[0]

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace: TraceInto,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        group, devices = self._group, len(self._group.participants)
        dataset = dataset_fn(tf.distribute.InputContext(group.size, group.index, group.size * devices))
        if not stackable(dataset.element_spec):
            raise ValueError(
                f"The input function gives {dataset.element_spec}. "
                "Devices that train in step take dense batches of known shapes. "
                "Make the batches dense, or train on one device"
            )
        most = stack_steps(dataset.element_spec, config.steps_per_loop, config.save_checkpoints_steps)
        batches = StackedBatches(dataset, most * devices)
        if position:
            batches.restore(position)
        traces = [functools.partial(_into, trace, store) for store in self._stores]
        return sync.SyncSteps(group, batches, dataset.element_spec, traces)

    def start(self, step: int) -> int:
        with sync.peers_needed():
            return int(self._group.gather([step])[0, 0])

    def broadcast(self, store: VariableStore) -> None:
        with sync.peers_needed():
            self._group.broadcast([variable for _, variable in sorted(store.saved().items())])
        for copy in self._stores[1:]:
            for name, variable in copy.saved().items():
                variable.assign(store.by_name[name].read_value())


def _into(trace: TraceInto, store: VariableStore, spec: Any, xla: bool) -> TracedModel:
    return trace(spec, store, xla)


class ParameterServers(Strategy):
    """Workers on variables that parameter servers hold; this process is the chief."""

    def __init__(self, config: RunConfig) -> None:
        self._servers = ps_steps.Servers(config.cluster, config.train_distribute)
        self.scope = self._scope

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        self._store = VariableStore(seed, initial_values, self.scope, self._servers.placement)
        return self._store

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        """Where variables go to the servers, whatever `compat.v1.variable_scope` the model function has open: one with
        a caching device, as static_rnn's, is refused outside of graphs."""
        plain = tf.compat.v1.VariableScope(reuse=False)
        with tf.compat.v1.variable_scope(plain, auxiliary_name_scope=False), self._servers.strategy.scope():
            yield

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace: TraceInto,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        traced = self._tracing(trace)
        return ps_steps.ServerSteps(
            self._servers, dataset_fn, traced, config.push_every, config.steps_per_loop, stop_at
        )


def choose(config: RunConfig) -> Strategy:
    """The strategy that a run's cluster and settings ask for: parameter servers where there are any, workers in step
    where there are workers, else alone, on all of its devices or on those of the strategy that was given."""
    match config.distribution:
        case Distribution.PS:
            return ParameterServers(config)
        case Distribution.SYNC:
            return Synchronous(Processes(config.cluster, config.train_distribute))
        case _:
            return _in_one_process(_devices(config.train_distribute))


def _in_one_process(devices: Sequence[str] | None) -> Strategy:
    if devices is None:
        return Alone()
    return Alone(devices[0]) if len(devices) == 1 else Synchronous(Devices(devices))


def _devices(given: tf.distribute.Strategy | None) -> Sequence[str] | None:
    """The devices of a person's strategy, else all that train by themselves; None where TensorFlow may choose."""
    if given is None:
        own = own_devices()
        return own if len(own) > 1 else None
    return given.extended.worker_devices if given is not tf.distribute.get_strategy() else None
