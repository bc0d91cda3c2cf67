"""Requests as text."""

from __future__ import annotations

import json

import yaml

from trainer.launch.files.render import Format, text

SHARED = ["--a=1", "--b=ü"]
DOCUMENTS = [{"z": 1, "a": SHARED, "b": SHARED}, {"on": "true", "number": "3"}]


def test_json_keeps_the_order_of_fields_and_is_a_list_where_there_are_several() -> None:
    assert list(json.loads(text(DOCUMENTS[:1], Format.JSON))) == ["z", "a", "b"]
    assert json.loads(text(DOCUMENTS, Format.JSON)) == DOCUMENTS
    assert "ü" in text(DOCUMENTS, Format.JSON)


def test_yaml_has_a_document_each_without_aliases_and_texts_stay_texts() -> None:
    written = text(DOCUMENTS, Format.YAML)
    assert list(yaml.safe_load_all(written)) == DOCUMENTS
    assert "&" not in written and "*" not in written
    assert written.splitlines()[0] == "z: 1"
