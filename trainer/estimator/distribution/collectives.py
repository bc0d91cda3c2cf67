"""Sums over devices that train in step, inside graphs, and between device calls over the processes that have them.

The runtime of several processes is that of `tf.distribute.MultiWorkerMirroredStrategy`: its grpc servers, its group of
workers, its watch over peers that are gone.
What a step exchanges is packed into one vector, so that it costs one collective a step.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import collective_ops

from trainer.job.cluster import Cluster
from trainer.job.errors import JobError, UsageError

_PROCESSES = 1
# Keys of groups of devices: TensorFlow remembers what a group has exchanged, so each is another one, and processes of a
# job count theirs alike.
_JOB_GROUPS, _DEVICE_GROUPS = itertools.count(1_000_001), itertools.count(2_000_001)
_FIRST_INSTANCE = 1000
_SUMMED = (tf.float32, tf.float64, tf.int32, tf.int64)
_MOST_BITS = 64


class PeerLostError(JobError):
    """Another process of the job is gone; this one ends so that the job starts again from its last checkpoint."""

    exit_code = 143


def join(cluster: Cluster) -> tf.distribute.Strategy:
    """Meets the other processes that train together, and waits for all of them.

    Whoever computes with TensorFlow before training, as a Keras model does when it is built, joins before that and
    hands the strategy on in `RunConfig(train_distribute=...)`.

    Raises:
      UsageError: TensorFlow has computed something already.
    """
    training = {job: nodes for job, nodes in cluster.cluster_spec.items() if job in ("chief", "worker")}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(training), task_type=cluster.task_type, task_id=cluster.task_id, rpc_layer="grpc"
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise UsageError(
            "TensorFlow has computed something before the synchronous workers met, as a Keras model does when built",
            "Workers meet before anything is computed",
            "Call tf.distribute.MultiWorkerMirroredStrategy() first and give it to RunConfig(train_distribute=...)",
        ) from error


def own_devices(process: str = "") -> list[str]:
    """The names of the devices of a process that train: its GPUs, else its logical CPUs (one, as a rule).

    Args:
      process: of a cluster, whose devices TensorFlow lists all; empty for the only one there is.
    """
    for kind in ("GPU", "CPU"):
        names = [device.name for device in tf.config.list_logical_devices(kind) if process in device.name]
        if names:
            return names
    return []


class Participant:
    """A device that sums with the other participants of its group, inside graphs.

    Args:
      device: where it computes, and where its part of a sum is.
      size: how many participants there are.
      key: the group's own, the same for all participants.
    """

    def __init__(self, device: str, size: int, key: int) -> None:
        self.device, self._size, self._key = device, size, key
        self._instances = itertools.count(_FIRST_INSTANCE)
        self._last: tf.Operation | None = None

    def sum(self, vector: tf.Tensor) -> tf.Tensor:
        """The sum over all participants of a vector that has the same length in each.

        Called in a graph, in the same order by every participant; the sums of a graph are made in that order.
        """
        before = [self._last] if self._last is not None and self._last.graph is vector.graph else []
        with tf.control_dependencies(before):
            total = reduced(vector, self.device, self._size, self._key, next(self._instances))
        self._last = total.op
        return total


def reduced(vector: tf.Tensor, device: str, size: int, key: int, instance: int) -> tf.Tensor:
    """The sum of what the participants of a group give under one instance key; NCCL makes it on GPUs."""
    hint = "NCCL" if "GPU" in device.upper() else "RING"
    with tf.device(device):
        return collective_ops.all_reduce_v2(
            vector, size, key, instance, merge_op="Add", final_op="Id", communication_hint=hint
        )


class Group(Protocol):
    """Devices that train in step.

    Attributes:
      size: how many processes they belong to.
      index: the number of this process.
      is_chief: whether it is the one that saves.
      participants: its own devices.
      host: its device that holds batches.
    """

    size: int
    index: int
    is_chief: bool
    participants: Sequence[Participant]
    host: str

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """What every process gave: float64 [processes, values]; called between device calls by all of them."""

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Sets numeric variables to the chief's values."""


