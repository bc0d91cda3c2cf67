"""The first row of a CSV file as names of columns: each once, and the same in every file."""

from __future__ import annotations

from trainer.formats.text import rows
from trainer.formats.text.dialect import Head
from trainer.job.errors import DataError


def check(found: Head) -> None:
    """Raises DataError where no row is as wide as the header, or two columns have one name."""
    if not found.sample:
        raise DataError(
            f"{found.path}:{found.first_line}: taken as the header, and no row below it has {len(found.first)} fields",
            "a header, and rows of values below it",
            "Remove what is above the header, or add the rows",
        )
    named = [name for name in found.first if name]
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        raise DataError(
            f"{found.path}:{found.first_line}: the column name {doubled[0]!r} occurs twice",
            "one name for each column",
            "Rename one of them",
        )


def check_like(found: Head, like: Head) -> None:
    """Raises DataError where a file has another header than the first one."""
    if found.first != like.first:
        raise DataError(
            f"{found.path}:{found.first_line}: its header is not that of {like.path} ({_difference(found, like)})",
            "the same columns in the same order in every file",
            "Leave the file out, or write its columns as in the first file",
        )


def position(found: Head, name: str, flag: str) -> int:
    """Where a column stands in a row.

    Args:
      found: the head of the file.
      name: of the column.
      flag: that names it, for messages.

    Raises:
      DataError: the file has no such column.
    """
    if name not in found.first:
        there = ", ".join(filter(None, found.first))
        raise DataError(f"--{flag}: {found.path} has no column {name!r}", there, "Check the spelling and the case")
    return found.first.index(name)


def _difference(found: Head, like: Head) -> str:
    for ours, theirs in zip(found.first, like.first, strict=False):
        if ours != theirs:
            return f"{rows.shown(ours)} instead of {rows.shown(theirs)}"
    return f"{len(found.first)} columns instead of {len(like.first)}"
