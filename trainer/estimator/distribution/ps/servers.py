"""The connection of a chief to its parameter servers and workers, and what is said when one of them is gone."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.server import MEET_SECS
from trainer.estimator.graph.inside.coordinator import take_partitioner
from trainer.estimator.graph.row_sharding import Placement
from trainer.job import hosts, loopback
from trainer.job.cluster import Cluster

log = logging.getLogger("trainer")

_WORKER_FAILED = re.compile(r"worker \S*/task:(\d+)\S* failed with", re.IGNORECASE)
_RAISED_TOO = re.compile(r"^Start cancelling closures due to error| encountered the following error when processing ")
_SILENT_SECS = 10.0


class Servers:
    """The connection of a chief to its parameter servers and workers.

    Args:
      cluster: with ps and workers; building it waits for all of them, for ten minutes at most.
      strategy: a ParameterServerStrategy that a person made for them; None makes one.
    """

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy | None = None) -> None:
        wait_for([*cluster.jobs["ps"].values(), *cluster.jobs["worker"].values()])
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster.cluster_spec), task_type="chief", task_id=0, rpc_layer="grpc"
        )
        self.strategy = strategy or tf.distribute.ParameterServerStrategy(resolver)
        loopback.shield(cluster)
        # Before anything makes a variable: it takes the partitioner away from the strategy.
        self.placement = _placement(self.strategy, len(cluster.jobs["ps"]))
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)
        # The coordinator logs a traceback for each call of a lost worker, although it has the call made again.
        tf.get_logger().addFilter(LostWorkers())
        self.num_workers = len(cluster.jobs["worker"])
        self._watch = ServerWatch(list(cluster.jobs["ps"].values()))
        self._watch.start()


def _placement(strategy: tf.distribute.Strategy, servers: int) -> Placement:
    """Where row-sharded variables go; the strategy's own partitioner decides for us, not for itself."""
    devices = tuple(f"/job:ps/replica:0/task:{index}/device:CPU:0" for index in range(servers))
    return Placement(devices=devices, partitioner=take_partitioner(strategy))


def wait_for(addresses: Sequence[str], secs: float = MEET_SECS, wait: Callable[[float], None] = time.sleep) -> None:
    """Waits until every address can be reached: TensorFlow would wait for ever, and say nothing.

    Args:
      addresses: of the parameter servers and the workers.
      secs: the longest wait.
      wait: waits for some seconds.

    Raises:
      PeerLostError: an address was not reached in time.
    """
    waited = 0.0
    while True:
        missing = [reached.address for reached in hosts.ask(addresses) if reached.answer is not hosts.Answer.LISTENS]
        if not missing:
            return
        if waited >= secs:
            raise PeerLostError(
                f"Nothing listens at {', '.join(missing)} after {secs:g} s",
                "a job whose parameter servers and workers have all started",
                "Find out why they did not start, and start the job again",
            )
        # A line at once and then every ten seconds: a log that says nothing looks like a job that hangs.
        if waited % 10 == 0:
            log.info("Waiting for %s.", ", ".join(missing))
        wait(1.0)
        waited += 1.0


class LostWorkers(logging.Filter):
    """Shortens what TensorFlow's coordinator logs of a worker that is gone to one line in some seconds.

    What it logs of errors that it raises as well is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; that of a lost worker is rewritten."""
        message = record.getMessage()
        failure = _WORKER_FAILED.search(message)
        if not failure:
            return not _RAISED_TOO.search(message)
        last, self._logged[failure[1]] = self._logged.get(failure[1], -_SILENT_SECS), record.created
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg = f"Worker {failure[1]} does not answer. Others make its steps, and it resumes when it is back."
        record.args = ()
        return record.created - last >= _SILENT_SECS


class ServerWatch(threading.Thread):
    """Ends the process when a parameter server is gone: TensorFlow may wait for one for ever.

    Args:
      addresses: of the servers.
      every_secs: how often they are asked.
      misses: how many times in a row a server may fail to answer.
      grace_secs: how long the process has to end in its ordinary way.
    """

    def __init__(
        self, addresses: Sequence[str], every_secs: float = 1.0, misses: int = 3, grace_secs: float = 4.0
    ) -> None:
        super().__init__(name="parameter server watch", daemon=True)
        self._addresses, self._every, self._misses, self._grace = addresses, every_secs, misses, grace_secs

    def run(self) -> None:
        """Asks the servers until one is gone."""
        # One answer that does not come may be a full queue of connections; several in a row are a server that is gone.
        missed = dict.fromkeys(self._addresses, 0)
        while max(missed.values()) < self._misses:
            time.sleep(self._every)
            for reached in hosts.ask(self._addresses):
                missed[reached.address] = 0 if reached.answer is hosts.Answer.LISTENS else missed[reached.address] + 1
        time.sleep(self._grace)  # the ordinary way out comes first, if it is open
        gone = ", ".join(address for address, count in missed.items() if count)
        print(
            f"The parameter server at {gone} is gone. Start the job again: it resumes from the last checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        # Not sys.exit, which would wait for threads that wait for the server.
        os._exit(PeerLostError.exit_code)
