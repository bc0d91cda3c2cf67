"""How plots look: matplotlib draws them once, and the page colours them for light, dark and paper.

Each role has one colour in the drawing, which becomes a variable of CSS in the page. Texts stay texts, so that they can
be found, copied and read aloud.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from typing import Any

import cycler
import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, MaxNLocator, ScalarFormatter

from trainer.reporting.plot import Plot

INK, SOFT, FAINT, PAPER, ACCENT, SECOND = "#1d2733", "#66727f", "#dfe4e8", "#fffffe", "#0b6e99", "#d9480f"
COLOURS = (ACCENT, SECOND, "#2b8a3e", "#7048c6", "#a07900", "#c2255c", "#0c8599", "#868e96")
"""Of lines and points, in this order; the first is the model, the second what it is compared with."""
VARIABLES: Mapping[str, str] = {
    INK: "ink",
    SOFT: "soft",
    FAINT: "faint",
    PAPER: "paper",
    **{colour: f"c{index}" for index, colour in enumerate(COLOURS)},
}
"""The variable of CSS for each colour."""

_HALF, _WHOLE = 5.6, 11.6
_MOST_TICKS = 6
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.edgecolor": "none",
    "legend.facecolor": PAPER,
    "legend.fontsize": 8.5,
    "legend.framealpha": 0.85,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "patch.edgecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "trainer",
    "text.color": INK,
    "text.parse_math": False,  # names of columns may hold a dollar
    "xtick.color": FAINT,
    "xtick.labelcolor": SOFT,
    "ytick.color": FAINT,
    "ytick.labelcolor": SOFT,
}


def svg(plot: Plot) -> str:
    """A plot as an svg element, in the variables of `VARIABLES`.

    Args:
      plot: to be drawn.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WHOLE if plot.wide else _HALF, plot.height))
        FigureCanvasSVG(figure)
        plot.draw(figure)
        _write_numbers_out(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _embedded(written.getvalue(), plot.title)


def _write_numbers_out(figure: Figure) -> None:
    """Ticks as people write numbers, `200,000`, and few enough to stand beside each other, where the plot sets none."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), ScalarFormatter):
                axis.set_major_formatter(_number)
        if isinstance(axes.xaxis.get_major_locator(), AutoLocator):
            axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS, steps=[1, 2, 2.5, 5, 10]))


def _number(value: float, _: float | None = None) -> str:
    return f"{value:,.7g}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1e9 else f"{value:.3g}"


def _embedded(document: str, title: str) -> str:
    """The svg element of a document, to stand among others in a page: without a fixed size and without names."""
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    label = html.escape(title, quote=True)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    text = f'<svg {names} {box[0] if box else ""} role="img" aria-label="{label}">{rest}'
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", text)
