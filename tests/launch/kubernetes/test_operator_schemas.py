"""The script that makes schemas.json: which facts of a schema it keeps, and that equal ones are kept once."""

from __future__ import annotations

import importlib.util
import types
from typing import Any

import pytest

from tests.launch.vertex_requests import ROOT


@pytest.fixture(scope="module")
def script() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("operator_schemas", ROOT / "scripts" / "operator_schemas.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXT = {"type": "string", "description": "prose"}


@pytest.mark.parametrize(
    ("schema", "facts"),
    [
        (TEXT, {"type": "string"}),
        ({"type": "integer", "format": "int32", "default": 3}, {"type": "integer", "format": "int32"}),
        (
            {"x-kubernetes-int-or-string": True, "anyOf": [], "pattern": "^a"},
            {"type": "int-or-string", "pattern": "^a"},
        ),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"type": "quantity"}),
        ({"type": "object"}, {"type": "object", "open": True}),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"open": True}),
        ({"type": "string", "enum": ["A", "B"]}, {"type": "string", "enum": ["A", "B"]}),
        ({"$ref": "#/definitions/x.Text"}, {"type": "string"}),
        ({"default": {}, "allOf": [{"$ref": "#/definitions/x.Text"}]}, {"type": "string"}),
    ],
)
def test_of_a_schema_only_what_a_machine_checks_is_kept(
    schema: dict[str, Any], facts: dict[str, Any], script: types.ModuleType
) -> None:
    parts = script.Parts({"x.Text": TEXT})
    assert parts.parts[parts.add(schema)] == facts


def test_parts_are_named_by_their_index_and_equal_ones_are_kept_once(script: types.ModuleType) -> None:
    parts = script.Parts({})
    entry = {"type": "object", "properties": {"name": TEXT, "value": TEXT}, "required": ["name"]}
    whole = parts.add(
        {
            "type": "object",
            "properties": {
                "words": {"type": "array", "items": TEXT},
                "entries": {
                    "type": "array",
                    "items": entry,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "labels": {"type": "object", "additionalProperties": TEXT},
            },
        }
    )
    kept = parts.parts
    assert kept[0] == {"type": "string"} and kept.count({"type": "string"}) == 1 and whole == len(kept) - 1
    fields = {name: kept[index] for name, index in kept[whole]["properties"].items()}
    assert fields["words"] == {"type": "array", "items": 0} and fields["labels"] == {"type": "object", "values": 0}
    assert fields["entries"]["keys"] == ["name"]
    assert kept[fields["entries"]["items"]]["required"] == ["name"]


def test_what_has_a_default_need_not_be_there_unless_it_is_the_zero_of_its_type(script: types.ModuleType) -> None:
    fields = {"protocol": {"type": "string", "default": "TCP"}, "port": {"type": "integer", "default": 0}}
    parts = script.Parts({})
    index = parts.add({"type": "object", "properties": fields, "required": ["protocol", "port"]})
    assert parts.parts[index]["required"] == ["port"]
