"""How the processes of a job share the work of training: alone, together in step, or on parameter servers."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import variable_scope

from trainer.estimator import ps, steps, sync
from trainer.estimator.batches import StackedBatches, stack_steps, stackable
from trainer.estimator.collectives import Group
from trainer.estimator.run_config import RunConfig
from trainer.estimator.steps import Steps, TraceModel
from trainer.estimator.variables import VariableStore

DatasetFn = Callable[[tf.distribute.InputContext], tf.data.Dataset]


class Strategy(abc.ABC):
    """Where variables live and who makes steps."""

    scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        """Where the variables of a training are.

        Args:
          seed: of their initial values.
          initial_values: by name.
          afresh: whether they start at their initial values; else a checkpoint sets every one of them.
        """
        return VariableStore(seed, initial_values, self.scope)

    @abc.abstractmethod
    def steps(
        self,
        dataset_fn: DatasetFn,
        trace_model: TraceModel,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        """What makes the steps.

        Args:
          dataset_fn: makes the share of the data that an input context names.
          trace_model: traces the model function.
          config: of the run.
          position: the checkpoint whose place in the data to go on from; None to start at the first batch.
          stop_at: the global step to end at; None for the end of the data.
        """

    def start(self, step: int) -> int:
        """The global step that training begins at, as the chief sees it, given what this process sees."""
        return step

    def share(self, store: VariableStore) -> None:  # noqa: B027  (there is nothing to give where there is one copy)
        """Gives every process the chief's values of the variables."""


class Alone(Strategy):
    """One process, one device. What it compiled for one training serves the next one of the same model."""

    def __init__(self) -> None:
        self._store: VariableStore | None = None
        self._compiled = steps.Compiled()

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        if afresh or self._store is None:
            self._store, self._compiled = super().store(seed, initial_values, afresh), steps.Compiled()
        return self._store

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace_model: TraceModel,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        dataset = dataset_fn(tf.distribute.InputContext())
        save_steps = config.save_checkpoints_steps
        return steps.make(dataset, trace_model, config.steps_per_loop, save_steps, position, self._compiled)


class Synchronous(Strategy):
    """Chief and workers in step, each with a share of the data."""

    def __init__(self, config: RunConfig) -> None:
        self._group = Group(config.cluster, config.train_distribute)

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace_model: TraceModel,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        group = self._group
        dataset = dataset_fn(tf.distribute.InputContext(group.size, group.index, group.size))
        if not stackable(dataset.element_spec):
            raise ValueError(
                f"The input function gives {dataset.element_spec}. "
                "Synchronous training takes dense batches of known shapes"
            )
        most = stack_steps(dataset.element_spec, config.steps_per_loop, config.save_checkpoints_steps)
        batches = StackedBatches(dataset, most)
        if position:
            batches.restore(position)
        return sync.SyncSteps(group, batches, dataset.element_spec, trace_model)

    def start(self, step: int) -> int:
        with sync.peers_needed():
            return int(self._group.gather([step])[0, 0])

    def share(self, store: VariableStore) -> None:
        with sync.peers_needed():
            self._group.from_chief([variable for _, variable in sorted(store.saved().items())])


class ParameterServers(Strategy):
    """Workers on variables that parameter servers hold; this process is the chief."""

    def __init__(self, config: RunConfig) -> None:
        self._servers = ps.Servers(config.cluster, config.train_distribute)
        self.scope = self._scope

    def store(self, seed: int | None, initial_values: Mapping[str, Any], afresh: bool) -> VariableStore:
        self._store = VariableStore(seed, initial_values, self.scope, self._servers.placement)
        return self._store

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        """Where variables go to the servers, whatever `compat.v1.variable_scope` the model function has open: one with
        a caching device, as static_rnn's, is refused outside of graphs."""
        plain = variable_scope.VariableScope(reuse=False)
        with tf.compat.v1.variable_scope(plain, auxiliary_name_scope=False), self._servers.strategy.scope():
            yield

    def steps(
        self,
        dataset_fn: DatasetFn,
        trace_model: TraceModel,
        config: RunConfig,
        position: str | None,
        stop_at: int | None,
    ) -> Steps:
        return ps.ServerSteps(self._servers, dataset_fn, trace_model, config.push_every, config.steps_per_loop, stop_at)


def choose(config: RunConfig) -> Strategy:
    """The strategy that a run's cluster and settings ask for: parameter servers where there are any, workers in step
    where there are workers, else alone."""
    match config.distribution:
        case "ps":
            return ParameterServers(config)
        case "sync":
            return Synchronous(config)
        case _:
            return Alone()
