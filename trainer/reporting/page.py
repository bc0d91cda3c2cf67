"""The page of a report: figures, tables and plots as HTML that needs no network and no script."""

from __future__ import annotations

import dataclasses
import html
import importlib.resources
import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.report import Summary
from trainer.job.score_table import Cell, Score, ScoreTable, figure
from trainer.reporting import theme
from trainer.reporting.plot import Plot

_TEMPLATE = "page.html"
_WIDENED = 2.6
_PALETTE = [f"var(--c{index})" for index in range(len(theme.COLOURS))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content:
    """What stands in a report.

    Attributes:
      summary: the figures of the run.
      score: what it is judged by.
      scores: the run beside simple models.
      root: the directory of the run.
      notes: sentences below the scores.
      sections: plots by the heading above them.
      data: names and values: what it was trained on.
      commands: what to type next.
    """

    summary: Summary
    score: Score
    scores: ScoreTable
    root: str
    notes: Sequence[str]
    sections: Mapping[str, Sequence[Plot]]
    data: Mapping[str, str]
    commands: Sequence[str]


def page(content: Content) -> str:
    """The whole page.

    Args:
      content: of it.
    """
    summary, score = content.summary, content.score
    value = figure(summary.metrics.get(score.name))
    title = f"{summary.model}: {score.name} {value}"
    body = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(content.root)}</p>",
        _facts(summary, score),
        "<h2>Beside simple models</h2>",
        _scores(content.scores, content.notes),
        *(f"<h2>{_text(heading)}</h2>{_grid(plots)}" for heading, plots in content.sections.items() if plots),
        _time(summary.goodput),
        "<h2>What was run</h2>",
        '<div class="grid">',
        _pairs("Settings of the model", {name: _value(each) for name, each in summary.params.items()}),
        _pairs("Data", content.data),
        _pairs("Versions", summary.versions),
        _pairs("Where things are", _places(summary, content.root)),
        "</div>",
        "<h2>Next</h2>",
        f"<section><pre>{_text(chr(10).join(content.commands))}</pre></section>" if content.commands else "",
    ]
    template = (importlib.resources.files("trainer.reporting") / _TEMPLATE).read_text(encoding="utf-8")
    return template.replace("{{TITLE}}", _text(title)).replace("{{BODY}}", "\n".join(body))


def _text(text: Any) -> str:
    return html.escape(str(text))


def _facts(summary: Summary, score: Score) -> str:
    share = summary.goodput.get("share")
    facts = [
        (score.name, figure(summary.metrics.get(score.name))),
        ("step", f"{summary.global_step:,}"),
        ("steps per second", _count(summary.steps_per_sec)),
        ("examples per second", _count(summary.examples_per_sec)),
        ("seconds, last process", f"{summary.seconds:,.0f}"),
        *([("goodput", f"{100 * share:.1f} %")] if share is not None else []),
        ("ended by", summary.reason),
    ]
    inner = "".join(f'<div class="fact"><b>{_text(value)}</b><span>{_text(name)}</span></div>' for name, value in facts)
    return f'<div class="facts">{inner}</div>'


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _scores(table: ScoreTable, notes: Sequence[str]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in table.columns)
    rows = []
    for row in table.rows:
        cells = "".join(_cell(row.cells.get(name)) for name in table.columns)
        rows.append(f"<tr{' class=run' if row.is_run else ''}><td>{_text(row.name)}</td>{cells}</tr>")
    key = ""
    if any(cell.beaten is not None for row in table.rows for cell in row.cells.values()):
        key = (
            '<p><span class="better">Green</span> is beaten by this run, <span class="worse">orange</span> is not.</p>'
        )
    below = "".join(f"<p>{_text(note)}</p>" for note in notes)
    inner = f'<div class="scroll"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>{key}{below}'
    return f"<section>{inner}</section>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    judged = {True: " class=better", False: " class=worse", None: ""}[cell.beaten]
    return f"<td{judged}>{figure(cell.value)}</td>"


def _grid(plots: Sequence[Plot]) -> str:
    """Two beside each other; of an odd number of halves the last takes the whole width."""
    halves = [plot for plot in plots if not plot.wide]
    last = halves[-1] if len(halves) % 2 else None
    drawn = [dataclasses.replace(plot, wide=True, height=_WIDENED) if plot is last else plot for plot in plots]
    return f'<div class="grid">{"".join(map(_figure, drawn))}</div>'


def _figure(plot: Plot) -> str:
    wide = ' class="wide"' if plot.wide else ""
    return f"<figure{wide}><h3>{_text(plot.title)}</h3><p>{_text(plot.caption)}</p>{theme.svg(plot)}</figure>"


def _time(goodput: Mapping[str, Any]) -> str:
    """A bar of what the time went into."""
    spent = {name: secs for name, secs in (goodput.get("seconds") or {}).items() if secs > 0}
    total = sum(spent.values())
    if not total:
        return ""
    colours = dict(zip(spent, [*_PALETTE, "var(--soft)", "var(--faint)"], strict=False))
    bar = "".join(
        f'<i style="width:{100 * secs / total:.2f}%;background:{colours[name]}"></i>' for name, secs in spent.items()
    )
    key = "".join(
        f'<span class="key" style="background:{colours[name]}"></span>{_text(name)} {secs:,.1f} s'
        for name, secs in spent.items()
    )
    restarts = goodput.get("restarts") or 0
    lost = goodput.get("lost_steps") or 0
    words = f"{total:,.0f} s with all restarts, of which there were {restarts}; {lost:,} steps lost."
    inner = f'<p>{words}</p><div class="bar">{bar}</div><p>{key}</p>'
    return f"<h2>Where the time went</h2><section>{inner}</section>"


def _pairs(title: str, pairs: Mapping[str, str]) -> str:
    if not pairs:
        return ""
    rows = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in pairs.items())
    return f'<section><h3>{_text(title)}</h3><table class="pairs">{rows}</table></section>'


def _places(summary: Summary, root: str) -> dict[str, str]:
    return {
        "checkpoint": summary.checkpoint or "–",
        "export": summary.export_dir or "–",
        "events": root,
        "figures of this page": f"{root.rstrip('/')}/summary.json",
    }


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