class Devices:
    """Several devices of one process.

    Args:
      names: of the devices, two at least.
    """

    size, index, is_chief, host = 1, 0, True, "/device:CPU:0"

    def __init__(self, names: Sequence[str]) -> None:
        key = next(_DEVICE_GROUPS)
        self.participants: Sequence[Participant] = [Participant(name, len(names), key) for name in names]

    def gather(self, values: Sequence[float]) -> np.ndarray:
        return np.array([values], np.float64)

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """There is no other process that has other values."""


class Processes:
    """The devices of the chief and the workers of a synchronous job: all the GPUs of each, else its CPU.

    Args:
      cluster: whose chief and workers train together; building a Group waits for all of them.
      strategy: a MultiWorkerMirroredStrategy that a person made for them; None makes one.
    """

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy | None = None) -> None:
        self.strategy = strategy or join(cluster)
        self.size, self.index = cluster.num_worker_replicas, cluster.global_id_in_cluster or 0
        self.is_chief = cluster.is_chief
        process = f"/job:{cluster.task_type}/replica:0/task:{cluster.task_id}"
        self.host = f"{process}/device:CPU:0"
        self._sum_of = functools.cache(self._eager_sum)
        names = own_devices(process)
        self._check_as_many(len(names))
        key = next(_JOB_GROUPS)
        self.participants: Sequence[Participant] = [Participant(name, self.size * len(names), key) for name in names]

    def _check_as_many(self, devices: int) -> None:
        """Every process counts as many examples a step, so each has as many devices."""
        counts = [int(count) for count in self.gather([devices])[:, 0]]
        if len(set(counts)) > 1:
            raise UsageError(
                f"The processes of the synchronous job have {', '.join(map(str, counts))} devices",
                "Each process trains on as many as the others",
                "Hide the surplus with CUDA_VISIBLE_DEVICES",
            )

    def _sum_now(self, vector: tf.Tensor) -> tf.Tensor:
        """`sum` between device calls.

        TensorFlow remembers the shape that an exchange of one key had, and a process may forget later than its peer
        asks again: so each length, rounded up to a power of two, has a key of its own, the same in all processes.
        """
        length = int(vector.shape[0])
        bits = max(length - 1, 0).bit_length()
        padded = tf.pad(vector, [[0, (1 << bits) - length]])
        return self._sum_of(vector.dtype, bits)(padded)[:length]

    def _eager_sum(self, dtype: tf.DType, bits: int) -> Callable[[tf.Tensor], tf.Tensor]:
        key = 1 + _SUMMED.index(dtype) * _MOST_BITS + bits
        call = tf.function(lambda vector: reduced(vector, self.host, self.size, _PROCESSES, key), autograph=False)
        return call.get_concrete_function(tf.TensorSpec([1 << bits], dtype))

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """What every process gave: float64 [processes, values]; called between device calls by all of them."""
        mine = np.zeros([self.size, len(values)])
        mine[self.index] = values
        return self._sum_now(tf.constant(mine.ravel(), tf.float64)).numpy().reshape(mine.shape)

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Sets numeric variables to the chief's values."""
        by_dtype: dict[tf.DType, list[tf.Variable]] = {}
        for variable in variables:
            by_dtype.setdefault(variable.dtype, []).append(variable)
        for dtype, group in sorted(by_dtype.items(), key=lambda item: item[0].name):
            self._broadcast_dtype(dtype, group)

    def _broadcast_dtype(self, dtype: tf.DType, variables: list[tf.Variable]) -> None:
        flat = tf.concat([tf.reshape(variable.read_value(), [-1]) for variable in variables], 0)
        sent = flat if dtype in _SUMMED else tf.cast(flat, tf.float64 if dtype.is_floating else tf.int64)
        agreed = tf.cast(self._sum_now(sent if self.is_chief else tf.zeros_like(sent)), dtype)
        sizes = [variable.shape.num_elements() for variable in variables]
        for variable, part in zip(variables, tf.split(agreed, sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))
