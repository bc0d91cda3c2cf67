"""YAML with places, within bounds: what is read, and the line of what is not."""

from __future__ import annotations

import pathlib

import pytest

from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Level, Place
from trainer.launch.files import documents, nodes


def parsed(text: str | bytes) -> tuple[list[object], list[str]]:
    found: list[Finding] = []
    data = text if isinstance(text, bytes) else text.encode()
    roots = documents.parse(data, "f.yaml", found)
    return [nodes.plain(root) for root in roots], [str(finding) for finding in found]


def test_values_are_those_of_yaml_1_2() -> None:
    text = """
        whole: 12
        small: 1e-3
        point: .5
        text: yes
        quoted: "12"
        switch: true
        nothing: ~
        empty:
        tagged: !!str 12
        list: [1, two, {three: 3}]
    """
    assert parsed(text) == (
        [
            {
                **{"whole": 12, "small": 0.001, "point": 0.5, "text": "yes", "quoted": "12", "switch": True},
                **{"nothing": None, "empty": None, "tagged": "12", "list": [1, "two", {"three": 3}]},
            }
        ],
        [],
    )


def test_json_and_several_documents_are_read() -> None:
    assert parsed('{"a": [1, 2.5, null, false]}') == ([{"a": [1, 2.5, None, False]}], [])
    assert parsed("a: 1\n---\nb: 2\n") == ([{"a": 1}, {"b": 2}], [])
    assert parsed(b"\xef\xbb\xbfa: 1") == ([{"a": 1}], [])


def test_places_count_from_one() -> None:
    (node,) = documents.parse(b"a:\n  - b: 1\n    c: [x, y]\n", "f.yaml", [])
    assert nodes.at(node, ("a",)) == Place(path="f.yaml", line=1, column=1)
    assert nodes.at(node, ("a", 0, "c")) == Place(path="f.yaml", line=3, column=5)
    assert nodes.at(node, ("a", 0, "c", 1)) == Place(path="f.yaml", line=3, column=12)
    assert nodes.at(node, ("a", 0, "no", "where")) == Place(path="f.yaml", line=2, column=5)
    assert str(nodes.at(node, ("a", 7))) == "f.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["f.yaml:1:1: The file is empty. Add content, or name the right file."]),
        ("# later\n", ["f.yaml:1:1: The file holds nothing but comments. Add content, or name the right file."]),
        (
            "a: 1\nb: 2\na: 3\n",
            ["f.yaml:3:1: a appears a second time. Accepted: each key once; see line 1. Remove one."],
        ),
        (
            "a: &x [1]\nb: *x\n",
            [
                "f.yaml:2:4: The alias *x. Accepted: values written out; an alias can stand for gigabytes. "
                "Write the value here once more."
            ],
        ),
        (
            "a: !!python/object/apply:os.system [ls]",
            [
                "f.yaml:1:4: The tag !!python/object/apply:os.system. Accepted: plain values; nothing is run from a "
                "file. Remove the tag."
            ],
        ),
        ("a:\n\tb: 1\n", ["f.yaml:2:1: A tab. Accepted: spaces before a key. Replace each tab by two spaces."]),
        (
            "a: b: c",
            [
                "f.yaml:1:5: A second colon, or a key that is indented too far. Indent it as its neighbours, or put a "
                "value that holds a colon in quotes."
            ],
        ),
        (
            "? [a]\n: b\n",
            ["f.yaml:1:3: A key that is not a text. Accepted: keys such as goal: or params:. Correct the"],
        ),
        (
            b"a: 1\nb: \xff\n",
            ["f.yaml:2:1: The byte 0xff, which is not UTF-8. Accepted: UTF-8. Save the file as UTF-8."],
        ),
        (
            "a: 1\nbc\x00",
            ["f.yaml:2:3: The control character U+0000. Accepted: text. Remove it, or name the right file."],
        ),
        (
            "[" * 40,
            ["f.yaml:1:33: More than 32 levels of lists and keys. Accepted: a file of settings. Name the right"],
        ),
        (
            "[" + "1," * 30_000 + "]",
            ["f.yaml:1:40000: More than 20,000 values. Accepted: a file of settings. Name the"],
        ),
        (
            "x" * 2_000_000,
            ["f.yaml:1:1: The file has more than 1 MB. Accepted: a file of settings. Name the right file."],
        ),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_place_and_its_fix(text: str | bytes, found: list[str]) -> None:
    _, told = parsed(text)
    assert [line[: len(start)] for line, start in zip(told, found, strict=True)] == found


def test_a_fault_in_the_syntax_names_where_it_began() -> None:
    _, (told,) = parsed("a: [1, 2\nb: 3\n")
    assert told.startswith("f.yaml:2:2: Not valid YAML: ") and "(in what begins in line 1)" in told
    assert told.endswith(
        "Accepted: key: value, indented by spaces. Correct the indentation, the brackets or the quotes."
    )


def test_a_bomb_of_aliases_is_defused_where_it_begins() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    values, told = parsed("\n".join(lines))
    assert len(told) == 110 and told[0].startswith("f.yaml:2:10: The alias *a0.")
    assert values == [{"a0": ["x"] * 10, **{f"a{n}": [None] * 10 for n in range(1, 12)}}]


def test_a_huge_file_is_not_read_to_its_end(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100 << 30)
    found: list[Finding] = []
    assert documents.load(str(path), found) == []
    assert [finding.got for finding in found] == ["The file has more than 1 MB"]


def test_a_file_that_is_not_there_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        UsageError, match=r"none.yaml: No such file or directory. Accepted: a YAML file. Correct the path"
    ):
        documents.load(str(tmp_path / "none.yaml"), [])
    with pytest.raises(UsageError, match="Is a directory"):
        documents.load(str(tmp_path), [])


def test_json_of_no_file_becomes_the_same_nodes() -> None:
    value = {"a": [1, 2.5, "x", None, True], "b": {"c": "12"}}
    assert nodes.plain(nodes.of_json(value, "request")) == value


def test_a_mapping_is_looked_up_by_its_keys() -> None:
    (node,) = documents.parse(b"a: 1\nb: 2\n", "f.yaml", [])
    assert isinstance(node, nodes.Mapping)
    assert "a" in node and "c" not in node and node.get("c") is None


def test_notes_are_marked() -> None:
    note = Finding(where=Place(path="f.yaml", line=3, column=2), got="Something.", do="Look", level=Level.NOTE)
    assert str(note) == "f.yaml:3:2: note: Something. Look."
