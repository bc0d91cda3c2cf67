"""What a RunConfig tells of the cluster: who this process is, and who else there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.job.cluster import Cluster


class ClusterProperties:
    """Reads its cluster, by the names of tf.estimator."""

    cluster: Cluster
    separate_evaluator: bool

    @property
    def cluster_spec(self) -> tf.train.ClusterSpec:
        """Addresses by task type; empty when local, and for an evaluator."""
        return tf.train.ClusterSpec(self.cluster.cluster_spec)

    @property
    def task_type(self) -> str:
        """chief, worker, ps or evaluator."""
        return self.cluster.task_type

    @property
    def task_id(self) -> int:
        """The index among the tasks of its type."""
        return self.cluster.task_id

    @property
    def is_chief(self) -> bool:
        """Whether this process saves; so does one that trains alone."""
        return self.cluster.is_chief

    @property
    def num_ps_replicas(self) -> int:
        """Parameter servers."""
        return self.cluster.num_ps_replicas

    @property
    def num_worker_replicas(self) -> int:
        """Workers and chief together."""
        return self.cluster.num_worker_replicas

    @property
    def global_id_in_cluster(self) -> int | None:
        """The index among all: the chief, then workers, then ps; None for an evaluator."""
        return self.cluster.global_id_in_cluster

    @property
    def has_evaluator(self) -> bool:
        """Whether another process evaluates, as far as is known."""
        return self.cluster.has_evaluator or (self.separate_evaluator and not self.cluster.master)

    @property
    def master(self) -> str:
        """The address of this process as that of a Session, `session_master` of TF_CONFIG, or empty.

        There is no Session; programs show it.
        """
        return self.cluster.settings.get("session_master") or self.cluster.session_address

    @property
    def evaluation_master(self) -> str:
        """Likewise of a Session that evaluates."""
        return self.cluster.settings.get("eval_session_master") or ""

    @property
    def service(self) -> Mapping[str, Any] | None:
        """What TF_CONFIG says of the service that runs the job; None where it says nothing."""
        return self.cluster.settings.get("service")
