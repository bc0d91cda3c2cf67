"""Shapes of documents: unknown fields and wrong types, each at its place."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.job.findings import Level
from trainer.launch.files.schema import Kind, Part, schema_errors, whole

SHAPE = {"name": Kind.TEXT, "count": Kind.WHOLE, "on": Kind.SWITCH, "labels": Kind.TEXTS, "items": [{"x": Kind.NUMBER}]}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"name": None, "items": None},
        {"name": "a", "count": 3, "on": True, "labels": {"a": "b"}, "items": [{"x": 1}, {"x": 0.5}, {}]},
        {"count": "3"},
        {"count": "-3"},
    ],
)
def test_what_fits_is_silent(value: Any) -> None:
    assert list(schema_errors(value, SHAPE)) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"nmae": "a"}, "nmae: no such field. Accepted: name, count, on, labels, items. Did you mean name?"),
        ({"zzz": 1}, "zzz: no such field. Accepted: name, count, on, labels, items. Remove it."),
        ({"name": 3}, "name: 3. Accepted: text, in quotes. Correct the type."),
        ({"count": True}, "count: True. Accepted: a whole number. Correct the type."),
        ({"count": 1.5}, "count: 1.5. Accepted: a whole number. Correct the type."),
        ({"on": "yes"}, "on: 'yes'. Accepted: true or false. Correct the type."),
        ({"labels": {"a": 1}}, "labels: {'a': 1}. Accepted: an object of strings. Correct the type."),
        ({"items": {}}, "items: {}. Accepted: a list. Put it in brackets."),
        ({"items": [3]}, "items[0]: 3. Accepted: an object. Write its fields: x."),
        ({"items": [{"x": 1}, {"x": "a"}]}, "items[1].x: 'a'. Accepted: a number. Correct the type."),
        ([], "the document: []. Accepted: an object. Write its fields: name, count, on, labels, items."),
        ("x" * 100, "the document: 'xxx"),
    ],
)
def test_what_does_not_fit_is_reported_with_its_place(value: Any, told: str) -> None:
    (finding,) = schema_errors(value, SHAPE)
    assert str(finding).startswith(told)


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("12", 12), ("-1", -1), (True, None), ("x", None), (1.0, None)])
def test_whole_numbers_may_be_texts(value: object, number: int | None) -> None:
    assert whole(value) == number


PORT = Part(kind=Kind.INTEGER, bounds=(1, 65535))
RULES = Part(
    fields={
        "policy": Part(kind=Kind.TEXT, enum=("Never", "Always")),
        "run": {"secs": Kind.INTEGER, "policy": Kind.TEXT, "deep": {"deeper": Kind.TEXT}},
        "ports": Part(items=Part(fields={"port": PORT, "name": Kind.TEXT}, required=("port",)), keys=("port",)),
        "amount": Part(kind=Kind.INT_OR_TEXT, pattern="^[0-9]+[kM]?$"),
        "extras": Part(values=Kind.TEXT, bounds=(None, 1)),
        "any": Part(open=True),
        "words": Part(items=Kind.TEXT, keys=(), bounds=(1, None)),
    }
)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"policy": "never"}, "policy: 'never'. Accepted: Never, Always. Did you mean Never?"),
        ({"policy": "x"}, "policy: 'x'. Accepted: Never, Always. Use one of them."),
        ({"run": {"secs": "3"}}, "run.secs: '3'. Accepted: a whole number, not in quotes. Correct the type."),
        ({"secs": 3}, "secs: no such field. Accepted: policy, run, ports, amount, extras, any, words. Move it to run."),
        (
            {"deeper": "x"},
            "deeper: no such field. Accepted: policy, run, ports, amount, extras, any, words. Move it to run.deep.",
        ),
        ({"run": {"amount": 3}}, "run.amount: no such field. Accepted: secs, policy, deep. Move it to the top."),
        ({"ports": [{"name": "a"}]}, "ports[0].port: nothing. Accepted: port, which is required. Add it."),
        ({"ports": [{"port": 0}]}, "ports[0].port: 0. Accepted: from 1 up to 65535. Correct it."),
        ({"ports": [{"port": 1}, {"port": 1}]}, "ports[1]: port 1 twice. Accepted: each once. Drop one."),
        ({"words": ["a", "a"]}, "words[1]: 'a' twice. Accepted: each once. Drop one."),
        ({"words": []}, "words: 0 in number. Accepted: from 1 entries. Correct it."),
        ({"amount": "3G"}, "amount: '3G'. Accepted: text that matches ^[0-9]+[kM]?$. Correct it."),
        ({"amount": 0.5}, "amount: 0.5. Accepted: a whole number, or text in quotes. Correct the type."),
        ({"extras": {"a": 1}}, "extras.a: 1. Accepted: text, in quotes. Correct the type."),
        ({"extras": {"a": "", "b": ""}}, "extras: 2 in number. Accepted: up to 1 entries. Correct it."),
        ({"any": 3}, "any: 3. Accepted: an object. Write key: value."),
    ],
)
def test_what_openapi_says_of_values_is_kept(value: Any, told: str) -> None:
    (finding,) = schema_errors(value, RULES)
    assert str(finding) == told


def test_a_field_that_is_like_no_other_has_the_level_that_is_asked_for() -> None:
    levels = {"qqq": Level.NOTE, "polcy": Level.ERROR, "secs": Level.ERROR}
    found = schema_errors(dict.fromkeys(levels, "x") | {"any": {"anything": [3]}}, RULES, strange=Level.NOTE)
    assert {finding.where[0]: finding.level for finding in found if isinstance(finding.where, tuple)} == levels
