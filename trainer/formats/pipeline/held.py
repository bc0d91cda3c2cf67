"""Examples in memory, which are taken by their numbers."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any


class Held(abc.ABC):
    """One part of the data, all of it in memory.

    Attributes:
      count: how many examples there are.
    """

    count: int

    @property
    @abc.abstractmethod
    def floats(self) -> int:
        """How many numbers an example has, about."""

    @abc.abstractmethod
    def gatherer(self) -> Callable[[Any], tuple[dict[str, Any], Any]]:
        """A function in TensorFlow from integers [n], numbers of examples, to their features and labels [n, …]."""
