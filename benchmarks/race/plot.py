"""The ratios of a race as a picture: SVG, written by hand, so that it needs no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.race.contest import Result, Role, Workload
from benchmarks.race.table import Standing, standings

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP = 900, 330, 90, 16, 6
_TITLE = "How many times as fast `trainer` is (right of the line: ahead)"
_COLORS = {Role.PEER: "#1f6feb", Role.LIMIT: "#8b949e", Role.OURS: "#000000"}


def svg(raced: Sequence[tuple[Workload, Sequence[Result]]]) -> str:
    """A bar for each ratio, on a logarithmic scale; the line is 1, where both are as fast."""
    rows = [(w, each) for w, results in raced for each in standings(w, results) if each.ratio is not None]
    lowest = min((math.log10(each.ratio) for _, each in rows if each.ratio), default=0.0)
    highest = max((math.log10(each.ratio) for _, each in rows if each.ratio), default=1.0)
    lowest, highest = min(lowest, -0.5), max(highest, 1.0)

    def place(ratio: float) -> float:
        return _LEFT + (math.log10(ratio) - lowest) / (highest - lowest) * (_WIDTH - _LEFT - _RIGHT)

    height = 40 + len(rows) * (_BAR + _GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">{_TITLE}</text>',
    ]
    for number, (workload, each) in enumerate(rows):
        lines += _bar(30 + number * (_BAR + _GAP), workload, each, place(1.0), place(each.ratio or 1.0))
    lines.append(f'<line x1="{place(1):.1f}" y1="26" x2="{place(1):.1f}" y2="{height}" stroke="black"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(top: int, workload: Workload, each: Standing, one: float, end: float) -> list[str]:
    left, width, contender = min(one, end), abs(end - one), each.result.contender
    title, color = escape(f"({workload.key}) {contender.title}"), _COLORS[contender.role]
    return [
        f'<text x="{_LEFT - 8}" y="{top + 12}" text-anchor="end">{title}</text>',
        f'<rect x="{left:.1f}" y="{top}" width="{max(width, 1):.1f}" height="{_BAR}" fill="{color}"/>',
        f'<text x="{max(one, end) + 6:.1f}" y="{top + 12}">{each.ratio:.2f}</text>',
    ]
