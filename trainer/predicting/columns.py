"""What the columns of a CSV file are called that hold an input or an output of several numbers a row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def names(name: str, row_shape: Sequence[int]) -> list[str]:
    """The names of the columns, in row-major order.

    One value a row is called as the input or output is; of several each has its place, from 0, behind the name, with
    sizes of 1 left out: a `forecast` [24, 1] is in `forecast_0` to `forecast_23`.

    Args:
      name: of the input or output.
      row_shape: of one row.
    """
    sizes = [size for size in row_shape if size != 1]
    places = itertools.product(*map(range, sizes))
    return ["_".join([name, *map(str, place)]) for place in places]
