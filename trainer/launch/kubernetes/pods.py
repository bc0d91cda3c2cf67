"""The pods of a job on Kubernetes: container, resources, secrets by reference, volumes, spot nodes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.launch import command_line
from trainer.launch.kubernetes import names
from trainer.launch.kubernetes.options import KubernetesOptions, Spot

Manifest = dict[str, Any]
# Kubeflow's operator wants this name; the others take any.
CONTAINER = "tensorflow"
NAME_LABEL, NAME = "app.kubernetes.io/name", "trainer"
INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Carries the job's name: by it pods find each other, and all that belongs to the job is found."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_SPOT_LABELS = {
    Spot.GKE: ("cloud.google.com/gke-spot", "true"),
    Spot.AKS: ("kubernetes.azure.com/scalesetpriority", "spot"),
    Spot.EKS: ("eks.amazonaws.com/capacityType", "SPOT"),
    Spot.KARPENTER: ("karpenter.sh/capacity-type", "spot"),
}
_TAINTED = (Spot.GKE, Spot.AKS)  # the others leave taints to whoever runs the cluster


def template(
    options: KubernetesOptions,
    argv: Sequence[str],
    env: Sequence[Manifest] = (),
    *,
    container: str = CONTAINER,
    gpu: int = 0,
    port_name: str = "training",
    subdomain: str | None = None,
) -> Manifest:
    """A PodTemplateSpec.

    Args:
      options: as the person gave them.
      argv: flags of the task.
      env: variables that say which process of the job this is.
      container: its name.
      gpu: how many GPUs it gets.
      port_name: of the port on which the processes talk to each other.
      subdomain: of the headless service under which pods find each other.
    """
    mounts, volumes = _volumes(options)
    runs: Manifest = {"name": container, "image": options.image, "args": list(argv)}
    runs |= present(
        env=[*env, *_environment(options)],
        ports=[{"name": port_name, "containerPort": options.port}],
        resources=_resources(options, gpu),
        volumeMounts=mounts,
    )
    runs["terminationMessagePolicy"] = "FallbackToLogsOnError"
    spec = present(
        serviceAccountName=options.service_account,
        priorityClassName=options.priority_class,
        securityContext=_security(options),
        imagePullSecrets=[{"name": name} for name in options.pull_secret],
        subdomain=subdomain,
        nodeSelector=_node_selector(options),
        tolerations=_tolerations(options),
        volumes=volumes,
    )
    spec = {"terminationGracePeriodSeconds": options.grace_secs, **spec, "containers": [runs]}
    return {"metadata": {"labels": labels(options)}, "spec": spec}


def labels(options: KubernetesOptions) -> dict[str, str]:
    """Labels of the job and of its pods."""
    own = {NAME_LABEL: NAME, INSTANCE_LABEL: options.name}
    return own | command_line.pairs("label", options.label)


def present(**fields: Any) -> Manifest:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


def _environment(options: KubernetesOptions) -> list[Manifest]:
    plain = [{"name": name, "value": value} for name, value in command_line.pairs("env", options.env).items()]
    secret = []
    for name, reference in command_line.pairs("secret_env", options.secret_env).items():
        holder, _, key = reference.partition("/")
        secret.append({"name": name, "valueFrom": {"secretKeyRef": {"name": holder, "key": key}}})
    return plain + secret


def _resources(options: KubernetesOptions, gpu: int) -> Manifest:
    """Equal requests and limits, so that no pod is evicted for using what it was promised."""
    amounts = present(cpu=options.cpu, memory=options.memory)
    if gpu:
        amounts[options.gpu_resource] = str(gpu)
    return {"requests": dict(amounts), "limits": dict(amounts)} if amounts else {}


def _security(options: KubernetesOptions) -> Manifest:
    """The group by which the image's user may write to volumes; a fresh one belongs to root."""
    if not options.volume or not options.fs_group:
        return {}
    return {"fsGroup": options.fs_group, "fsGroupChangePolicy": "OnRootMismatch"}


def _volumes(options: KubernetesOptions) -> tuple[list[Manifest], list[Manifest]]:
    """Mounts of the container, and volumes of the pod."""
    mounts: list[Manifest] = []
    volumes: list[Manifest] = []
    for claim, path in command_line.pairs("volume", options.volume).items():
        name = _volume_name("claim", claim, volumes)
        mounts.append({"name": name, "mountPath": path})
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    for secret, path in command_line.pairs("secret_file", options.secret_file).items():
        name = _volume_name("secret", secret, volumes)
        mounts.append({"name": name, "mountPath": path, "readOnly": True})
        volumes.append({"name": name, "secret": {"secretName": secret}})
    return mounts, volumes


def _volume_name(kind: str, name: str, volumes: Sequence[Manifest]) -> str:
    """`claim-data`; numbered where the object has a name that is too long for a volume, or has dots."""
    plain = f"{kind}-{name}"
    return plain if names.is_label(plain) else f"{kind}-{len(volumes)}"


def _node_selector(options: KubernetesOptions) -> dict[str, str]:
    chosen = command_line.pairs("node_selector", options.node_selector)
    if options.spot:
        key, value = _SPOT_LABELS[options.spot]
        chosen[key] = value
    return chosen


def _tolerations(options: KubernetesOptions) -> list[Manifest]:
    tolerations: list[Manifest] = []
    if options.spot in _TAINTED:
        key, value = _SPOT_LABELS[options.spot]
        tolerations.append({"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"})
    if options.gpu:
        tolerations.append({"key": options.gpu_resource, "operator": "Exists", "effect": "NoSchedule"})
    for text in options.toleration:
        taint, _, effect = text.rpartition(":")
        key, equals, value = taint.partition("=")
        compared = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
        tolerations.append({"key": key, **compared, "effect": effect})
    return tolerations
