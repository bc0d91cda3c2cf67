"""The processes of a job, and which of them this is: a value (`tasks`), and how environments describe it."""

from trainer.job.cluster.environment import from_environment
from trainer.job.cluster.tasks import CHIEF, EVALUATOR, JOB_TYPES, MASTER, PS, WORKER, Cluster, ClusterError

__all__ = [
    "CHIEF",
    "EVALUATOR",
    "JOB_TYPES",
    "MASTER",
    "PS",
    "WORKER",
    "Cluster",
    "ClusterError",
    "from_environment",
]
