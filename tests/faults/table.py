"""What a campaign prints: a table in Markdown, as docs/reliability.md shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def render(rows: Sequence[Mapping[str, object]]) -> str:
    """A table with the keys of the rows as its head.

    Args:
      rows: at least one, with the same keys.
    """
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
