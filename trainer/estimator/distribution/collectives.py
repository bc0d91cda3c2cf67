"""All-reduce sums: over devices within a step, and over the processes of a job between device calls.

There is one exchange only, the sum of a vector that every participant gives and receives. Gathering is a sum of vectors
that are zero but for one's own row, and broadcasting a sum of vectors that are zero but for the chief's:

    gather [3.] by process 0, [5.] by process 1          broadcast of w = [1., 2.] from process 0
      process 0 gives [3., 0.], process 1 [0., 5.]         process 0 gives [1., 2.], process 1 [0., 0.]
      both receive    [3., 5.]                             both receive    [1., 2.]

The runtime of several processes is that of `tf.distribute.MultiWorkerMirroredStrategy`: its gRPC servers, its group of
workers, and its health checks, which end a sum that a lost process would keep waiting.
"""

from __future__ import annotations

import functools
import itertools
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from trainer.estimator.distribution.devices import own_devices
from trainer.estimator.graph.inside import collectives
from trainer.estimator.steps.steps import StepsLostError
from trainer.job import loopback, meeting
from trainer.job.cluster import Cluster
from trainer.job.errors import UsageError

_PROCESSES = 1
"""The key of the group that one device of every process makes up, for sums between device calls."""
_FIRST_INSTANCE = 1000
_SUMMED = (tf.float32, tf.float64, tf.int32, tf.int64)
"""The dtypes that TensorFlow sums; others are cast on the way."""
_MOST_BITS = 64
_SENT_WORDS = 1 << 22  # of 4 bytes, in one sum
_GATHERED_BYTES = 1 << 16
"""What all vectors of a sum may have together to be gathered: about what crosses while one message is under way."""


class PeerLostError(StepsLostError):
    """Another process of the job is gone; this one ends so that the job starts again from its last checkpoint."""

    exit_code = 143


def join(cluster: Cluster, secs: float = meeting.MEET_SECS) -> tf.distribute.Strategy:
    """Connects to the other processes that train together, and waits for all of them, for so many seconds at most.

    A program that builds a Keras model, or computes otherwise, before training passes this on as `train_distribute`.

    Raises:
      UsageError, NobodyCameError: TensorFlow has computed something already; not all of them have started.
    """
    training = {job: nodes for job, nodes in cluster.cluster_spec.items() if job in ("chief", "worker")}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(training), task_type=cluster.task_type, task_id=cluster.task_id, rpc_layer="grpc"
    )
    if collectives.has_computed():  # of which TensorFlow would tell after all of them have met
        raise UsageError(
            "TensorFlow computed something before the synchronous workers connected, as building a Keras model does",
            "workers that connect before anything is computed",
            "Call tf.distribute.MultiWorkerMirroredStrategy() first and give it to RunConfig(train_distribute=...)",
        )
    meeting.of_group(cluster, secs)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    loopback.shield(cluster)
    return strategy


def new_group_key() -> int:
    """A key for a group of devices, drawn at random.

    TensorFlow keeps every group of a process with what it has exchanged until the process ends, so each group needs a
    key that no earlier one had. The small numbers are those that TensorFlow's own strategies give out.
    """
    return secrets.randbelow(1 << 30) + (1 << 20)


class Participant:
    """A device that sums with the other participants of its group, inside graphs.

    Args:
      device: where it computes, and where its vector and the sum are.
      size: how many participants there are.
      key: the group's own, the same for all participants.
    """

    def __init__(self, device: str, size: int, key: int) -> None:
        self.device, self._size, self._key = device, size, key
        self._instances = itertools.count(_FIRST_INSTANCE)
        self._last: tf.Operation | None = None

    def sum(self, vector: tf.Tensor) -> tf.Tensor:
        """The sum of the vectors that all participants give, in the graph that is being built.

        Every participant makes the same sums in the same order: the n-th one here meets the n-th one there.

        Args:
          vector: [length], of a dtype that TensorFlow sums; the same length for every participant.

        Returns:
          [length], the same values for every participant.
        """
        # Two sums of one graph that are ready at once could start in another order than they do elsewhere, and on GPUs
        # each would wait for the other's peer: so the second one waits for the first.
        before = [self._last] if self._last is not None and self._last.graph is vector.graph else []
        with tf.control_dependencies(before):
            total = reduced(vector, self.device, self._size, self._key, next(self._instances))
        self._last = total.op
        return total


def reduced(vector: tf.Tensor, device: str, size: int, key: int, instance: int) -> tf.Tensor:
    """One all-reduce: NCCL's on GPUs, else TensorFlow's ring, or for small vectors a gathering of all of them.

    A ring of n sums in n - 1 messages, one after the other, and hands the sum round in as many again. Small messages
    are waits and no work, so all vectors go round, in half as many, and are added in the same order everywhere.

    Args:
      vector: [length], what this participant gives.
      device: where it computes.
      size: how many participants the group has.
      key: of the group.
      instance: of this sum among those of the group; the same for all participants.

    Returns:
      [length], the sum.
    """
    on_gpu, length = "GPU" in device.upper(), vector.shape[0]
    group = {"group_size": size, "group_key": key, "instance_key": instance, "ordering_token": []}
    with tf.device(device):
        if not on_gpu and length is not None and size * length * vector.dtype.size <= _GATHERED_BYTES:
            rows = tf.raw_ops.CollectiveGatherV2(input=vector[None], communication_hint="ring", **group)
            rows.set_shape([size, length])  # which XLA needs to know
            return tf.add_n(tf.unstack(rows))
        return tf.raw_ops.CollectiveReduceV2(
            input=vector, merge_op="Add", final_op="Id", communication_hint="nccl" if on_gpu else "ring", **group
        )


