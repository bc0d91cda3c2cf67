"""The common case of a table's rows, without quotes and blanks: numpy's C parser reads all numbers of a block at once.

Whatever it cannot read, or would read otherwise than TensorFlow, is a ValueError: then rows are read field by field.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ONLY_NUMPY_STRIPS = ("\x1c", "\x1d", "\x1e", "\x1f")


def check(lines: Sequence[str], separator: str | None, width: int) -> None:
    """Raises ValueError where rows are not plain, or not as wide as the header.

    Args:
      lines: the rows.
      separator: between fields; None is any white space.
      width: fields of a row.
    """
    text = "\n".join(lines)
    if separator is None or '"' in text or not text.isascii() or any(mark in text for mark in _ONLY_NUMPY_STRIPS):
        raise ValueError("not plain")
    found = np.frombuffer(f"\n{text}\n".encode(), np.uint8)
    ends, marks = np.flatnonzero(found == ord("\n")), np.flatnonzero(found == ord(separator))
    if len(marks) != len(lines) * (width - 1):
        raise ValueError("rows of different widths")
    of_rows = marks.reshape(len(lines), width - 1)
    if width > 1 and not ((of_rows[:, 0] > ends[:-1]).all() and (of_rows[:, -1] < ends[1:]).all()):
        raise ValueError("rows of different widths")


def numbers(lines: Sequence[str], separator: str | None, positions: Sequence[int]) -> np.ndarray:
    """The numbers in rows that were checked, float64 [rows, positions].

    Args:
      lines: the rows, with decimal points.
      separator: between fields.
      positions: of the fields that are numbers.

    Raises:
      ValueError: one of them is none.
    """
    if not positions:
        return np.empty((len(lines), 0))
    return np.loadtxt(lines, delimiter=separator, comments=None, usecols=tuple(positions), ndmin=2)


def texts(lines: Sequence[str], separator: str | None, positions: Sequence[int], width: int) -> dict[int, list[str]]:
    """Fields of rows that were checked, [rows] by position.

    Args:
      lines: the rows.
      separator: between fields.
      positions: of the fields.
      width: fields of a row.
    """
    # Rows are cut from both sides, up to the widest gap between the positions: a label often stands at the end.
    at = [-1, *sorted(set(positions)), width]
    _, cut = max((right - left, left) for left, right in zip(at, at[1:], strict=False))
    from_left = [position for position in at[1:-1] if position <= cut]
    from_right = [position for position in at[1:-1] if position > cut]
    found: dict[int, list[str]] = {}
    if from_left:
        split = [line.split(separator, cut + 1) for line in lines]
        found |= {position: [fields[position] for fields in split] for position in from_left}
    if from_right:
        split = [line.rsplit(separator, width - from_right[0]) for line in lines]
        found |= {position: [fields[position - width] for fields in split] for position in from_right}
    return found
