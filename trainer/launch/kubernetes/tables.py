"""Values of a document that may be anything, as the tables and lists that rules expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Table = Mapping[str, Any]


def table(value: object) -> Table:
    """The value where it is a table; else an empty one, whose lack is reported where one of its fields is needed."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """The value where it is a list; else an empty one."""
    return value if isinstance(value, list) else []
