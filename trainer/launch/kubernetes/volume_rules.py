"""What Kubernetes would refuse of a pod's volumes and of where its containers mount them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.job.findings import Finding, Path, short
from trainer.launch.kubernetes import names
from trainer.launch.kubernetes.tables import Table, listed, table

_OF_ONE_POD = ("emptyDir", "secret", "configMap", "downwardAPI", "projected")
"""Volumes that no other pod writes to, and that are gone with the pod."""


def volumes(spec: Table, path: Path) -> Iterator[Finding]:
    """What is wrong with the volumes of a pod, and with the mounts of its containers.

    Args:
      spec: of the pod.
      path: of the spec.
    """
    known: list[object] = []
    for index, raw in enumerate(listed(spec.get("volumes"))):
        volume, at = table(raw), (*path, "volumes", index)
        name = volume.get("name")
        if not names.is_label(str(name)):
            accept = "lower-case letters, digits and dashes, up to 63"
            yield Finding(where=(*at, "name"), got=short(name), accept=accept, do="Rename it")
        elif name in known:
            yield Finding(where=(*at, "name"), got=f"{name} twice", accept="each name once", do="Rename one")
        known.append(name)
        yield from _source(volume, at)
    for index, container in enumerate(listed(spec.get("containers"))):
        at = (*path, "containers", index, "volumeMounts")
        yield from _mounts(listed(table(container).get("volumeMounts")), known, at)


def mount_paths(container: Table, spec: Table) -> tuple[str, ...]:
    """Where the container has files that outlive its pod."""
    passing = {
        table(volume).get("name")
        for volume in listed(spec.get("volumes"))
        if any(field in table(volume) for field in _OF_ONE_POD)
    }
    mounts = [table(mount) for mount in listed(container.get("volumeMounts"))]
    return tuple(str(mount.get("mountPath")) for mount in mounts if mount.get("name") not in passing)


def _source(volume: Table, path: Path) -> Iterator[Finding]:
    claim = table(volume.get("persistentVolumeClaim")).get("claimName")
    secret = table(volume.get("secret")).get("secretName")
    named = [
        ("persistentVolumeClaim", "claimName", claim, "--volume"),
        ("secret", "secretName", secret, "--secret_file"),
    ]
    for source, field, name, flag in named:
        if name is not None and not names.is_subdomain(str(name)):
            at = (*path, source, field)
            yield Finding(where=at, got=short(name), accept=names.SUBDOMAIN, do=f"Correct {flag}")


def _mounts(mounts: list[Any], known: list[object], path: Path) -> Iterator[Finding]:
    """ValidateVolumeMounts: a volume of the pod, at a path of its own."""
    seen: set[str] = set()
    for number, raw in enumerate(mounts):
        mount, at = table(raw), (*path, number)
        where = str(mount.get("mountPath", ""))
        if mount.get("name") not in known:
            accept, do = f"volumes of the pod: {known}", "Add the volume"
            yield Finding(where=(*at, "name"), got=short(mount.get("name")), accept=accept, do=do)
        if not where.startswith("/"):
            got, do = short(mount.get("mountPath")), "Write it as /mnt/data"
            yield Finding(where=(*at, "mountPath"), got=got, accept="an absolute path", do=do)
        elif ":" in where:
            yield Finding(where=(*at, "mountPath"), got=short(where), accept="a path without ':'", do="Rename it")
        elif where in seen:
            got, do = f"a second volume on {where}", "Mount it elsewhere"
            yield Finding(where=(*at, "mountPath"), got=got, accept="each path once", do=do)
        seen.add(where)
