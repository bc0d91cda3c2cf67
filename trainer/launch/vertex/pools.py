"""What is wrong with the worker pools of a job on Vertex AI: who is in which, on what machines, running what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job import findings
from trainer.job.cluster import JOB_TYPES
from trainer.job.findings import Finding, Path, short
from trainer.launch.files.schema import whole
from trainer.launch.vertex import machines as vertex_machines

BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/.*)?")
_DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9._-]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
_RESERVED_ENV = re.compile(r"TF_CONFIG|CLUSTER_SPEC|(AIP|CLOUD_ML)_\w+")
_PYTHON_OF_IMAGE = re.compile(r"\.py(\d)(\d{1,2})\b")


def counts(pools: list[Any], path: Path) -> Iterator[Finding]:
    """What is wrong with their numbers: one chief, workers where there are parameter servers, one evaluator at most."""
    replicas = [whole((pool or {}).get("replicaCount", 0)) or 0 for pool in pools]
    if not pools or not pools[0]:
        accept, do = "a pool of one machine first, the chief", "Put the chief at index 0"
        yield Finding(where=(*path, 0), got="no chief", accept=accept, do=do)
        return
    if len(pools) > 4:
        accept = "chief, workers, parameter servers and evaluator, in this order"
        yield Finding(where=path, got=f"{len(pools)} pools", accept=accept, do="Drop the others")
        return
    for index, count in enumerate(replicas):
        at, role = (*path, index, "replicaCount"), JOB_TYPES[index]
        if pools[index] and count < 1:
            do = "Set it, or write {} for a pool without machines"
            yield Finding(where=at, got=f"{count} replicas of {role}", accept="1 or more", do=do)
        elif index == 0 and count > 1:
            do = "Set replicaCount to 1, and move the others to pool 1, the workers"
            yield Finding(where=at, got=f"{count} chiefs", accept="exactly one", do=do)
        elif index == 3 and count > 1:
            do = "Set replicaCount to 1"
            yield Finding(where=at, got=f"{count} evaluators", accept="one, as TensorFlow expects", do=do)
    if len(pools) > 2 and pools[2] and not pools[1]:
        do = "Add workers (--worker=1), or drop the parameter servers"
        yield Finding(where=(*path, 2), got="parameter servers without workers", accept="workers in pool 1", do=do)


def one(pool: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """What is wrong with one WorkerPoolSpec: machines, disk, and what they run."""
    yield from vertex_machines.violations(pool.get("machineSpec") or {}, (*path, "machineSpec"))
    yield from _disk(pool.get("diskSpec") or {}, (*path, "diskSpec"))
    container, package = pool.get("containerSpec"), pool.get("pythonPackageSpec")
    if (container is None) == (package is None):
        got = "both an image and a package" if container is not None else "nothing to run"
        accept = "containerSpec or pythonPackageSpec"
        yield Finding(where=path, got=got, accept=accept, do="Set --image, or --executor_image with a package")
        return
    if container is not None:
        at = (*path, "containerSpec")
        yield from _image(container.get("imageUri"), (*at, "imageUri"), "--image")
    else:
        at = (*path, "pythonPackageSpec")
        yield from _package(package or {}, at)
    yield from _env((container or package or {}).get("env") or [], (*at, "env"))


def _disk(disk: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    kind, size = disk.get("bootDiskType"), disk.get("bootDiskSizeGb")
    if kind is not None and kind not in _DISKS:
        yield findings.unknown((*path, "bootDiskType"), "disk type", kind, _DISKS, decides="Vertex AI")
    if size is not None and not 100 <= (whole(size) or 0) <= 64000:
        at = (*path, "bootDiskSizeGb")
        yield Finding(where=at, got=f"{size} GB", accept="100 to 64000 GB", do="Set --disk=pd-ssd:100 or larger")


def _image(uri: object, path: Path, flag: str) -> Iterator[Finding]:
    if not uri:
        do = "Set --image, made from the Dockerfile of `trainer.launch package --docker`, or --executor_image"
        yield Finding(where=path, got="no image", accept="registry/repository/name:tag", do=do)
    elif not _IMAGE.fullmatch(str(uri)):
        accept = "registry/repository/name:tag in lower case, without https://"
        yield Finding(where=path, got=short(uri), accept=accept, do=f"Correct {flag}")


def _package(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    image, uris = spec.get("executorImageUri"), spec.get("packageUris") or []
    yield from _image(image, (*path, "executorImageUri"), "--executor_image")
    python = _PYTHON_OF_IMAGE.search(str(image))
    if python and (int(python[1]), int(python[2])) < (3, 11):
        yield Finding(
            where=(*path, "executorImageUri"),
            got=f"an image with Python {python[1]}.{python[2]}",
            accept="Python 3.11 or newer, which this package needs",
            do="Choose an image with .py311 or newer, or build one: `trainer.launch package --docker`",
        )
    if image and not 1 <= len(uris) <= 100:
        do = "Set --package=gs://bucket/trainer.tar.gz, or --staging for this source"
        yield Finding(where=(*path, "packageUris"), got=f"{len(uris)} packages", accept="1 to 100", do=do)
    for index, uri in enumerate(uris):
        if not BUCKET.fullmatch(uri) or not uri.endswith((".tar.gz", ".whl", ".zip")):
            at, do = (*path, "packageUris", index), "Upload it: python -m trainer.launch package --bucket=gs://BUCKET"
            yield Finding(where=at, got=short(uri), accept="gs://... of a .tar.gz or .whl", do=do)
    module = spec.get("pythonModule") or ""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        at = (*path, "pythonModule")
        yield Finding(where=at, got=short(module), accept="a module's dotted name", do="Write trainer.task")


def _env(entries: list[Any], path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        name, at = entry.get("name") or "", (*path, index, "name")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            yield Finding(where=at, got=short(name), accept="letters, digits and _", do="Correct --env")
        elif _RESERVED_ENV.fullmatch(name):
            accept = "names that the service does not set itself"
            yield Finding(where=at, got=f"{name}, which the service sets", accept=accept, do="Drop it")
        elif name in seen:
            yield Finding(where=at, got=f"{name} twice", accept="each name once", do="Drop one")
        seen.add(name)
