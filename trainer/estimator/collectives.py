"""Sums over synchronous workers, inside graphs and between device calls.

The runtime is that of `tf.distribute.MultiWorkerMirroredStrategy`: its grpc servers, its group of workers, its watch
over peers that are gone.
What a step exchanges is packed into one vector, so that it costs one collective a step.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import collective_ops

from trainer.job.cluster import Cluster
from trainer.job.errors import JobError, UsageError

_GROUP = 1
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


class Group:
    """The chief and the workers of a synchronous job.

    Args:
      cluster: whose chief and workers train together; building a Group waits for all of them.
      strategy: a MultiWorkerMirroredStrategy that a person made for them; None makes one.
    """

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy | None = None) -> None:
        self.strategy = strategy or join(cluster)
        self.size, self.index = cluster.num_worker_replicas, cluster.global_id_in_cluster or 0
        self.is_chief = cluster.is_chief
        self._device = f"/job:{cluster.task_type}/replica:0/task:{cluster.task_id}/device:CPU:0"
        self._keys = itertools.count(1000)
        self._sum_of = functools.cache(self._eager_sum)

    def sum(self, vector: tf.Tensor) -> tf.Tensor:
        """The sum over all processes of a vector that has the same length in each; called in a graph, in the same
        order everywhere."""
        return self._reduced(vector, next(self._keys))

    def _reduced(self, vector: tf.Tensor, key: int) -> tf.Tensor:
        with tf.device(self._device):
            return collective_ops.all_reduce_v2(
                vector, self.size, _GROUP, key, merge_op="Add", final_op="Id", communication_hint="RING"
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
        call = tf.function(lambda vector: self._reduced(vector, key), autograph=False)
        return call.get_concrete_function(tf.TensorSpec([1 << bits], dtype))

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """What every process gave: float64 [processes, values]; called between device calls by all of them."""
        mine = np.zeros([self.size, len(values)])
        mine[self.index] = values
        return self._sum_now(tf.constant(mine.ravel(), tf.float64)).numpy().reshape(mine.shape)

    def from_chief(self, variables: Sequence[tf.Variable]) -> None:
        """Sets numeric variables to the chief's values."""
        by_dtype: dict[tf.DType, list[tf.Variable]] = {}
        for variable in variables:
            by_dtype.setdefault(variable.dtype, []).append(variable)
        for dtype, group in sorted(by_dtype.items(), key=lambda item: item[0].name):
            self._set_from_chief(dtype, group)

    def _set_from_chief(self, dtype: tf.DType, variables: list[tf.Variable]) -> None:
        flat = tf.concat([tf.reshape(variable.read_value(), [-1]) for variable in variables], 0)
        sent = flat if dtype in _SUMMED else tf.cast(flat, tf.float64 if dtype.is_floating else tf.int64)
        agreed = tf.cast(self._sum_now(sent if self.is_chief else tf.zeros_like(sent)), dtype)
        sizes = [variable.shape.num_elements() for variable in variables]
        for variable, part in zip(variables, tf.split(agreed, sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))
