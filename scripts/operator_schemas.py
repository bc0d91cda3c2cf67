"""Makes trainer/launch/kubernetes/schemas.json from the operators' own schemas: for maintainers, on a new release.

    python scripts/operator_schemas.py --training_operator=DIR --trainer=DIR --jobset=DIR --katib=DIR

Each DIR is a git repository of the project (kubeflow/training-operator, kubeflow/trainer, kubernetes-sigs/jobset,
kubeflow/katib), of which the release below is read. What is taken are facts that a machine checks: fields, types,
required ones, enums, patterns and bounds. Prose, the status, defaults and CEL rules are left out. Equal parts, such as
pods, are kept once: a schema names its parts by their index in `parts`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
from typing import Any

import yaml

OUT = pathlib.Path(__file__).parent.parent / "trainer" / "launch" / "kubernetes" / "schemas.json"
RELEASES = {"training_operator": "v1.9.0", "trainer": "v2.3.0", "jobset": "v0.12.0", "katib": "v0.19.0"}
CRDS = {
    "TFJob": ("training_operator", "manifests/base/crds/kubeflow.org_tfjobs.yaml"),
    "JobSet": ("jobset", "config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml"),
    "TrainJob": ("trainer", "manifests/base/crds/trainer.kubeflow.org_trainjobs.yaml"),
    "TrainingRuntime": ("trainer", "manifests/base/crds/trainer.kubeflow.org_trainingruntimes.yaml"),
    "ClusterTrainingRuntime": ("trainer", "manifests/base/crds/trainer.kubeflow.org_clustertrainingruntimes.yaml"),
}
# Kubeflow Trainer publishes the API of the Kubernetes release that it is built with (its go.mod: k8s.io/api).
API = ("trainer", "api/openapi-spec/swagger.json")
NATIVES = {
    "Job": "batch.v1",
    "Pod": "core.v1",
    "Service": "core.v1",
    "ServiceAccount": "core.v1",
    "ConfigMap": "core.v1",
    "Secret": "core.v1",
    "Namespace": "core.v1",
    "PersistentVolumeClaim": "core.v1",
}
KATIB = ("katib", "pkg/apis/v1beta1/swagger.json")  # the CRD itself accepts anything
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# What an operator's webhook fills in before the schema is looked at, by a field beside it: JobSet's `Default`.
FILLED_IN = {"onJobFailureReasons": "name"}
COPIED = ("enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties")


class Parts:
    """Schemas as they are found, each kept once, with the indexes of its parts in place of them.

    Args:
      definitions: what a `$ref` may name, by its last part.
    """

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._by_text: dict[str, int] = {}
        self._of_reference: dict[str, int] = {}
        self.parts: list[dict[str, Any]] = []

    def add(self, schema: dict[str, Any]) -> int:
        """The index of the part that stands for this schema of OpenAPI 2 or 3."""
        if schema.get("allOf"):  # of one reference, beside which there is a default
            return self.add(schema["allOf"][0])
        if "$ref" not in schema:
            return self._keep(self._facts(schema))
        name = schema["$ref"].rpartition("/")[2]
        if name not in self._of_reference:
            if name.endswith("JSONSchemaProps"):
                raise ValueError(f"{name} holds itself")
            self._of_reference[name] = self.add(self._definition(name))
        return self._of_reference[name]

    def _definition(self, name: str) -> dict[str, Any]:
        """Of another project's short name (`v1.Container`) the one of Kubernetes."""
        if name == "v1.unstructured.Unstructured":
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        if name.startswith("v1.") and name not in self._definitions:
            name = next(known for known in self._definitions if known.endswith(f".{name}"))
        found: dict[str, Any] = self._definitions[name]
        return found

    def _facts(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a machine checks, with the indexes of its parts."""
        facts: dict[str, Any] = {"type": _type(schema)} if _type(schema) else {}
        facts |= {key: schema[key] for key in COPIED if key in schema}
        if schema.get("format") in ("int32", "int64", "date-time", "byte") and facts.get("type") != "int-or-string":
            facts["format"] = schema["format"]
        fields = schema.get("properties", {})
        if fields:
            facts["properties"] = {name: self.add(inner) for name, inner in sorted(fields.items())}
        if isinstance(schema.get("items"), dict):
            facts["items"] = self.add(schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            facts["values"] = self.add(schema["additionalProperties"])
        # Kubernetes' own kinds name the zero of the type as a default of what they require.
        filled = [name for beside, name in FILLED_IN.items() if beside in fields]
        required = [name for name in schema.get("required", ()) if fields[name].get("default", "") in ("", 0, {})]
        required = [name for name in required if name not in filled]
        if required:
            facts["required"] = sorted(required)
        if schema.get("x-kubernetes-list-type") in ("map", "set"):
            facts["keys"] = schema.get("x-kubernetes-list-map-keys", [])
        if schema.get("x-kubernetes-preserve-unknown-fields") or (facts == {"type": "object"}):
            facts["open"] = True
        return facts

    def _keep(self, facts: dict[str, Any]) -> int:
        text = json.dumps(facts, sort_keys=True)
        if text not in self._by_text:
            self._by_text[text] = len(self.parts)
            self.parts.append(facts)
        return self._by_text[text]


def main() -> None:
    """Reads the repositories and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in RELEASES:
        parser.add_argument(f"--{name}", required=True, help=f"repository that has {RELEASES[name]}")
    repositories = vars(parser.parse_args())

    def text(project: str, path: str) -> str:
        words = ["git", "-C", repositories[project], "show", f"{RELEASES[project]}:{path}"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    api = json.loads(text(*API))["components"]["schemas"]
    parts = Parts(api | json.loads(text(*KATIB))["definitions"])
    kinds: dict[str, dict[str, Any]] = {}
    for kind, (project, path) in CRDS.items():
        crd = yaml.load(text(project, path), Loader=yaml.CSafeLoader)["spec"]
        (version,) = [entry for entry in crd["versions"] if entry["storage"]]
        schema = version["schema"]["openAPIV3Schema"]
        kinds[f"{crd['group']}/{version['name']} {kind}"] = _whole(parts, schema, f"{project} {RELEASES[project]}")
    for kind, package in NATIVES.items():
        version_name = package.removeprefix("core.").replace(".", "/")
        schema = api[f"io.k8s.api.{package}.{kind}"]
        kinds[f"{version_name} {kind}"] = _whole(parts, schema, f"Kubernetes, of trainer {RELEASES['trainer']}")
    experiment = json.loads(text(*KATIB))["definitions"]["v1beta1.Experiment"]
    kinds["kubeflow.org/v1beta1 Experiment"] = _whole(parts, experiment, f"katib {RELEASES['katib']}")
    OUT.write_text(_lines({"kinds": kinds, "parts": parts.parts}), encoding="utf-8")
    print(f"{OUT}: {len(kinds)} kinds, {len(parts.parts)} parts, {OUT.stat().st_size} bytes")


def _whole(parts: Parts, schema: dict[str, Any], source: str) -> dict[str, Any]:
    """A kind: everything but its status, which the cluster writes; metadata as Kubernetes has them."""
    fields = {name: inner for name, inner in schema["properties"].items() if name != "status"}
    fields["metadata"] = {"$ref": META}
    return {"source": source, "schema": parts.add({**schema, "properties": fields})}


def _type(schema: dict[str, Any]) -> str | None:
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return "int-or-string"
    if {"type": "number"} in schema.get("oneOf", ()):  # a quantity of Kubernetes' own kinds; of others an int-or-string
        return "quantity"
    kind: str | None = schema.get("type")
    return kind


def _lines(data: dict[str, Any]) -> str:
    """JSON with a line for each kind and part, so that a change of it can be read."""
    kinds = ",\n".join(f"{json.dumps(name)}: {json.dumps(kind)}" for name, kind in data["kinds"].items())
    parts = ",\n".join(json.dumps(part, separators=(",", ":")) for part in data["parts"])
    return f'{{"kinds": {{\n{kinds}\n}},\n"parts": [\n{parts}\n]}}\n'


if __name__ == "__main__":
    main()
