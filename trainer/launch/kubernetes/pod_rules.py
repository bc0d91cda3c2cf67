"""What Kubernetes, or a pod itself, would refuse of a pod template: containers, variables, mounts and the task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch import task_flags
from trainer.launch.kubernetes import katib, names
from trainer.launch.kubernetes.pods import NAME, NAME_LABEL, QUEUE_LABEL
from trainer.launch.kubernetes.tables import Table, listed, table
from trainer.launch.kubernetes.volume_rules import mount_paths, volumes

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|e\d+)?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9._-]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_PLACEHOLDER = "${trial"
_GRACE_SECS = 30
"""What Kubernetes gives a pod that says nothing."""
_BUCKETS = "/gcs/"  # the task reads such paths as gs:// where nothing is mounted
_PORTS = range(1, 65536)
# Resources without a domain in their name: validateContainerResourceName.
_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def pod(pods: Table, path: Path, *, container: str | None, has_evaluator: bool) -> Iterator[Finding]:
    """What is wrong with a pod template.

    Args:
      pods: the template.
      path: of the template.
      container: the name that one container must have; None for any.
      has_evaluator: whether a process of the job evaluates.
    """
    yield from labels(table(table(pods.get("metadata")).get("labels")), (*path, "metadata", "labels"))
    spec, at = table(pods.get("spec")), (*path, "spec")
    containers = listed(spec.get("containers"))
    if not containers:
        yield Finding(where=(*at, "containers"), got="no container", accept="one", do="Write containers")
        return
    found = [str(table(entry).get("name")) for entry in containers]
    if container is not None and container not in found:
        yield Finding(
            where=(*at, "containers", 0, "name"),
            got=f"a container called {', '.join(map(repr, found))}",
            accept=f"one called {container!r}, by which the operator finds it",
            do=f"Write name: {container}",
        )
    main = found.index(container) if container in found else 0
    for index, entry in enumerate(containers):
        here = (*at, "containers", index)
        yield from _container(table(entry), here)
        if index == main:
            words = _task_words(table(entry), pods)
            mounts = mount_paths(table(entry), spec)
            yield from _task(words, here, has_evaluator=has_evaluator, mounts=mounts)
            yield from _grace(words, spec, at)
    yield from _tolerations(listed(spec.get("tolerations")), (*at, "tolerations"))
    yield from labels(table(spec.get("nodeSelector")), (*at, "nodeSelector"))
    yield from _names_of_others(spec, at)
    yield from volumes(spec, at)


def _container(entry: Table, path: Path) -> Iterator[Finding]:
    image = entry.get("image")
    if not image:
        do = "Set --image, made from the Dockerfile of `trainer.launch package --docker`"
        yield Finding(where=(*path, "image"), got="no image", accept="registry/name:tag", do=do)
    elif not _IMAGE.fullmatch(str(image)):
        accept, do = "registry/name:tag in lower case, without https://", "Correct --image"
        yield Finding(where=(*path, "image"), got=short(image), accept=accept, do=do)
    for which in ("requests", "limits"):
        yield from _resources(table(table(entry.get("resources")).get(which)), (*path, "resources", which))
    yield from ports(listed(entry.get("ports")), (*path, "ports"), "containerPort")
    yield from _variables(listed(entry.get("env")), (*path, "env"))


def _resources(amounts: Table, path: Path) -> Iterator[Finding]:
    for name, amount in amounts.items():
        at = (*path, str(name))
        if not _QUANTITY.fullmatch(str(amount)):
            accept = "a quantity, such as 4, 500m or 8Gi"
            yield Finding(where=at, got=f"{name}: {amount}", accept=accept, do=f"Correct --{name}")
        if "/" in str(name):
            if not names.is_qualified(str(name)) or not re.fullmatch(r"\d+", str(amount)):
                accept = "DOMAIN/NAME, and a whole number"
                yield Finding(where=at, got=f"{name}: {amount}", accept=accept, do="Correct --gpu_resource")
        elif name not in _STANDARD_RESOURCES and not str(name).startswith("hugepages-"):
            accept = f"{', '.join(_STANDARD_RESOURCES)}, or DOMAIN/NAME such as nvidia.com/gpu"
            do = "Set --gpu_resource to the name that kubectl describe node shows"
            yield Finding(where=at, got=f"no resource {name!r}", accept=accept, do=do)


def ports(entries: list[Any], path: Path, number: str) -> Iterator[Finding]:
    """What is wrong with the ports of a container or of a Service.

    Args:
      entries: the ports.
      path: of the list.
      number: the field that holds a port's number.
    """
    seen: set[object] = set()
    for index, raw in enumerate(entries):
        entry = table(raw)
        port, name = entry.get(number), entry.get("name")
        if isinstance(port, int) and port not in _PORTS:
            at, accept = (*path, index, number), f"from {_PORTS[0]} up to {_PORTS[-1]}"
            yield Finding(where=at, got=str(port), accept=accept, do="Correct --port")
        if name is not None and not names.is_port_name(str(name)):
            accept = "up to 15 lower-case letters, digits and dashes, a letter among them"
            yield Finding(where=(*path, index, "name"), got=short(name), accept=accept, do="Rename it")
        elif name is not None and name in seen:
            yield Finding(where=(*path, index, "name"), got=f"{name} twice", accept="each name once", do="Rename one")
        seen.add(name if isinstance(name, str) else None)


def _names_of_others(spec: Table, path: Path) -> Iterator[Finding]:
    """Names of objects that the pod refers to, which have to be such as there can be."""
    account, priority = spec.get("serviceAccountName"), spec.get("priorityClassName")
    named = [("serviceAccountName", account, "--service_account"), ("priorityClassName", priority, "--priority_class")]
    for field, name, flag in named:
        if name is not None and not names.is_subdomain(str(name)):
            yield Finding(where=(*path, field), got=short(name), accept=names.SUBDOMAIN, do=f"Correct {flag}")
    for index, raw in enumerate(listed(spec.get("imagePullSecrets"))):
        secret = table(raw).get("name")
        if not names.is_subdomain(str(secret)):
            at = (*path, "imagePullSecrets", index, "name")
            yield Finding(where=at, got=short(secret), accept=names.SUBDOMAIN, do="Correct --pull_secret")


def _variables(entries: list[Any], path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, raw in enumerate(entries):
        entry = table(raw)
        name = str(entry.get("name") or "")
        at = (*path, index, "name")
        if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name):
            yield Finding(where=at, got=short(name), accept="letters, digits, _ - and .", do="Correct --env")
        elif name == "TF_CONFIG":
            accept = "nothing: it is set for each pod"
            yield Finding(where=at, got="TF_CONFIG, the same for every pod", accept=accept, do="Drop it")
        elif name in seen:
            yield Finding(where=at, got=f"{name} twice", accept="each name once", do="Drop one")
        elif _SECRET_NAME.search(name) and entry.get("value"):
            do = f"Put it in a secret, and write --secret_env={name}=SECRET/KEY"
            yield Finding(where=at, got=f"{name} with its value in the manifest", accept="a reference", do=do)
        seen.add(name)
        yield from _secret(table(table(entry.get("valueFrom")).get("secretKeyRef")), (*path, index, "valueFrom"))


def _secret(reference: Table, path: Path) -> Iterator[Finding]:
    at, do = (*path, "secretKeyRef"), "Correct --secret_env"
    if reference and not names.is_subdomain(str(reference.get("name"))):
        yield Finding(where=(*at, "name"), got=short(reference.get("name")), accept=names.SUBDOMAIN, do=do)
    if reference and not names.is_key(str(reference.get("key"))):
        accept = "letters, digits, '-', '_' and '.'"
        yield Finding(where=(*at, "key"), got=short(reference.get("key")), accept=accept, do=do)


def runs_task(pods: Table) -> bool:
    """Whether a container of a pod template runs the task, and not another program."""
    entries = listed(table(pods.get("spec")).get("containers"))
    return any(_task_words(table(entry), pods) is not None for entry in entries)


def _task_words(entry: Table, pods: Table) -> list[str] | None:
    """The flags of the task; None where the container runs another program.

    An image says itself what it runs: it is taken for one of this package where its pod has the label that ours have,
    or where it is given flags.
    """
    words = [str(word) for word in listed(entry.get("args"))]
    if not entry.get("command"):
        is_ours = table(table(pods.get("metadata")).get("labels")).get(NAME_LABEL) == NAME
        return words if is_ours or any(word.startswith("--") for word in words) else None
    return katib.task_words(words[0]) if entry["command"] == ["sh", "-c"] and len(words) == 1 else None


def _task(words: list[str] | None, path: Path, *, has_evaluator: bool, mounts: tuple[str, ...]) -> Iterator[Finding]:
    if words is None:
        return
    fixed = [word for word in words if _PLACEHOLDER not in word]
    directory = any("{trial" in word for word in words if word.startswith("--output_dir"))
    yield from task_flags.violations(
        fixed, (*path, "args"), has_evaluator=has_evaluator, has_base_dir=directory, mounts=(_BUCKETS, *mounts)
    )


def _grace(words: list[str] | None, spec: Table, path: Path) -> Iterator[Finding]:
    """A pod that is killed while its task, as it was told to, still saves."""
    secs = spec.get("terminationGracePeriodSeconds", _GRACE_SECS)
    task_secs = None if words is None else task_flags.grace_secs(words)
    if isinstance(secs, int) and task_secs is not None and secs <= task_secs:
        yield Finding(
            where=(*path, "terminationGracePeriodSeconds"),
            got=f"{secs} s from SIGTERM to SIGKILL, and a task that takes up to {task_secs:g} s to save",
            accept="more than the task's --grace_secs",
            do="Raise --grace_secs, or give the task, after --, a smaller one",
        )


def _tolerations(entries: list[Any], path: Path) -> Iterator[Finding]:
    for index, raw in enumerate(entries):
        key, value = table(raw).get("key"), table(raw).get("value")
        if (key and not names.is_qualified(str(key))) or (value is not None and not names.is_label_value(value)):
            got, accept = (
                str(key) if value is None else f"{key}={value}",
                f"DOMAIN/NAME or NAME, and {names.LABEL_VALUE}",
            )
            yield Finding(where=(*path, index, "key"), got=got, accept=accept, do="Correct --toleration")
        effect = table(raw).get("effect")
        if effect is not None and effect not in _EFFECTS:
            do = suggestion(str(effect), _EFFECTS, "Use one of them")
            yield Finding(where=(*path, index, "effect"), got=short(effect), accept=", ".join(_EFFECTS), do=do)


def labels(pairs: Table, path: Path) -> Iterator[Finding]:
    """What is wrong with labels, or with a node selector: keys and values have narrow alphabets."""
    of_field = "--node_selector" if path[-1:] == ("nodeSelector",) else "--label"
    for key, text in pairs.items():
        flag = "--queue" if key == QUEUE_LABEL else of_field
        if not names.is_qualified(str(key)) or not names.is_label_value(text):
            accept = f"{names.LABEL_VALUE}, strings in quotes"
            yield Finding(where=(*path, str(key)), got=f"{key}={text}", accept=accept, do=f"Correct {flag}")
