"""Values of mappings: each read by its type, or told with its place."""

from __future__ import annotations

import pytest

from trainer.job.findings import Finding
from trainer.launch.files import documents, nodes, values
from trainer.launch.files.fields import Fields, Keys

KEYS = Keys(
    read=("maxTrials", "goal", "ready", "wait", "until", "names", "inner"),
    refused={"resume": "Begin afresh"},
    ignored={"region": "A flag names it"},
    synonyms={"trials": "maxTrials"},
)


def fields(text: str) -> tuple[Fields, list[Finding]]:
    found: list[Finding] = []
    (node,) = documents.parse(text.encode(), "f", found)
    assert isinstance(node, nodes.Mapping)
    return Fields(node, KEYS, found, where="the mapping"), found


@pytest.mark.parametrize(
    ("text", "method", "value"),
    [
        ("max_trials: 3", "whole", 3),
        ("trials: 3.0", "whole", 3),
        ("maxTrials: 1e3", "number", 1000.0),
        ("ready: TRUE", "switch", True),
        ("wait: 1.5s", "secs", 1.5),
        ("until: 2026-01-31T12:00:00Z", "moment", "2026-01-31T12:00:00Z"),
    ],
)
def test_values_are_read_by_type(text: str, method: str, value: object) -> None:
    mapping, found = fields(text)
    (name,) = mapping.present(KEYS.read)
    assert getattr(values, method)(mapping, name) == value
    assert found == []


@pytest.mark.parametrize(
    ("text", "method", "told"),
    [
        ("maxTrials: 2.5", "whole", "f:1:12: maxTrials: 2.5. Accepted: a whole number. Write a whole number."),
        (
            "max_trials: x",
            "whole",
            "f:1:13: max_trials: x. Accepted: a whole number. Write a number, such as 128 or 1e-3.",
        ),
        ("maxTrials: '3'", "whole", "f:1:12: note: maxTrials: 3 in quotes is read as a number. Remove the quotes."),
        ("maxTrials:", "whole", "f:1:1: maxTrials has no value. Accepted: a whole number. Add it after the colon, or"),
        ("maxTrials: {}", "whole", "f:1:1: maxTrials: a mapping. Accepted: a whole number. Correct it."),
        ("ready: 1", "switch", "f:1:8: ready: 1. Accepted: true or false. Write one of them."),
        ("wait: 90", "secs", 'f:1:7: wait: 90. Accepted: seconds with an s, such as "3600s". Write "90s".'),
        ("wait: 1h", "secs", 'f:1:7: wait: 1h. Accepted: seconds with an s, such as "3600s". Write it in seconds.'),
        (
            "until: now",
            "moment",
            'f:1:8: until: now. Accepted: a time in UTC, such as "2026-01-31T12:00:00Z". Write it in this form.',
        ),
    ],
)
def test_values_of_other_types_are_reported(text: str, method: str, told: str) -> None:
    mapping, found = fields(text)
    (name,) = mapping.present(KEYS.read)
    getattr(values, method)(mapping, name)
    (finding,) = found
    assert str(finding).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gaol: x", "f:1:1: Unknown key gaol in the mapping. Accepted: maxTrials, goal, "),
        ("gaol: x", "Did you mean goal?"),
        ("qqq: x", "Remove it."),
        ("resume: x", "f:1:1: resume in the mapping has no counterpart. Begin afresh."),
        ("region: x", "f:1:1: note: region in the mapping is not read. A flag names it."),
        (
            "maxTrials: 3\nmax_trials: 4",
            "f:2:1: max_trials together with maxTrials, which says the same. Accepted: one of the two; maxTrials is in",
        ),
        ("trials: 3\nmaxTrials: 4", "f:2:1: maxTrials together with trials, which says the same."),
    ],
)
def test_keys_that_are_not_read_are_reported(text: str, told: str) -> None:
    _, (finding,) = fields(text)
    assert told in str(finding)


def test_a_choice_proposes_the_nearest_word() -> None:
    mapping, found = fields("goal: minimise")
    assert values.choice(mapping, "goal", {"MINIMIZE": 1, "MAXIMIZE": 2}) is None
    assert str(found[0]) == "f:1:7: goal: minimise. Accepted: MINIMIZE, MAXIMIZE. Write goal: MINIMIZE."


def test_numbers_of_64_bits_may_stand_in_quotes() -> None:
    mapping, found = fields('maxTrials: "9223372036854775807"')
    assert values.whole(mapping, "maxTrials", is_int64=True) == 2**63 - 1
    assert found == []


def test_what_could_not_be_read_is_not_reported_again() -> None:
    mapping, found = fields("maxTrials: !x 3")
    assert mapping.has("maxTrials") and not mapping.is_whole
    assert values.whole(mapping, "maxTrials") is None
    assert [finding.got for finding in found] == ["The tag !x"]


def test_inner_mappings_and_lists_are_reported_from_others() -> None:
    mapping, found = fields("inner: {goal: x}\nnames: [a, b]")
    inner = values.mapping(mapping, "inner", KEYS, "a mapping")
    assert inner is not None and values.text(inner, "goal", "a word") == "x" and inner.where == "inner"
    assert len(values.items(mapping, "names", "a list") or ()) == 2
    assert (
        values.items(mapping, "inner", "a list") is None and values.mapping(mapping, "names", KEYS, "a mapping") is None
    )
    assert [str(finding) for finding in found] == [
        "f:1:1: inner: a mapping. Accepted: a list. Correct it.",
        "f:2:1: names: a list. Accepted: a mapping. Correct it.",
    ]
