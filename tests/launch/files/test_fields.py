"""Values of tables: each read by its type, or told with its place."""

from __future__ import annotations

import pytest

from trainer.launch.files import documents
from trainer.launch.files.documents import Fault, Table
from trainer.launch.files.fields import Fields, Keys

KEYS = Keys(
    read=("maxTrials", "goal", "ready", "wait", "until", "names", "inner"),
    refused={"resume": "Begin afresh"},
    ignored={"region": "A flag names it"},
    synonyms={"trials": "maxTrials"},
)


def fields(text: str) -> tuple[Fields, list[Fault]]:
    faults: list[Fault] = []
    (node,) = documents.parse(text.encode(), "f", faults)
    assert isinstance(node, Table)
    return Fields(node, KEYS, faults, where="the table"), faults


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
    table, faults = fields(text)
    (name,) = table.present(KEYS.read)
    assert getattr(table, method)(name) == value
    assert faults == []


@pytest.mark.parametrize(
    ("text", "method", "told"),
    [
        ("maxTrials: 2.5", "whole", "f:1:12: maxTrials: 2.5. Accepted: a whole number. Write a whole number."),
        ("max_trials: x", "whole", "f:1:13: max_trials: x. Accepted: a whole number. Write a number, as 128 or 1e-3."),
        ("maxTrials: '3'", "whole", "f:1:12: note: maxTrials: 3 in quotes is read as a number. Remove the quotes."),
        ("maxTrials:", "whole", "f:1:1: maxTrials has no value. Accepted: a whole number. Add it behind the colon, or"),
        ("maxTrials: {}", "whole", "f:1:1: maxTrials: a table. Accepted: a whole number. Correct it."),
        ("ready: 1", "switch", "f:1:8: ready: 1. Accepted: true or false. Write one of them."),
        ("wait: 90", "secs", 'f:1:7: wait: 90. Accepted: seconds with an s, as "3600s". Write "90s".'),
        ("wait: 1h", "secs", 'f:1:7: wait: 1h. Accepted: seconds with an s, as "3600s". Write it in seconds.'),
        ("until: now", "moment", 'f:1:8: until: now. Accepted: a time in UTC, as "2026-01-31T12:00:00Z". Write it so.'),
    ],
)
def test_values_of_other_types_are_told(text: str, method: str, told: str) -> None:
    table, faults = fields(text)
    (name,) = table.present(KEYS.read)
    getattr(table, method)(name)
    (fault,) = faults
    assert str(fault).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gaol: x", "f:1:1: Unknown key gaol in the table. Accepted: maxTrials, goal, "),
        ("gaol: x", "Did you mean goal?"),
        ("qqq: x", "Remove it."),
        ("resume: x", "f:1:1: resume in the table has no counterpart. Begin afresh."),
        ("region: x", "f:1:1: note: region in the table is not read. A flag names it."),
        (
            "maxTrials: 3\nmax_trials: 4",
            "f:2:1: max_trials beside maxTrials, which says the same. Accepted: one of the two; maxTrials stands",
        ),
        ("trials: 3\nmaxTrials: 4", "f:2:1: maxTrials beside trials, which says the same."),
    ],
)
def test_keys_that_are_not_read_are_told(text: str, told: str) -> None:
    _, (fault,) = fields(text)
    assert told in str(fault)


def test_a_choice_proposes_the_nearest_word() -> None:
    table, faults = fields("goal: minimise")
    assert table.choice("goal", {"MINIMIZE": 1, "MAXIMIZE": 2}) is None
    assert str(faults[0]) == "f:1:7: goal: minimise. Accepted: MINIMIZE, MAXIMIZE. Write goal: MINIMIZE."


def test_numbers_of_64_bits_may_stand_in_quotes() -> None:
    table, faults = fields('maxTrials: "9223372036854775807"')
    assert table.whole("maxTrials", is_int64=True) == 2**63 - 1
    assert faults == []


def test_what_could_not_be_read_is_not_told_once_more() -> None:
    table, faults = fields("maxTrials: !x 3")
    assert table.has("maxTrials") and not table.is_whole
    assert table.whole("maxTrials") is None
    assert [fault.got for fault in faults] == ["The tag !x"]


def test_inner_tables_and_lists_are_told_from_others() -> None:
    table, faults = fields("inner: {goal: x}\nnames: [a, b]")
    inner = table.table("inner", KEYS, "a table")
    assert inner is not None and inner.text("goal", "a word") == "x" and inner.where == "inner"
    assert len(table.items("names", "a list") or ()) == 2
    assert table.items("inner", "a list") is None and table.table("names", KEYS, "a table") is None
    assert [str(fault) for fault in faults] == [
        "f:1:1: inner: a table. Accepted: a list. Correct it.",
        "f:2:1: names: a list. Accepted: a table. Correct it.",
    ]
