"""Shapes of documents: unknown fields and wrong types, each at its place."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.launch.files.schema import Kind, schema_errors, whole

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
