"""How a process of a synchronous job finds its peers, or finds that it needs none."""

from __future__ import annotations

import dataclasses
import logging

import tensorflow as tf

from trainer.estimator.distribution import collectives, sync
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job import distribution, meeting
from trainer.job.cluster import Cluster
from trainer.job.distribution import Distribution

_log = logging.getLogger(__name__)

_LAST_WAIT_SECS = 20.0
"""For peers where nothing is left to train. They may have ended, or be about to start a finished job once more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peers:
    """With whom a process trains.

    Attributes:
      strategy: as `RunConfig(strategy=...)` takes it.
      train_distribute: that connects it to its peers; None where it has none, or meets them later.
    """

    strategy: str
    train_distribute: tf.distribute.Strategy | None = None


def meet(cluster: Cluster, asked: str, directory: JobDirectory, most_steps: int | None) -> Peers:
    """Connects to the peers of a synchronous job, before a model computes anything; others have nobody to meet.

    A chief that was ended after the last step, while it evaluated or exported, comes back to peers that have done
    their part and ended. What is left to do it does alone.

    Args:
      cluster: of the job, with this process's own place.
      asked: the strategy that the settings ask for.
      directory: of the job.
      most_steps: the global step at which training ends; None to train to the end of the data.

    Raises:
      NobodyCameError: not all of them have started, and there is something to train.
    """
    if distribution.decide(cluster, asked) is not Distribution.SYNC:
        return Peers(strategy=asked)
    newest = directory.checkpoints.latest()
    is_trained = newest is not None and most_steps is not None and step_of(newest) >= most_steps
    try:
        with sync.peers_needed():
            secs = _LAST_WAIT_SECS if is_trained else meeting.MEET_SECS
            return Peers(strategy=asked, train_distribute=collectives.join(cluster, secs))
    except meeting.NobodyCameError:
        if not is_trained:
            raise
        _log.info("The other processes have ended, and nothing is left to train: this one goes on alone.")
        return Peers(strategy=Distribution.LOCAL.value)
