"""What a run says when it ends: `summary.json` and the table with the same figures."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job import score_table, step_profile
from trainer.job.goodput import Tally
from trainer.job.score_table import Figures, Score, ScoreTable, figure

MOST_TYPED_VALUES = 16
_NAME_WIDTH, _MOST_WIDTH = 28, 106
_LOSS = "loss (mean of batches)"
"""What a model function returns for a batch can only be averaged; all other metrics are exact."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
    """What an exported model takes.

    Attributes:
      name: of the input.
      shape: with None for sizes that are free, as that of the batch; None where the number of sizes is.
      is_number: whether it takes floating-point numbers.
    """

    name: str
    shape: tuple[int | None, ...] | None
    is_number: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of a run; the fields are those of `summary.json`.

    Attributes:
      global_step: last step.
      reason: why training ended: max_steps, early_stop, data_end, stopped.
      metrics: of the last evaluation.
      test_metrics: of the test part; None where the data have none.
      baselines: scores of simple models, each named after its metric (`accuracy_majority`).
      steps_per_sec: while training, without the first call, which compiles; None when no step was made.
      examples_per_sec: likewise.
      seconds: of the whole run.
      goodput: what the time of the job went into, with all its restarts, as `goodput_figures` gives it.
      profile: what a trace of some steps shows, as `StepProfile.record` gives it; None where none was asked for.
      checkpoint: prefix of the last one.
      export_dir: of the last export; None without one.
      model: what the model is called.
      params: the model's settings.
      versions: of Python and the packages that matter.
      flags: of `trainer.task`, that make this run.
    """

    global_step: int
    reason: str
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float] | None
    baselines: Mapping[str, float]
    steps_per_sec: float | None
    examples_per_sec: float | None
    seconds: float
    goodput: Mapping[str, Any]
    profile: Mapping[str, Any] | None = None
    checkpoint: str | None
    export_dir: str | None
    model: str
    params: Mapping[str, Any]
    versions: Mapping[str, str]
    flags: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """For `summary.json`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def goodput_figures(tally: Tally) -> dict[str, Any]:
    """A tally as `summary.json` has it: the share of the time that made steps that count, and the seconds of all."""
    return {
        "share": tally.goodput,
        "seconds": {activity.value: round(secs, 1) for activity, secs in tally.secs.items()},
        "restarts": tally.restarts,
        "lost_steps": tally.lost_steps,
    }


def evaluation_line(metrics: Mapping[str, float], baselines: Mapping[str, float], directions: Mapping[str, str]) -> str:
    """`step 1,000: accuracy 0.9 (beats majority 0.5, ...)`.

    Args:
      metrics: of an evaluation.
      baselines: scores of simple models, each named after its metric.
      directions: "max" or "min" by the names of the problem's metrics, the score first.
    """
    name, direction = next(iter(directions.items()))
    value, step = metrics.get(name), int(metrics.get("global_step", 0))
    if value is None:
        return f"Evaluated step {step:,}: loss {figure(metrics.get('loss'))}"
    score = Score(name=name, maximizes=direction == "max")
    figures = Figures(model="", metrics=metrics, baselines=baselines, directions=directions)
    beside = ", ".join(
        f"{'beats' if score.beats(value, other) else 'does not beat'} {score_table.words(key, name)} {figure(other)}"
        for key, other in score_table.comparable(figures).items()
        if score_table.metric_of(key, directions) == name
    )
    return f"Evaluated step {step:,}: {name} {figure(value)}" + (f" ({beside})" if beside else "")


def table(
    summary: Summary,
    root: str,
    scores: ScoreTable,
    *,
    written: str = "",
    inputs: Sequence[Input] = (),
    again: str = "",
) -> str:
    """The closing table.

    Args:
      summary: of the run.
      root: the directory that holds it.
      scores: of the run beside simple models.
      written: where report.html is, or how to get it; empty leaves that line out.
      inputs: of the export, to try it with; empty leaves that line out.
      again: the command that continues this run.
    """
    shown = _columns(scores)
    lines = ["", *_scores(scores, shown, summary.global_step), "", *_places(summary, root, scores, shown, written)]
    following = [f"  {command}" for command in commands(summary, root, inputs=inputs, again=again)]
    return "\n".join([*lines, "", "Next", *following])


