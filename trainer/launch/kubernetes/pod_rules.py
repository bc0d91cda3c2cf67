"""What Kubernetes, or a pod itself, would refuse of a pod template: containers, variables, mounts and the task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch import task_flags

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|e\d+)?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9._-]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_PLACEHOLDER = "${trial"
_GRACE_SECS = 30
"""What Kubernetes gives a pod that says nothing."""

Table = Mapping[str, Any]


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
    names = [str(table(entry).get("name")) for entry in containers]
    if container is not None and container not in names:
        yield Finding(
            where=(*at, "containers", 0, "name"),
            got=f"a container called {', '.join(map(repr, names))}",
            accept=f"one called {container!r}, by which the operator finds it",
            do=f"Write name: {container}",
        )
    main = names.index(container) if container in names else 0
    for index, entry in enumerate(containers):
        here = (*at, "containers", index)
        yield from _container(table(entry), here)
        if index == main:
            yield from _task(table(entry), here, has_evaluator=has_evaluator)
            yield from _grace(table(entry), spec, at)
    yield from _tolerations(listed(spec.get("tolerations")), (*at, "tolerations"))
    yield from _mounts(spec, containers, at)


def _container(entry: Table, path: Path) -> Iterator[Finding]:
    image = entry.get("image")
    if not image:
        do = "Set --image, made from the Dockerfile of `trainer.launch package --docker`"
        yield Finding(where=(*path, "image"), got="no image", accept="registry/name:tag", do=do)
    elif not _IMAGE.fullmatch(str(image)):
        accept, do = "registry/name:tag in lower case, without https://", "Correct --image"
        yield Finding(where=(*path, "image"), got=short(image), accept=accept, do=do)
    for which in ("requests", "limits"):
        for name, amount in table(table(entry.get("resources")).get(which)).items():
            if not _QUANTITY.fullmatch(str(amount)):
                at, accept = (*path, "resources", which, str(name)), "a quantity, such as 4, 500m or 8Gi"
                yield Finding(where=at, got=f"{name}: {amount}", accept=accept, do=f"Correct --{name}")
    yield from _variables(listed(entry.get("env")), (*path, "env"))


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


def _task(entry: Table, path: Path, *, has_evaluator: bool) -> Iterator[Finding]:
    """The flags of the task, unless the container runs another program."""
    words = [str(word) for word in listed(entry.get("args"))]
    if entry.get("command"):
        return
    fixed = [word for word in words if _PLACEHOLDER not in word]
    directory = any("{trial" in word for word in words if word.startswith("--output_dir"))
    yield from task_flags.violations(fixed, (*path, "args"), has_evaluator=has_evaluator, has_base_dir=directory)


def _grace(entry: Table, spec: Table, path: Path) -> Iterator[Finding]:
    """A pod that is killed while its task, as it was told to, still saves."""
    secs = spec.get("terminationGracePeriodSeconds", _GRACE_SECS)
    task_secs = task_flags.grace_secs([str(word) for word in listed(entry.get("args"))])
    if not entry.get("command") and isinstance(secs, int) and task_secs is not None and secs <= task_secs:
        yield Finding(
            where=(*path, "terminationGracePeriodSeconds"),
            got=f"{secs} s from SIGTERM to SIGKILL, and a task that takes up to {task_secs:g} s to save",
            accept="more than the task's --grace_secs",
            do="Raise --grace_secs, or give the task, after --, a smaller one",
        )


def _tolerations(entries: list[Any], path: Path) -> Iterator[Finding]:
    for index, raw in enumerate(entries):
        effect = table(raw).get("effect")
        if effect is not None and effect not in _EFFECTS:
            do = suggestion(str(effect), _EFFECTS, "Use one of them")
            yield Finding(where=(*path, index, "effect"), got=short(effect), accept=", ".join(_EFFECTS), do=do)


def _mounts(spec: Table, containers: list[Any], path: Path) -> Iterator[Finding]:
    volumes = [table(entry).get("name") for entry in listed(spec.get("volumes"))]
    for index, container in enumerate(containers):
        for number, raw in enumerate(listed(table(container).get("volumeMounts"))):
            mount, at = table(raw), (*path, "containers", index, "volumeMounts", number)
            if mount.get("name") not in volumes:
                accept, do = f"volumes of the pod: {volumes}", "Add the volume"
                yield Finding(where=(*at, "name"), got=short(mount.get("name")), accept=accept, do=do)
            if not str(mount.get("mountPath", "")).startswith("/"):
                got, do = short(mount.get("mountPath")), "Write it as /mnt/data"
                yield Finding(where=(*at, "mountPath"), got=got, accept="an absolute path", do=do)


def labels(pairs: Table, path: Path) -> Iterator[Finding]:
    """What is wrong with labels: keys and values have narrow alphabets."""
    for key, text in pairs.items():
        wrong_value = not isinstance(text, str) or len(text) > 63 or not _LABEL_VALUE.fullmatch(text)
        if not _LABEL_KEY.fullmatch(str(key)) or wrong_value:
            accept = "letters, digits, '-', '_' and '.', up to 63, strings in quotes"
            yield Finding(where=(*path, str(key)), got=f"{key}={text}", accept=accept, do="Correct --label")


def table(value: object) -> Table:
    """The value where it is a table; else an empty one, whose lack is reported where one of its fields is needed."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """The value where it is a list; else an empty one."""
    return value if isinstance(value, list) else []
