"""A study on Kubernetes: a Katib Experiment whose trials are the jobs that would be submitted without it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.job.cluster import CHIEF, EVALUATOR
from trainer.job.errors import UsageError
from trainer.launch.kubernetes import katib
from trainer.launch.kubernetes import manifests as kubernetes
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.kubernetes.pods import CONTAINER, Manifest, labels
from trainer.launch.study.study import Study


def manifests(options: KubernetesOptions, task_argv: Sequence[str], study: Study) -> list[Manifest]:
    """The Experiment, and before it the service under which the pods of its trials find each other.

    Args:
      options: as the person gave them.
      task_argv: flags of the task, the same in every trial.
      study: what is searched.

    Raises:
      UsageError: Katib does not run such a study, or such jobs.
    """
    argv = [*kubernetes.arguments(options, task_argv), *katib.trial_flags(study)]
    trial = _trial(options, argv)
    for container in _containers(trial):
        own = [{"name": name, "value": value} for name, value in katib.environment(study).items()]
        container["env"] = [*container.get("env", []), *own]
        container |= katib.command(argv)
    experiment = katib.experiment(
        study,
        name=options.name,
        namespace=options.namespace,
        labels=labels(options),
        trial_spec=trial,
        primary_container=CONTAINER,
        primary_pod_labels=_reporting_pod(options),
    )
    return [*(kubernetes.services(options) if options.kind is Workload.JOB else []), experiment]


def _trial(options: KubernetesOptions, argv: Sequence[str]) -> Manifest:
    match options.kind:
        case Workload.TFJOB:
            return kubernetes.tf_job(options, argv)
        case Workload.JOB:
            return kubernetes.indexed_job(options, argv, host=katib.TRIAL_NAME)
        case _:
            got = f"--config with --kind={options.kind.value}"
            raise UsageError(got, "--kind=job or tfjob", "Choose one of them for the trials")


def _reporting_pod(options: KubernetesOptions) -> Mapping[str, str] | None:
    """Labels of the pod that evaluates, whose metric counts; None where there is one pod."""
    if options.num_pods == 1:
        return None
    role = EVALUATOR if options.evaluator else CHIEF
    if options.kind is Workload.TFJOB:
        return {"training.kubeflow.org/replica-type": role, "training.kubeflow.org/replica-index": "0"}
    index = options.num_pods - 1 if options.evaluator else 0
    return {"batch.kubernetes.io/job-completion-index": str(index)}


def _containers(trial: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The container of each pod template."""
    spec = trial["spec"]
    holders = spec["tfReplicaSpecs"].values() if "tfReplicaSpecs" in spec else [spec]
    for holder in holders:
        yield from holder["template"]["spec"]["containers"]
