"""The roles that only serve: parameter servers, and the workers that train on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import tensorflow as tf

from trainer.estimator.saving.coordination_files import TRAINING_DONE, read_record
from trainer.estimator.steps.loop import Stop
from trainer.job import hosts
from trainer.job.cluster import Cluster

log = logging.getLogger("trainer")

_POLL_SECS = 0.5
_LINGER_SECS = 600.0
MEET_SECS = 600.0
"""How long the processes of a job wait for each other at its start."""


def serve(cluster: Cluster, model_dir: str, stop: Stop, wait: Callable[[float], None] = time.sleep) -> None:
    """Serves the chief until the job has ended or a stop is asked for.

    The end is seen in the job's directory, where this process sees that, and then in the chief's own end: it still
    needs its servers to say good-bye. A record that is there from the start may be that of an earlier run, whose
    successor's chief is on its way; or this process was started again after the end. It counts once nobody has been at
    the chief's address for as long as a chief waits for its servers. Elsewhere whoever started this process ends it.
    """
    spec = tf.train.ClusterSpec(cluster.cluster_spec)
    tf.distribute.Server(spec, job_name=cluster.task_type, task_index=cluster.task_id, protocol="grpc", start=True)
    log.info("Serving as %s %d.", cluster.task_type, cluster.task_id)
    before, alone_secs = read_record(model_dir, TRAINING_DONE), 0.0
    while not stop and alone_secs < MEET_SECS:
        done = read_record(model_dir, TRAINING_DONE)
        if done and done != before:
            _outlast(cluster, stop, wait)
            return
        before = done and before
        alone_secs = alone_secs + _POLL_SECS if before and not _chief_listens(cluster) else 0.0
        wait(_POLL_SECS)
    if not stop:
        log.info("Training had ended before, with %s, and no chief has come in %g s.", before["reason"], MEET_SECS)


def _chief_listens(cluster: Cluster) -> bool:
    return hosts.ask(list(cluster.jobs["chief"].values()))[0].answer is hosts.Answer.LISTENS


def _outlast(cluster: Cluster, stop: Stop, wait: Callable[[float], None]) -> None:
    """Waits until nobody listens at the chief's address any more, for ten minutes at most."""
    waited = 0.0
    while not stop and waited < _LINGER_SECS and _chief_listens(cluster):
        wait(_POLL_SECS)
        waited += _POLL_SECS
