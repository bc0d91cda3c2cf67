"""Files that hold manifests for Kubernetes, and what is wrong in them, at its line."""

from __future__ import annotations

from typing import Any

from trainer.job import errors
from trainer.job.findings import Finding
from trainer.launch.files import documents, nodes
from trainer.launch.files.nodes import Node
from trainer.launch.kubernetes import rules as kubernetes_rules


def check(document: Node) -> list[Finding] | None:
    """What is wrong with a document that is a manifest; None where it is none."""
    value = nodes.plain(document)
    if not isinstance(value, dict) or "apiVersion" not in value or "kind" not in value:
        return None
    return nodes.placed(kubernetes_rules.document(value), document)


def read(path: str) -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:
    """The manifests that a file holds, in its order, and the notes about them.

    Raises:
      UsageError: it cannot be read; with the line of everything that is wrong in it (FindingsError).
    """
    findings: list[Finding] = []
    roots = documents.load(path, findings)
    errors.refuse(findings, documents.REFUSED)
    for root in roots:
        about = check(root)
        if about is None:
            accept, do = (
                "apiVersion, kind, metadata, spec",
                "python -m trainer.launch submit kubernetes --dry_run ... prints one",
            )
            about = [Finding(where=root.place, got="Not a manifest", accept=accept, do=do)]
        findings += about
    notes = errors.refuse(findings, documents.REFUSED)
    return [manifest for root in roots for manifest in _manifests(nodes.plain(root))], notes


def _manifests(value: dict[str, Any]) -> list[dict[str, Any]]:
    """A manifest, or those of a List."""
    return value.get("items") or [] if value.get("kind") == "List" else [value]
