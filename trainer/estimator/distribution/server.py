"""The roles that only serve: parameter servers, and the workers that train on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import tensorflow as tf

from trainer.estimator.distribution import server_notices
from trainer.estimator.saving.coordination_files import FAILED, TRAINING_DONE, read_record
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.steps.timing.stop import Stop
from trainer.job import hosts, loopback
from trainer.job.cluster import PS, Cluster

log = logging.getLogger("trainer")

_POLL_SECS = 0.5
_SAVED_POLL_SECS = 0.05
"""While the chief saves. One that is started again at once must not find a server that is about to end."""
_LINGER_SECS = 600.0
"""How long a server may outlast a job whose chief does not end."""
_PS_LAST_SECS, _WORKER_LAST_SECS = 20.0, 2.0
"""How long one that is asked to end may outlast that. A worker's running call is made again by another worker."""
MEET_SECS = 600.0
"""How long the processes of a job wait for each other at its start."""


def serve(cluster: Cluster, directory: JobDirectory, stop: Stop, wait: Callable[[float], None] = time.sleep) -> None:
    """Serves the chief until the job has ended or a stop is requested.

    The job has ended when its directory holds a new TRAINING_DONE record and the chief's address no longer answers; if
    the chief failed, when none has listened there for MEET_SECS. A process that does not see that directory serves
    until whatever started it ends it.

    Args:
      cluster: of the job; this process is one of its servers or workers.
      directory: of the job.
      stop: requested from outside.
      wait: waits for some seconds.
    """
    spec = tf.train.ClusterSpec(cluster.cluster_spec)
    name, index = cluster.task_type, cluster.task_id
    server = tf.distribute.Server(spec, job_name=name, task_index=index, protocol="grpc", start=False)
    loopback.shield(cluster)
    server.start()
    log.info("Serving as %s %d.", cluster.task_type, cluster.task_id)
    # A record that is there from the start may be an earlier run's, and the chief of the next run about to start; or
    # this process was started again after the end. So it counts when no chief has listened for as long as a chief waits
    # for its servers.
    earlier, alone_secs = read_record(directory, TRAINING_DONE), 0.0
    while not stop and alone_secs < MEET_SECS:
        done = read_record(directory, TRAINING_DONE)
        if done and done != earlier and done["reason"] == FAILED:
            earlier = done  # whoever started the chief may start it again, as after the end of an earlier run
        if done and done != earlier:
            _outlast(cluster, stop, wait)
            return
        earlier = done and earlier  # the chief of a new run deletes the record of the earlier one
        alone_secs = alone_secs + _POLL_SECS if earlier and not _chief_listens(cluster) else 0.0
        wait(_POLL_SECS)
    if stop:
        _let_chief_save(cluster, directory, wait)
    else:
        log.info("Training had already ended (%s), and no chief connected in %g s.", earlier["reason"], MEET_SECS)


def _let_chief_save(cluster: Cluster, directory: JobDirectory, wait: Callable[[float], None]) -> None:
    """Serves on while the chief, which may have been asked to end at the same moment, saves with the servers' help."""
    is_ps, waited = cluster.task_type == PS, 0.0
    if is_ps and _chief_listens(cluster):
        server_notices.give(directory, f"Parameter server {cluster.task_id}")
    while waited < (_PS_LAST_SECS if is_ps else _WORKER_LAST_SECS) and _chief_listens(cluster):
        wait(_SAVED_POLL_SECS)
        waited += _SAVED_POLL_SECS


def _chief_listens(cluster: Cluster) -> bool:
    return hosts.ask(list(cluster.jobs["chief"].values()))[0].answer is hosts.Answer.LISTENS


def _outlast(cluster: Cluster, stop: Stop, wait: Callable[[float], None]) -> None:
    """Waits until the chief has ended, whose last calls need its servers; for _LINGER_SECS at most."""
    waited = 0.0
    while not stop and waited < _LINGER_SECS and _chief_listens(cluster):
        wait(_POLL_SECS)
        waited += _POLL_SECS
