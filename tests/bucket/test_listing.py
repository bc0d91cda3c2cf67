from __future__ import annotations

import re

import pytest

from tests.bucket.listing import expression, page
from tests.bucket.messages import Refusal

NAMES = sorted(["a/1", "a/2", "a/b/3", "a0", "b", "z/", "z/9", "é"], key=str.encode)


def walk(largest: int = 1000, **query: str) -> tuple[list[str], list[str], int]:
    """Names and prefixes of all pages, and how many pages there are."""
    names: list[str] = []
    prefixes: list[str] = []
    pages, token = 0, ""
    while True:
        found = page(NAMES, {**query, "pageToken": token}, largest)
        names.extend(found.names)
        prefixes.extend(found.prefixes)
        pages += 1
        if found.token is None:
            return names, prefixes, pages
        token = found.token


def test_pages_together_hold_every_name_once_in_order() -> None:
    assert walk(3) == (NAMES, [], 3)
    assert walk(maxResults="1")[2] == len(NAMES)


@pytest.mark.parametrize("largest", [1, 2, 1000])
def test_a_delimiter_folds_what_is_below_into_folders_each_once_over_all_pages(largest: int) -> None:
    assert walk(largest, delimiter="/")[:2] == (["a0", "b", "é"], ["a/", "z/"])
    assert walk(largest, delimiter="/", prefix="a/")[:2] == (["a/1", "a/2"], ["a/b/"])


def test_a_folder_that_is_an_object_is_listed_beside_its_prefix_if_asked_for() -> None:
    assert walk(delimiter="/", prefix="z", includeTrailingDelimiter="true")[:2] == (["z/"], ["z/"])


def test_offsets_bound_the_names() -> None:
    assert walk(startOffset="a/2", endOffset="b")[0] == ["a/2", "a/b/3", "a0"]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("a/*", ["a/1", "a/2"]),
        ("a/**", ["a/1", "a/2", "a/b/3"]),
        ("a?", ["a0"]),
        ("{a/[1-2],b}", ["a/1", "a/2", "b"]),
        ("a/[!1]", ["a/2"]),
        ("*.csv", []),
    ],
)
def test_a_glob_matches_within_folders_and_across_with_two_stars(glob: str, found: list[str]) -> None:
    assert walk(2, matchGlob=glob)[0] == found


def test_what_is_special_in_expressions_only_stands_for_itself_in_a_glob() -> None:
    assert re.fullmatch(expression("a.(b)+|c"), "a.(b)+|c")


def test_a_token_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Refusal, match="pageToken=!! is not one of ours"):
        page(NAMES, {"pageToken": "!!"})