class Group(Protocol):
    """The devices that train in step, as one of their processes sees them.

    Attributes:
      size: how many processes they belong to.
      index: the number of this process.
      is_chief: whether this process is the one that saves.
      participants: the devices of this process.
      host: the device of this process that holds stacks of batches.
    """

    size: int
    index: int
    is_chief: bool
    participants: Sequence[Participant]
    host: str

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Collects values from all processes, each of which calls this between device calls.

        Args:
          values: as many in every process.

        Returns:
          float64 [processes, values], the same in every process.
        """

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Sets variables to the chief's values.

        Args:
          variables: numeric, of any shape; the same ones in the same order in every process.
        """

    def send(self, data: bytes, sender: int) -> bytes:
        """What one process has, for all of them, each of which calls this between device calls.

        Args:
          data: of the sender; others give what they like.
          sender: the number of the process that has it.
        """


class Devices:
    """Two or more devices of one process.

    Args:
      names: of the devices.
    """

    size, index, is_chief, host = 1, 0, True, "/device:CPU:0"

    def __init__(self, names: Sequence[str]) -> None:
        key = new_group_key()
        self.participants: Sequence[Participant] = [Participant(name, len(names), key) for name in names]

    def gather(self, values: Sequence[float]) -> np.ndarray:
        return np.array([values], np.float64)

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Nothing: no other process has other values."""

    def send(self, data: bytes, sender: int) -> bytes:
        return data


class Processes:
    """The devices of the chief and the workers of a synchronous job: all GPUs of each, or without any its CPU.

    Building it waits for all of these processes.

    Args:
      cluster: whose chief and workers train together.
      strategy: the MultiWorkerMirroredStrategy that the caller has made for them; None makes one.

    Raises:
      UsageError: TensorFlow has computed something already, or a process has more devices than another.
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
        # All processes have to name the group alike: they take the key that the first one has drawn.
        key = int(self.gather([new_group_key()])[0, 0])
        self.participants: Sequence[Participant] = [Participant(name, self.size * len(names), key) for name in names]

    def _check_as_many(self, devices: int) -> None:
        """Refuses processes with different numbers of devices: the losses of all are averaged as equals."""
        counts = [int(count) for count in self.gather([devices])[:, 0]]
        if len(set(counts)) > 1:
            raise UsageError(
                f"The processes of the synchronous job have {', '.join(map(str, counts))} devices",
                "the same number in every process",
                "Hide the surplus ones with CUDA_VISIBLE_DEVICES",
            )

    def _sum_now(self, vector: tf.Tensor) -> tf.Tensor:
        """The sum over all processes between device calls.

        Args:
          vector: [length], of one of the dtypes in _SUMMED; the same length in every process.

        Returns:
          [length].
        """
        # TensorFlow keeps the shape that an instance key was first used with, one process perhaps still when its peer
        # starts the next sum. So each length, rounded up to a power of two, has a key of its own, alike everywhere.
        length = int(vector.shape[0])
        bits = max(length - 1, 0).bit_length()
        padded = tf.pad(vector, [[0, (1 << bits) - length]])
        return self._sum_of(vector.dtype, bits)(padded)[:length]

    def _eager_sum(self, dtype: tf.DType, bits: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """The program that sums vectors of a dtype and of shape [2 ** bits]."""
        key = 1 + _SUMMED.index(dtype) * _MOST_BITS + bits
        call = tf.function(lambda vector: reduced(vector, self.host, self.size, _PROCESSES, key), autograph=False)
        return call.get_concrete_function(tf.TensorSpec([1 << bits], dtype))

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """As of a `Group`: float64 [processes, values]."""
        mine = np.zeros([self.size, len(values)])
        mine[self.index] = values
        return self._sum_now(tf.constant(mine.ravel(), tf.float64)).numpy().reshape(mine.shape)

    def send(self, data: bytes, sender: int) -> bytes:
        """As of a `Group`, in sums of int32 vectors that are zero but for the sender's."""
        sends = self.index == sender
        length = int(self.gather([len(data) if sends else 0]).sum())
        words = np.zeros([-(-length // 4)], np.int32)
        if sends:
            words.view(np.uint8)[:length] = np.frombuffer(data, np.uint8)
        parts = [words[start : start + _SENT_WORDS] for start in range(0, len(words), _SENT_WORDS)]
        received = [self._sum_now(tf.constant(part)).numpy() for part in parts]
        return b"".join(part.tobytes() for part in received)[:length]

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """As of a `Group`, with one sum for each dtype."""
        by_dtype: dict[tf.DType, list[tf.Variable]] = {}
        for variable in variables:
            by_dtype.setdefault(variable.dtype, []).append(variable)
        for dtype, group in sorted(by_dtype.items(), key=lambda item: item[0].name):
            self._broadcast_dtype(dtype, group)

    def _broadcast_dtype(self, dtype: tf.DType, variables: list[tf.Variable]) -> None:
        flat = tf.concat([tf.reshape(variable.read_value(), [-1]) for variable in variables], 0)
        # The wider dtype holds every value of the narrower one, so that the cast back gives the chief's bits.
        sent = flat if dtype in _SUMMED else tf.cast(flat, tf.float64 if dtype.is_floating else tf.int64)
        values = tf.cast(self._sum_now(sent if self.is_chief else tf.zeros_like(sent)), dtype)
        sizes = [variable.shape.num_elements() for variable in variables]
        for variable, part in zip(variables, tf.split(values, sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))
