"""Files that describe jobs: requests to Vertex AI and manifests for Kubernetes, each fault at its line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from trainer.job.errors import UsageError
from trainer.launch.breaches import Breach
from trainer.launch.files import documents
from trainer.launch.files.documents import Array, Entry, Fault, Node, Table
from trainer.launch.kubernetes import rules as kubernetes_rules
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex import rules as vertex_rules

_MAPS = ("labels",)  # whose keys are the person's


def faults(document: Node) -> list[Fault] | None:
    """What is wrong with a document that describes a job; None where it describes none."""
    value = documents.plain(document)
    if not isinstance(value, dict):
        return None
    if "apiVersion" in value and "kind" in value:
        return _placed(kubernetes_rules.document(value), document)
    node = camel(document)
    request = documents.plain(node)
    if "workerPoolSpecs" in request:
        wrapped = {"displayName": "job", "jobSpec": request}
        found = [dataclasses.replace(entry, path=entry.path[1:]) for entry in vertex_rules.custom_job(wrapped)]
        return _placed(found, node)
    if "jobSpec" in request:
        return _placed(vertex_rules.custom_job(request), node)
    if "trialJobSpec" in request:
        return _placed(vertex_rules.tuning_job(request), node)
    return None


def vertex_request(path: str, *, name: str) -> vertex.Request:
    """The body that a file holds: a CustomJob, a HyperparameterTuningJob, or a bare CustomJobSpec as gcloud takes it.

    Args:
      path: of a JSON or YAML file; fields in camelCase or snake_case.
      name: display name of a bare CustomJobSpec.

    Raises:
      UsageError: the file cannot be read, or holds something else. Rules of the request are not checked here.
    """
    node = camel(_only(path))
    request = documents.plain(node)
    if isinstance(request, dict) and "workerPoolSpecs" in request:
        return {"displayName": name, "jobSpec": request}
    if not isinstance(request, dict) or not {"jobSpec", "trialJobSpec"} & set(request):
        accept = "a CustomJob (jobSpec), a HyperparameterTuningJob (trialJobSpec) or a CustomJobSpec"
        do = "python -m trainer.launch submit vertex --dry_run ... prints one"
        raise UsageError(f"{path} holds no request to Vertex AI", accept, do)
    return request


def manifests(path: str) -> list[dict[str, Any]]:
    """The manifests that a file holds, in its order.

    Raises:
      UsageError: it cannot be read; with the line of everything that is wrong in it (FaultyFileError).
    """
    found: list[Fault] = []
    nodes = documents.load(path, found)
    for node in nodes if not found else ():
        value = documents.plain(node)
        if not isinstance(value, dict) or "kind" not in value or "apiVersion" not in value:
            do = "python -m trainer.launch submit kubernetes --dry_run ... prints one"
            found.append(Fault(place=node.place, got="No manifest", accept="apiVersion, kind, metadata, spec", do=do))
        else:
            found += faults(node) or ()
    if found:
        raise documents.FaultyFileError(found)
    return [documents.plain(node) for node in nodes]


def camel(node: Node) -> Node:
    """The document with keys in camelCase, each where it stood."""
    match node:
        case Array():
            return dataclasses.replace(node, items=tuple(camel(item) for item in node.items))
        case Table():
            return dataclasses.replace(node, entries=tuple(map(_camel_entry, node.entries)))
        case _:
            return node


def _camel_entry(entry: Entry) -> Entry:
    name = re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), entry.key.text)
    value = entry.value if name in _MAPS else camel(entry.value)
    return dataclasses.replace(entry, key=dataclasses.replace(entry.key, text=name), value=value)


def _only(path: str) -> Node:
    found: list[Fault] = []
    nodes = documents.load(path, found)
    if found:
        raise documents.FaultyFileError(found)
    return nodes[0]


def _placed(found: Iterable[Breach], node: Node) -> list[Fault]:
    return [_fault(entry, node) for entry in found]


def _fault(breach: Breach, node: Node) -> Fault:
    steps: Sequence[Any] = breach.path
    return Fault(
        place=documents.at(node, steps), got=f"{breach.field}: {breach.got}", accept=breach.accept, do=breach.do
    )
