"""Features keyed by integers and strings together, in an order that both have: `tf.nest` sorts the keys of a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class _IntegerKey(int):
    """An integer that comes before every string. It is equal to the integer, and finds what that would."""

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return True if isinstance(other, str) else super().__lt__(other)

    def __gt__(self, other: Any) -> bool:
        return False if isinstance(other, str) else super().__gt__(other)


def sortable(given: Any) -> Any:
    """Nested dicts and tuples of anything else, whose dicts have keys that can be sorted; others stay as they are.

    Args:
      given: features, or a pair (features, labels).
    """
    if type(given) in (list, tuple):
        return type(given)(sortable(part) for part in given)
    if not isinstance(given, Mapping) or len({type(key) for key in given} & {int, str}) < 2:
        return given
    return {_IntegerKey(key) if type(key) is int else key: part for key, part in given.items()}
