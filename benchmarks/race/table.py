"""The table of a race: a row a workload, our figure, and what it is beside each contender's."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from benchmarks.race.contest import Result, Role, Workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """A contender beside ours.

    Attributes:
      result: of the contender.
      ratio: how many times the contender we are, by medians; None where it is refused.
      reason: why it is.
      lowest, highest: of the ratio in single rounds.
    """

    result: Result
    ratio: float | None = None
    reason: str = ""
    lowest: float = 0.0
    highest: float = 0.0


def median(result: Result) -> float:
    """Of the rates of all rounds."""
    return statistics.median(run.rate for run in result.runs)


def standings(workload: Workload, results: Sequence[Result]) -> list[Standing]:
    """Every contender beside the first, which is ours."""
    return [standing(workload, results[0], result) for result in results[1:]]


def standing(workload: Workload, ours: Result, theirs: Result) -> Standing:
    """The ratio, which is refused where one of both broke or where their losses differ."""
    for result in (ours, theirs):
        if result.failure is not None or not result.runs:
            return Standing(result=theirs, reason=f"{result.contender.title} broke")
    if reason := differing(workload, ours, theirs):
        return Standing(result=theirs, reason=reason)

    def ratio(mine: float, other: float) -> float:
        return other / mine if workload.less_is_better else mine / other

    rounds = [ratio(mine.rate, other.rate) for mine, other in zip(ours.runs, theirs.runs, strict=True)]
    return Standing(result=theirs, ratio=ratio(median(ours), median(theirs)), lowest=min(rounds), highest=max(rounds))


def differing(workload: Workload, ours: Result, theirs: Result) -> str:
    """Says that losses differ, or were not compared; empty where they are the same or the work has none."""
    if workload.tolerance is None or not theirs.contender.same_loss:
        return ""
    mine, other = ours.runs[0].loss, theirs.runs[0].loss
    if mine is None or other is None:
        return "no loss to compare"
    if not abs(mine - other) <= workload.tolerance * max(abs(mine), abs(other)):
        return f"loss {other:.6g}, ours {mine:.6g}"
    return ""


def largest_difference(results: Sequence[Result]) -> float | None:
    """Of the losses of all contenders from ours, relative; None where nothing was compared."""
    losses = [result.runs[0].loss for result in results if result.runs]
    if not losses or losses[0] is None:
        return None
    return max((abs(loss - losses[0]) / abs(losses[0]) for loss in losses[1:] if loss is not None), default=None)


def figure(value: float) -> str:
    """With three digits, or all of them before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(result: Result) -> str:
    """Median, and the lowest and highest in brackets."""
    rates = [run.rate for run in result.runs]
    if len(rates) == 1:
        return figure(rates[0])
    return f"{figure(median(result))} ({figure(min(rates))}–{figure(max(rates))})"


def beside(workload: Workload, each: Standing) -> str:
    """`30.1 × tf.estimator (28.0–31.2)`, with a mark where a target is missed."""
    title = each.result.contender.title
    if each.ratio is None:
        return f"{title}: no ratio, {each.reason}"
    rounds = "" if len(each.result.runs) == 1 else f" ({each.lowest:.2f}–{each.highest:.2f})"
    target = workload.targets.get(title)
    missed = "" if target is None or each.ratio >= target else f", below {target:g}"
    return f"**{each.ratio:.2f}** × {title}{rounds}{missed}"


def row(workload: Workload, results: Sequence[Result]) -> str:
    """The line of a workload."""
    ours = results[0]
    mine = f"{spread(ours)} {workload.unit}" if ours.runs else "broke"
    columns = {role: [] for role in Role}
    for each in standings(workload, results):
        columns[each.result.contender.role].append(beside(workload, each))
    difference = largest_difference(results)
    same = "—" if difference is None else f"{difference:.0e}"
    sides = " | ".join("<br>".join(columns[role]) or "—" for role in (Role.PEER, Role.LIMIT))
    return f"| ({workload.key}) {workload.title} | {mine} | {sides} | {same} |"


def table(raced: Sequence[tuple[Workload, Sequence[Result]]]) -> str:
    """Markdown."""
    head = [
        "| workload | `trainer` | × each peer | × what the machine can do | losses differ by |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(row(workload, results) for workload, results in raced)])


def details(raced: Sequence[tuple[Workload, Sequence[Result]]]) -> str:
    """Markdown: the rate of every contender, its memory, and what else it told."""
    lines = ["| workload | contender | median (lowest–highest) | unit | peak MiB | CPU s | notes |"]
    lines.append("|---|---|---|---|---|---|---|")
    for workload, results in raced:
        for result in results:
            lines.append(f"| ({workload.key}) | {result.contender.title} | {_detail(workload, result)} |")
    return "\n".join(lines)


def _detail(workload: Workload, result: Result) -> str:
    if not result.runs:
        return f"broke | {workload.unit} | — | — | {(result.failure or '').strip().splitlines()[-1][:100]}"
    peak = statistics.median(run.peak_mib for run in result.runs)
    cpu = statistics.median(run.cpu_secs for run in result.runs)
    names = sorted({name for run in result.runs for name in run.notes})
    notes = ", ".join(
        f"{name} {figure(statistics.median(run.notes[name] for run in result.runs if name in run.notes))}"
        for name in names
    )
    return f"{spread(result)} | {workload.unit} | {peak:,.0f} | {cpu:,.1f} | {notes}"
