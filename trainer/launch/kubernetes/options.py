"""What a person types after `python -m trainer.launch submit kubernetes`, checked as far as one flag can tell."""

from __future__ import annotations

import dataclasses
import enum

from trainer.job.cluster import CHIEF, EVALUATOR, PS, WORKER
from trainer.job.config import require_not_negative, require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line

# What Kubernetes, the operators and this package put on pods themselves.
_TAKEN_LABELS = {
    "app.kubernetes.io/name": "the submission",
    "app.kubernetes.io/instance": "the submission",
    "batch.kubernetes.io/": "Kubernetes",
    "job-name": "Kubernetes",
    "controller-uid": "Kubernetes",
    "training.kubeflow.org/": "Kubeflow",
    "trainer.kubeflow.org/": "Kubeflow",
    "jobset.sigs.k8s.io/": "JobSet",
    "katib.kubeflow.org/": "Katib",
    "kueue.x-k8s.io/queue-name": "--queue",
}


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
    name: str = setting("trainer", "what the job's name begins with; the time of the submission follows")
    namespace: str = setting("default", "where it runs")
    image: str | None = setting(None, "container image that runs the task")
    python_image: str | None = setting(
        None,
        "instead of --image: one with Python 3.11 to 3.13, in which each process installs this source at its start",
    )
    staging: str | None = setting(
        None, "gs://bucket/folder for the source of --python_image or --build=cloud; default: packages in --output_dir"
    )
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
    max_restarts: int | None = setting(
        None,
        "restarts of each pod that fails; those that exit 143 or are preempted are not counted; default: 10; not with "
        "tfjob, whose operator starts any number after exit codes from 128 up, and none after others",
    )
    timeout_secs: int | None = setting(None, "longest running time of the job, or of each trial of a study")
    ttl_secs: int | None = setting(None, "seconds after its end until the job is deleted; default: never")
    grace_secs: int = setting(60, "seconds from SIGTERM to SIGKILL, in which a process saves")
    spot: Spot | None = setting(None, "run on spot nodes, which are cheap, but may be taken away at any time")
    node_selector: tuple[str, ...] = setting((), "LABEL=VALUE that nodes must have, with commas between", repeats=True)
    priority_class: str | None = setting(None, "PriorityClass of the pods")
    queue: str | None = setting(None, "queue of Kueue (a LocalQueue) in which the job waits for its resources")
    toleration: tuple[str, ...] = setting(
        (), "KEY=VALUE:EFFECT taints that are tolerated, with commas between", repeats=True
    )
    service_account: str | None = setting(None, "Kubernetes service account of the pods")
    pull_secret: tuple[str, ...] = setting((), "secrets with which the image is pulled", repeats=True)
    env: tuple[str, ...] = setting((), "NAME=VALUE for every pod, with commas between; no secrets", repeats=True)
    secret_env: tuple[str, ...] = setting((), "NAME=SECRET/KEY: a variable whose value is in a secret", repeats=True)
    secret_file: tuple[str, ...] = setting(
        (), "SECRET=/path: a secret mounted as files, such as Google's credentials", repeats=True
    )
    volume: tuple[str, ...] = setting(
        (), "CLAIM=/mnt/path: a persistent volume claim that all pods share", repeats=True
    )
    fs_group: int = setting(1000, "group by which the image's user may write to a --volume; 0: none is set")
    label: tuple[str, ...] = setting((), "KEY=VALUE labels of the job and its pods", repeats=True)
    port: int = setting(2222, "port on which the processes talk to each other")
    config: str | None = setting(None, "the study (hptuning_config.yaml): a Katib Experiment of such jobs")
    manifest: str | None = setting(
        None, "a manifest in a file (of --dry_run, perhaps edited), instead of all of the above"
    )
    context: str | None = setting(None, "kubectl's context; default: the current one")

    def __post_init__(self) -> None:
        for name in (WORKER, PS, EVALUATOR, "gpu", "max_restarts", "grace_secs", "fs_group"):
            require_not_negative(name, getattr(self, name) or 0)
        for name in ("timeout_secs", "ttl_secs"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        for name in ("env", "secret_env", "secret_file", "volume", "label", "node_selector"):
            command_line.pairs(name, getattr(self, name))
        for text in self.secret_env:
            if text.partition("=")[2].count("/") != 1:
                do = "Write it as --secret_env=API_KEY=my-secret/key"
                raise UsageError(f"--secret_env={text}", "NAME=SECRET/KEY", do)
        self._require_one_image()
        self._require_own_labels()
        self._require_what_the_operator_does()
        for text in self.toleration:
            if ":" not in text:
                do = "Write it as --toleration=dedicated=training:NoSchedule"
                raise UsageError(f"--toleration={text}", "KEY=VALUE:EFFECT or KEY:EFFECT", do)

    def _require_one_image(self) -> None:
        if self.python_image is not None and self.image is not None:
            raise UsageError("--image with --python_image", "one of the two", "Drop one")

    def _require_own_labels(self) -> None:
        for key in command_line.pairs("label", self.label):
            owner = next((owner for begin, owner in _TAKEN_LABELS.items() if key.startswith(begin)), None)
            if owner is not None:
                do = "Name it otherwise"
                raise UsageError(f"--label={key}=..., which {owner} sets", "labels of your own", do)

    def _require_what_the_operator_does(self) -> None:
        """Flags that an operator has nothing for."""
        if self.kind is Workload.TFJOB and self.max_restarts is not None:
            # ReconcilePods counts nothing under ExitCode; ReconcileJobs ends a job with backoffLimit 0 at a pod's end.
            raise UsageError(
                "--max_restarts with --kind=tfjob",
                "--kind=job, jobset or trainjob with it",
                "Drop it: Kubeflow's operator starts a pod again after each exit code from 128 up, and after no other",
            )
        if self.ttl_secs is not None and (self.kind is Workload.TRAINJOB or self.config is not None):
            what = "--kind=trainjob" if self.config is None else "--config"
            owner = "Kubeflow Trainer" if self.config is None else "Katib"
            do = f"Drop it: {owner} leaves what has ended where it is, until `trainer.launch cancel kubernetes`"
            raise UsageError(f"--ttl_secs with {what}", "--kind=job, jobset or tfjob, without --config", do)

    @property
    def counts(self) -> dict[str, int]:
        """How many pods of each role, in the order of an Indexed Job's indexes."""
        return {CHIEF: 1, WORKER: self.worker, PS: self.ps, EVALUATOR: self.evaluator}

    @property
    def num_pods(self) -> int:
        """How many pods the job has."""
        return sum(self.counts.values())
