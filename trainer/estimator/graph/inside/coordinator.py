"""Parameter servers: what `tf.distribute` and its ClusterCoordinator know and do not tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def take_partitioner(strategy: tf.distribute.Strategy) -> Callable[..., Any] | None:
    """The `variable_partitioner` that a ParameterServerStrategy was given, which from here on decides for us.

    The strategy has no property for it; left in place, it would split row-sharded variables once more.
    """
    extended = strategy.extended
    partitioner, extended._variable_partitioner = extended._variable_partitioner, None
    return partitioner


def resources_of_workers(
    coordinator: tf.distribute.coordinator.ClusterCoordinator,
    makers: Sequence[Callable[[], Any]],
    spec: tf.TypeSpec,
) -> tf.distribute.coordinator.PerWorkerValue:
    """A resource on each worker, made by a function of its own.

    `create_per_worker_dataset` calls one function on every worker, which learns nothing of where it runs.

    Args:
      coordinator: of the workers.
      makers: one for each worker; it is called on the worker, and again where the worker comes back.
      spec: what the functions that take these resources are traced for.
    """
    workers = coordinator._cluster.workers
    made = [worker.create_resource(make) for worker, make in zip(workers, makers, strict=True)]
    for value in made:
        value._type_spec = spec  # which the coordinator asks for when it traces, before a worker has made anything
    return tf.distribute.coordinator.PerWorkerValue(tuple(made))


def is_done(scheduled: tf.distribute.coordinator.RemoteValue) -> bool:
    """Whether a scheduled call has ended, which `fetch` would wait for."""
    return bool(scheduled._status_available_event.is_set())


def wait(scheduled: tf.distribute.coordinator.RemoteValue, secs: float) -> None:
    """Waits until a scheduled call has ended, at most for some seconds; `fetch` has no limit."""
    scheduled._status_available_event.wait(secs)
