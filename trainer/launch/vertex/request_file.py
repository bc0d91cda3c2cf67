"""Files that hold requests to Vertex AI, and what is wrong in them, at its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trainer.job import errors
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch.files import documents, nodes
from trainer.launch.files.nodes import Node
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex import rules as vertex_rules

_OPAQUE = frozenset(("labels",))  # whose keys are the person's


def check(document: Node) -> list[Finding] | None:
    """What is wrong with a document that holds a request; None where it holds none."""
    node = camel(document)
    request = nodes.plain(node)
    if not isinstance(request, dict):
        return None
    if "workerPoolSpecs" in request:
        return nodes.placed(vertex_rules.job_spec(request), node)
    if "jobSpec" in request:
        return nodes.placed(vertex_rules.custom_job(request), node)
    if "trialJobSpec" in request:
        return nodes.placed(vertex_rules.tuning_job(request), node)
    return None


def read(path: str, *, name: str) -> vertex.Request:
    """The body that a file holds: a CustomJob, a HyperparameterTuningJob, or a bare CustomJobSpec as gcloud takes it.

    Args:
      path: of a JSON or YAML file; fields in camelCase or snake_case.
      name: display name of a bare CustomJobSpec.

    Raises:
      UsageError: the file cannot be read, or holds something else. Rules of the request are not checked here.
    """
    findings: list[Finding] = []
    roots = documents.load(path, findings)
    errors.refuse(findings, documents.REFUSED)
    request = nodes.plain(camel(roots[0]))
    if isinstance(request, dict) and "workerPoolSpecs" in request:
        return {"displayName": name, "jobSpec": request}
    if not is_request(request):
        accept = "a CustomJob (jobSpec), a HyperparameterTuningJob (trialJobSpec) or a CustomJobSpec"
        do = "python -m trainer.launch submit vertex --dry_run ... prints one"
        raise UsageError(f"{path} does not hold a request to Vertex AI", accept, do)
    whole: vertex.Request = request
    return whole


def is_request(value: Any) -> bool:
    """Whether the value is the body of a CustomJob or a HyperparameterTuningJob."""
    return isinstance(value, Mapping) and bool({"jobSpec", "trialJobSpec"} & set(value))


def task_argv(request: object) -> list[str]:
    """The flags of the task in the chief's pool; empty where there are none."""
    spec = _table(_table(request).get("trialJobSpec") or _table(request).get("jobSpec"))
    pools = spec.get("workerPoolSpecs")
    chief = _table(pools[0]) if isinstance(pools, list) and pools else {}
    args = _table(chief.get("containerSpec") or chief.get("pythonPackageSpec")).get("args")
    return list(map(str, args)) if isinstance(args, list) else []


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def camel(node: Node) -> Node:
    """The document with keys in camelCase, each where it stood."""
    return nodes.with_keys(node, lambda key: re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), key), _OPAQUE)
