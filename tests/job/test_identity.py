"""What a run remembers of itself, and how two of them are told apart in words."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

import numpy as np
import pytest

from trainer.job import identity
from trainer.job.identity import Identity


class Kind(enum.Enum):
    ONE = "one"


@dataclasses.dataclass(frozen=True)
class Settings:
    kind: Kind = Kind.ONE
    names: tuple[str, ...] = ("a", "b")
    values: Any = dataclasses.field(default_factory=lambda: np.array([1.5, 2.0]))
    nested: Any = None
    other: Any = dataclasses.field(default_factory=object)


def of(**parts: Any) -> Identity:
    return Identity(**{"data": {}, "files": {}, "schema": {}, "settings": {}, **parts})


def words(earlier: Identity, now: Identity) -> list[str]:
    found = [*identity.of_data(earlier, now, lambda one, other: one == other), *identity.of_settings(earlier, now)]
    return [difference.words for difference in found]


def test_plain_fields_are_as_json_has_them_and_others_are_left_out() -> None:
    found = identity.plain(Settings(nested={"a": (1, None, True)}), without=["names"])
    assert found == {"kind": "one", "values": [1.5, 2.0], "nested": {"a": [1, None, True]}}
    assert json.loads(json.dumps(found)) == found
    assert identity.plain(object()) == identity.plain(None) == {}
    assert identity.plain({"a": 1, "long": list(range(5000)), "array": np.zeros(5000), "odd": {1, 2}}) == {"a": 1}


def test_an_identity_survives_its_record() -> None:
    known = of(data={"seed": 3}, files={"paths": [["a.csv", 4, {"crc32c": "x"}]]}, kept={"scale": [0.1]})
    assert Identity.of_record(json.loads(json.dumps(known.record()))) == known


@pytest.mark.parametrize(
    "record", [None, [], 3, {}, {"data": 3}, {"data": {}, "files": [1], "schema": {}, "settings": {}}]
)
def test_a_record_of_another_kind_is_no_identity(record: Any) -> None:
    assert Identity.of_record(record) is None


def test_what_only_one_of_two_knows_is_no_difference() -> None:
    assert words(of(data={"old": 1}, settings={"gone": 2}), of(data={"new": 1}, schema={"steps": 3})) == []


def test_settings_are_compared_exactly_and_numbers_of_the_data_up_to_the_processor() -> None:
    earlier = of(settings={"rate": 1e-12}, schema={"mean": [1.0, 1e-17]})
    now = of(settings={"rate": 2e-12}, schema={"mean": [1.0 + 1e-12, -3e-17]})
    assert words(earlier, now) == ["--rate=2e-12; 1e-12 before"]
    assert words(of(schema={"mean": [1.0]}), of(schema={"mean": [1.001]})) == ["mean of the data: 1.001; 1.0 before"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([["a.csv", 5, {}]], "--paths: a.csv (5 bytes); a.csv (4 bytes) before"),
        ([["a.csv", 4, {"crc32c": "y"}]], "--paths: a.csv (4 bytes, of other content); a.csv (4 bytes) before"),
        ([["a.csv", 4, {}], ["b.csv", 1, {}]], "--paths: 2 files; 1 before"),
        ([["b.csv", 5000, {}]], "--paths: b.csv (5,000 bytes); a.csv (4 bytes) before"),
        ([], "--paths: 0 files; 1 before"),
    ],
)
def test_files_differ_by_name_and_size(files: list[Any], told: str) -> None:
    assert words(of(files={"paths": [["a.csv", 4, {}]]}), of(files={"paths": files})) == [told]


def test_other_files_explain_what_else_is_other_about_the_data() -> None:
    earlier = of(files={"paths": [["a.csv", 4, {}]]}, schema={"mean": [1.0]})
    assert len(words(earlier, of(files={"paths": [["a.csv", 5, {}]]}, schema={"mean": [2.0]}))) == 1


def test_long_values_are_shortened() -> None:
    (told,) = words(of(settings={"a": "x" * 500}), of(settings={"a": None}))
    assert told == f"--a=none; {'x' * 59}… before"
