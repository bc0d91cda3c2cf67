"""The roles that only serve: parameter servers, and the workers that train on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import tensorflow as tf

from trainer.estimator.handover import TRAINING_DONE, read_record
from trainer.estimator.loop import Stop
from trainer.job import hosts
from trainer.job.cluster import Cluster

log = logging.getLogger("trainer")

_POLL_SECS = 0.5
_LINGER_SECS = 600.0


def serve(cluster: Cluster, model_dir: str, stop: Stop, wait: Callable[[float], None] = time.sleep) -> None:
    """Serves the chief until the job has ended or a stop is asked for.

    The end is seen in the job's directory, where this process sees that, and then in the chief's own end: it still
    needs
    its servers to say good-bye. Elsewhere whoever started this process ends it.
    """
    spec = tf.train.ClusterSpec(cluster.cluster_spec)
    tf.distribute.Server(spec, job_name=cluster.task_type, task_index=cluster.task_id, protocol="grpc", start=True)
    log.info("Serving as %s %d.", cluster.task_type, cluster.task_id)
    before = read_record(model_dir, TRAINING_DONE)
    while not stop:
        done = read_record(model_dir, TRAINING_DONE)
        if done and done != before:
            _outlast(cluster, stop, wait)
            return
        before = done and before
        wait(_POLL_SECS)


def _outlast(cluster: Cluster, stop: Stop, wait: Callable[[float], None]) -> None:
    """Waits until nobody listens at the chief's address any more, for ten minutes at most."""
    chief, waited = list(cluster.jobs["chief"].values()), 0.0
    while not stop and waited < _LINGER_SECS and hosts.ask(chief)[0].answer is hosts.Answer.LISTENS:
        wait(_POLL_SECS)
        waited += _POLL_SECS
