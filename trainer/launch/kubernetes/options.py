"""What a person types after `python -m trainer.launch submit kubernetes`, checked as far as one flag can tell."""

from __future__ import annotations

import dataclasses
import enum

from trainer.job.cluster import CHIEF, EVALUATOR, PS, WORKER
from trainer.job.config import require_not_negative, require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line


class Workload(enum.Enum):
    JOB = "job"
    TFJOB = "tfjob"
    JOBSET = "jobset"
    TRAINJOB = "trainjob"


class Spot(enum.Enum):
    """Whose spot nodes: each cloud marks and taints its own."""

    GKE = "gke"
    AKS = "aks"
    EKS = "eks"
    KARPENTER = "karpenter"


@dataclasses.dataclass(frozen=True, kw_only=True)
class KubernetesOptions:
    """The job on Kubernetes:"""  # the heading of --help

    kind: Workload = setting(
        Workload.JOB, "job: a plain Indexed Job; tfjob: Kubeflow's operator; jobset; trainjob: Kubeflow Trainer v2"
    )
    name: str = setting("trainer", "name of the job: lower-case letters, digits and dashes")
    namespace: str = setting("default", "where it runs")
    image: str | None = setting(None, "container image that runs the task")
    output_dir: str | None = setting(
        None, "gs://bucket/run, or a folder of a --volume; passed to the task", alias=("job_dir",)
    )
    worker: int = setting(0, "workers, besides the chief")
    ps: int = setting(0, "parameter servers")
    evaluator: int = setting(0, "1: evaluates in a pod of its own")
    cpu: str | None = setting(None, "cores of each pod, such as 4 or 500m")
    memory: str | None = setting(None, "memory of each pod, such as 8Gi")
    gpu: int = setting(0, "GPUs in each pod that computes (chief and workers)")
    gpu_resource: str = setting("nvidia.com/gpu", "their resource name in the cluster")
    max_restarts: int = setting(
        10, "restarts of each pod that fails; those that exit 143 or are preempted are not counted"
    )
    timeout_secs: int | None = setting(None, "longest running time of the job")
    ttl_secs: int | None = setting(None, "seconds after its end until the job is deleted; default: never")
    grace_secs: int = setting(60, "seconds from SIGTERM to SIGKILL, in which a process saves")
    spot: Spot | None = setting(None, "run on spot nodes, which are cheap, but may be taken away at any time")
    node_selector: tuple[str, ...] = setting((), "LABEL=VALUE that nodes must have, with commas between")
    toleration: tuple[str, ...] = setting((), "KEY=VALUE:EFFECT taints that are tolerated, with commas between")
    service_account: str | None = setting(None, "Kubernetes service account of the pods")
    pull_secret: tuple[str, ...] = setting((), "secrets with which the image is pulled")
    env: tuple[str, ...] = setting((), "NAME=VALUE for every pod, with commas between; no secrets")
    secret_env: tuple[str, ...] = setting((), "NAME=SECRET/KEY: a variable whose value is in a secret")
    secret_file: tuple[str, ...] = setting((), "SECRET=/path: a secret mounted as files, such as Google's credentials")
    volume: tuple[str, ...] = setting((), "CLAIM=/mnt/path: a persistent volume claim that all pods share")
    label: tuple[str, ...] = setting((), "KEY=VALUE labels of the job and its pods")
    port: int = setting(2222, "port on which the processes talk to each other")
    config: str | None = setting(None, "the study (hptuning_config.yaml): a Katib Experiment of such jobs")
    manifest: str | None = setting(
        None, "a manifest in a file (of --dry_run, perhaps edited), instead of all of the above"
    )
    context: str | None = setting(None, "kubectl's context; default: the current one")

    def __post_init__(self) -> None:
        for name in (WORKER, PS, EVALUATOR, "gpu", "max_restarts", "grace_secs"):
            require_not_negative(name, getattr(self, name))
        for name in ("timeout_secs", "ttl_secs"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        for name in ("env", "secret_env", "secret_file", "volume", "label", "node_selector"):
            command_line.pairs(name, getattr(self, name))
        for text in self.secret_env:
            if text.partition("=")[2].count("/") != 1:
                do = "Write it as --secret_env=API_KEY=my-secret/key"
                raise UsageError(f"--secret_env={text}", "NAME=SECRET/KEY", do)
        for text in self.toleration:
            if ":" not in text:
                do = "Write it as --toleration=dedicated=training:NoSchedule"
                raise UsageError(f"--toleration={text}", "KEY=VALUE:EFFECT or KEY:EFFECT", do)

    @property
    def counts(self) -> dict[str, int]:
        """How many pods of each role, in the order of an Indexed Job's indexes."""
        return {CHIEF: 1, WORKER: self.worker, PS: self.ps, EVALUATOR: self.evaluator}

    @property
    def num_pods(self) -> int:
        """How many pods the job has."""
        return sum(self.counts.values())