def commands(summary: Summary, root: str, *, inputs: Sequence[Input] = (), again: str = "") -> list[str]:
    """What to type next.

    Args:
      summary: of the run.
      root: the directory that holds it.
      inputs: of the export, to try it with; empty leaves that line out.
      again: the command that continues this run.
    """
    lines = [f"tensorboard --logdir {shlex.quote(root)}"]
    if summary.export_dir:
        model_dir = f"--model_dir={shlex.quote(root)}"
        lines.append(f"python -m trainer.predict {model_dir} --input=ROWS.csv --output=predictions.csv")
        lines.append(f"python -m trainer.serve {model_dir}")
    if summary.export_dir and inputs:
        lines.append(_try_export(summary.export_dir, inputs))
    return [*lines, again] if again else lines


def _columns(scores: ScoreTable) -> list[str]:
    """The metrics that have columns: those with something to compare, as many as stand side by side."""
    shown: list[str] = []
    width = _NAME_WIDTH
    for name in scores.compared:
        width += _width(name)
        if shown and width > _MOST_WIDTH:
            break
        shown.append(name)
    return shown


def _width(name: str) -> int:
    return max(12, len(name) + 2)


def _scores(scores: ScoreTable, shown: Sequence[str], step: int) -> list[str]:
    """The head, and a row for each model with the verdict by the score."""
    lines = [f"  {'':<{_NAME_WIDTH}}" + "".join(f"{name:>{_width(name)}}" for name in shown)]
    for row in scores.rows:
        values = [figure(row.cells[name].value) if name in row.cells else "" for name in shown]
        if row is scores.rows[0] and not values[0]:
            values[0] = "-"
        cells = "".join(f"{value:>{_width(name)}}" for name, value in zip(shown, values, strict=True))
        beaten = row.cells[shown[0]].beaten if shown[0] in row.cells else None
        verdict = {True: "beaten", False: "not beaten", None: ""}[beaten]
        verdict = f"step {step:,}" if row is scores.rows[0] else verdict
        lines.append(f"  {row.name:<{_NAME_WIDTH}}{cells}   {verdict}".rstrip())
    return lines


def _places(summary: Summary, root: str, scores: ScoreTable, shown: Sequence[str], written: str) -> list[str]:
    speed = f"{summary.steps_per_sec:,.0f} steps/s" if summary.steps_per_sec else "no step made"
    values = {name: cell.value for name, cell in scores.rows[0].cells.items() if name not in shown}
    others = [f"{_LOSS if name == 'loss' else name} {figure(value)}" for name, value in values.items()]
    rows = [
        *([("also", ", ".join(others))] if others else []),
        ("checkpoint", summary.checkpoint or "-"),
        ("export", summary.export_dir or "-"),
        ("events", root),
        ("summary", f"{root.rstrip('/')}/summary.json"),
        *([("report", written)] if written else []),
        ("took", f"{summary.seconds:.1f} s, {speed}; ended by {summary.reason}"),
        *([("goodput", _goodput(summary.goodput))] if summary.goodput.get("share") is not None else []),
        *(step_profile.words(summary.profile) if summary.profile else ()),
    ]
    return [f"  {name:<12}{value}" for name, value in rows]


def _goodput(figures: Mapping[str, Any]) -> str:
    """`81.2 % of 2,340 s, 3 restarts (startup 9.1 %, idle 4.0 %, lost 3.2 %)`: the largest of what did not count."""
    total = sum(figures["seconds"].values()) or 1.0
    wasted = {name: secs for name, secs in figures["seconds"].items() if name != "progress" and secs >= total / 200}
    largest = sorted(wasted, key=lambda name: -wasted[name])[:4]
    restarts = f", {figures['restarts']} restart{'s' if figures['restarts'] > 1 else ''}" if figures["restarts"] else ""
    rest = ", ".join(f"{name} {100 * wasted[name] / total:.1f} %" for name in largest)
    return f"{100 * figures['share']:.1f} % of {total:,.0f} s{restarts}" + (f" ({rest})" if rest else "")


def _try_export(export_dir: str, inputs: Sequence[Input]) -> str:
    """A call with zeros, which the tool takes as a literal only; where that is long, what shows the inputs."""
    shapes = {one.name: tuple(1 if size is None else size for size in one.shape or ()) for one in inputs}
    small = sum(math.prod(shape) for shape in shapes.values()) <= MOST_TYPED_VALUES
    if not small or not all(one.is_number and one.shape for one in inputs):
        return f"saved_model_cli show --dir {shlex.quote(export_dir)} --all"
    literals = ";".join(f"{name}={_zeros(shape)}" for name, shape in shapes.items()).replace(" ", "")
    return (
        f"saved_model_cli run --dir {shlex.quote(export_dir)} --tag_set serve --signature_def serving_default "
        f"--input_exprs {shlex.quote(literals)}"
    )


def _zeros(shape: Sequence[int]) -> Any:
    zeros: Any = 0.0
    for size in reversed(shape):
        zeros = [zeros] * size
    return zeros
