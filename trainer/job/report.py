"""What a run says when it ends: `summary.json` and the table with the same figures."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.goodput import Tally

MOST_TYPED_VALUES = 16

_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """The metric that a model is judged by.

    Attributes:
      name: of the metric.
      maximizes: whether more of it is better.
    """

    name: str
    maximizes: bool

    def beats(self, value: float, other: float) -> bool:
        """Whether a value is better than another, by more than float32 rounds: they may come from either precision."""
        margin = _ROUNDING * max(abs(value), abs(other))
        return value > other + margin if self.maximizes else value < other - margin


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
      checkpoint: prefix of the last one.
      export_dir: of the last export; None without one.
      model: what the model is called.
      params: the model's settings.
      versions: of Python and the packages that matter.
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
    checkpoint: str | None
    export_dir: str | None
    model: str
    params: Mapping[str, Any]
    versions: Mapping[str, str]

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


def evaluation_line(metrics: Mapping[str, float], baselines: Mapping[str, float], score: Score) -> str:
    """`step 1,000: accuracy 0.9 (beats majority 0.5, ...)`.

    Args:
      metrics: of an evaluation.
      baselines: scores of simple models, each named after its metric.
      score: what models are judged by.
    """
    value = metrics.get(score.name)
    step = int(metrics.get("global_step", 0))
    if value is None:
        return f"Evaluated step {step:,}: loss {figure(metrics.get('loss'))}"
    beside = ", ".join(
        f"{'beats' if score.beats(value, other) else 'does not beat'} {_words(name, score)} {figure(other)}"
        for name, other in _comparable({**baselines, **metrics}, score).items()
    )
    return f"Evaluated step {step:,}: {score.name} {figure(value)}" + (f" ({beside})" if beside else "")


def table(summary: Summary, root: str, score: Score, *, inputs: Sequence[Input] = (), again: str = "") -> str:
    """The closing table.

    Args:
      summary: of the run.
      root: the directory that holds it.
      score: what models are judged by.
      inputs: of the export, to try it with; empty leaves that line out.
      again: the command that continues this run.
    """
    lines = [
        "",
        f"  {'':<28}{score.name:>12}",
        *_scores(summary, score),
        "",
        *_places(summary, root, score),
        "",
        "Next",
    ]
    lines.append(f"  tensorboard --logdir {shlex.quote(root)}")
    if summary.export_dir:
        model_dir = f"--model_dir={shlex.quote(root)}"
        lines.append(f"  python -m trainer.predict {model_dir} --input=ROWS.csv --output=predictions.csv")
        lines.append(f"  python -m trainer.serve {model_dir}")
    if summary.export_dir and inputs:
        lines.append(f"  {_try_export(summary.export_dir, inputs)}")
    if again:
        lines.append(f"  {again}")
    return "\n".join(lines)


def figure(value: float | None) -> str:
    """Four digits that mean something; a dash for what is not known."""
    return "-" if value is None else "nan" if math.isnan(value) else f"{value:.4g}"


def _scores(summary: Summary, score: Score) -> list[str]:
    value = summary.metrics.get(score.name)
    lines = [f"  {'this run (' + summary.model + ')':<28}{figure(value):>12}   step {summary.global_step:,}"]
    for name, other in _comparable({**summary.baselines, **summary.metrics}, score).items():
        verdict = "" if value is None else "beaten" if score.beats(value, other) else "not beaten"
        lines.append(f"  {_words(name, score):<28}{figure(other):>12}   {verdict}".rstrip())
    if summary.test_metrics:
        lines.append(f"  {'this run, test part':<28}{figure(summary.test_metrics.get(score.name)):>12}")
    return lines


def _places(summary: Summary, root: str, score: Score) -> list[str]:
    speed = f"{summary.steps_per_sec:,.0f} steps/s" if summary.steps_per_sec else "no step made"
    others = [
        f"{name} {figure(value)}"
        for name, value in summary.metrics.items()
        if not name.startswith(score.name) and name != "global_step"
    ]
    rows = [
        *([("also", ", ".join(others))] if others else []),
        ("checkpoint", summary.checkpoint or "-"),
        ("export", summary.export_dir or "-"),
        ("events", root),
        ("summary", f"{root.rstrip('/')}/summary.json"),
        ("took", f"{summary.seconds:.1f} s, {speed}; ended by {summary.reason}"),
        *([("goodput", _goodput(summary.goodput))] if summary.goodput.get("share") is not None else []),
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


def _comparable(values: Mapping[str, Any], score: Score) -> dict[str, float]:
    """Those that are scores of something else: `accuracy_majority`."""
    ours = {name: value for name, value in values.items() if name.startswith(f"{score.name}_")}
    return {name: float(value) for name, value in ours.items() if math.isfinite(value)}


def _words(name: str, score: Score) -> str:
    return name.removeprefix(f"{score.name}_").replace("_", " ")
