"""The schemas of Kubernetes' and the operators' own API, from schemas.json, and what of a manifest does not fit them.

The file is made by scripts/operator_schemas.py, which says what of which release is in it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from trainer.job.findings import Finding, Level
from trainer.launch.files import schema
from trainer.launch.files.schema import Kind, Part

_FILE = pathlib.Path(__file__).parent / "schemas.json"
_KINDS = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "boolean": Kind.SWITCH,
    "int-or-string": Kind.INT_OR_TEXT,
    "quantity": Kind.NUMBER_OR_TEXT,
}
# Whose CRD says nothing of its fields, so that no cluster holds its sets to be sets: Katib's own examples do not.
_LISTS_OF_EQUALS = ("kubeflow.org/v1beta1 Experiment",)
_BITS = {"int32": 31, "int64": 63}


def schema_errors(manifest: Mapping[str, Any]) -> list[Finding]:
    """Fields that the manifest's kind does not have, wrong types, values outside enums, what is required and not there.

    A field that resembles no known one is a note, since the cluster's release may be newer than the schemas here.
    Nothing is found in a kind, or in an API group, that is not known here.
    """
    known = of_kind(str(manifest.get("apiVersion")), str(manifest.get("kind")))
    return [] if known is None else list(schema.schema_errors(dict(manifest), known, strange=Level.NOTE))


def of_kind(api_version: str, kind: str) -> Part | None:
    """The schema of a kind; of an unknown version of a known API group that of the version known here."""
    group = api_version.rpartition("/")[0]
    return next(
        (
            part
            for name, part in _schemas().items()
            if name.partition(" ")[2] == kind and name.partition(" ")[0].rpartition("/")[0] == group
        ),
        None,
    )


def kinds() -> list[str]:
    """`APIVERSION KIND` of all that are known."""
    return list(_schemas())


@functools.cache
def _schemas() -> Mapping[str, Part]:
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    parts: list[Part] = []
    for facts in data["parts"]:  # each after the parts that it has
        parts.append(_part(facts, parts))
    whole = {name: parts[kind["schema"]] for name, kind in data["kinds"].items()}
    return {name: _with_equals(part) if name in _LISTS_OF_EQUALS else part for name, part in whole.items()}


def _with_equals(part: Part) -> Part:
    """The part, in whose lists items may be equal that nothing but the whole item would tell apart."""
    return dataclasses.replace(
        part,
        fields={name: _with_equals(inner) for name, inner in part.fields.items()},
        items=None if part.items is None else _with_equals(part.items),
        keys=part.keys or None,
    )


def _part(facts: Mapping[str, Any], parts: list[Part]) -> Part:
    least, most = facts.get("minimum"), facts.get("maximum")
    if facts.get("format") in _BITS:
        bits = _BITS[facts["format"]]
        least = -(1 << bits) if least is None else least
        most = (1 << bits) - 1 if most is None else most
    for name in ("Length", "Items", "Properties"):
        least, most = facts.get(f"min{name}", least), facts.get(f"max{name}", most)
    kind = _KINDS.get(str(facts.get("type"))) if facts.get("type") else Kind.ANY
    return Part(
        kind=kind,
        fields={name: parts[index] for name, index in facts.get("properties", {}).items()},
        values=parts[facts["values"]] if "values" in facts else None,
        open=facts.get("open", False),
        items=parts[facts["items"]] if "items" in facts else None,
        keys=tuple(facts["keys"]) if "keys" in facts else None,
        required=tuple(facts.get("required", ())),
        enum=tuple(facts.get("enum", ())),
        pattern=facts.get("pattern"),
        bounds=(least, most),
    )
