"""What a report is made of: plots, and the examples of the evaluation that they are drawn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plot:
    """One picture of a report.

    Attributes:
      title: above it.
      caption: a sentence below that: what is drawn, in which unit, of which examples.
      draw: draws on an empty Figure of matplotlib, whose colours and sizes are those of the page: `figure.subplots()`
        gives the axes. What it draws in "C0" to "C7", as matplotlib calls its cycle of colours, is legible in light and
        dark.
      wide: whether it takes the width of the page, and not half of it.
      height: in inches, where half of the page is 5.6 wide.
    """

    title: str
    caption: str
    draw: Callable[[Figure], Any]
    wide: bool = False
    height: float = 3.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples of the evaluation with what the model says of them; n of them, evenly spread over all.

    Attributes:
      features: as the input function gives them: an array, or arrays by name, [n, …].
      labels: likewise; None where it gives none.
      predictions: arrays by name, [n, …].
      numbers: int [n], where each stands in the evaluation, from 0.
      total: examples that were read, of which these are.
    """

    features: Any
    labels: Any
    predictions: Mapping[str, np.ndarray]
    numbers: np.ndarray
    total: int

    @property
    def words(self) -> str:
        """`2,785 examples`, or `10,000 of 250,000 examples`."""
        count = len(self.numbers)
        return f"{count:,} examples" if count == self.total else f"{count:,} of {self.total:,} examples"
