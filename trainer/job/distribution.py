"""How the processes of a job share the work of training, decided from its cluster and from what was requested."""

from __future__ import annotations

import enum

from trainer.job.cluster import PS, Cluster

AUTO = "auto"


class Distribution(enum.StrEnum):
    """How the processes of a job share the work."""

    LOCAL = "local"  # this process does all of it
    PS = "ps"  # workers train, each at its own pace, on variables that parameter servers hold
    SYNC = "sync"  # workers train in step, each with a copy of the variables


ASKED = (AUTO, *Distribution)
"""What a job may ask for."""


def decide(cluster: Cluster, asked: str = AUTO, given: Distribution | None = None) -> Distribution:
    """How the processes of a cluster share the work.

    Args:
      cluster: of the job, with this process's place in it. An evaluator shares nothing: it evaluates by itself. A
        parameter server serves, whatever was asked for.
      asked: one of `ASKED`; `auto` takes parameter servers if there are any, else workers in step if there are any.
      given: what a `tf.distribute` strategy that a person made is for; it outweighs what was asked for. None where
        there is no such strategy.
    """
    if cluster.is_evaluator:
        return Distribution.LOCAL
    if cluster.task_type == PS:
        return Distribution.PS
    if given is not None:
        return Distribution.LOCAL if given is Distribution.SYNC and cluster.is_local else given
    if asked != AUTO:
        return Distribution(asked)
    if cluster.is_local:
        return Distribution.LOCAL
    return Distribution.PS if cluster.num_ps_replicas else Distribution.SYNC
