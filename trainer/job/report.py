"""What a run says when it ends: `summary.json` and the table with the same figures."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from typing import Any

SCORE = "rmse"
MOST_TYPED_VALUES = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of a run; the fields are those of `summary.json`.

    Attributes:
      global_step: last step.
      reason: why training ended: max_steps, early_stop, data_end, stopped.
      metrics: of the last evaluation.
      test_metrics: of the test part; None where the data have none.
      baselines: what one would get without training, by name (`rmse_same_as_last`).
      steps_per_sec: while training, without the first call, which compiles; None when no step was made.
      examples_per_sec: likewise.
      seconds: of the whole run.
      checkpoint: prefix of the last one.
      export_dir: of the last export; None without one.
      model: name of the network.
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
    checkpoint: str | None
    export_dir: str | None
    model: str
    params: Mapping[str, Any]
    versions: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """For `summary.json`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def evaluation_line(metrics: Mapping[str, float], baselines: Mapping[str, float]) -> str:
    """`step 1,000: rmse 0.012 (beats same as last 0.239, ...)`."""
    score = metrics.get(SCORE)
    step = int(metrics.get("global_step", 0))
    if score is None:
        return f"Evaluated step {step:,}: loss {figure(metrics.get('loss'))}"
    beside = ", ".join(
        f"{'beats' if score < value else 'does not beat'} {_words(name)} {figure(value)}"
        for name, value in _comparable({**baselines, **_baselines_among(metrics)}).items()
    )
    return f"Evaluated step {step:,}: {SCORE} {figure(score)}" + (f" ({beside})" if beside else "")


def table(summary: Summary, root: str, *, serving_shape: tuple[int, ...] | None = None, again: str = "") -> str:
    """The closing table.

    Args:
      summary: of the run.
      root: the directory that holds it.
      serving_shape: of the input `values` of the export, to try it with; None leaves that line out.
      again: the command that continues this run.
    """
    lines = ["", f"  {'':<28}{SCORE:>12}", *_scores(summary), "", *_places(summary, root), "", "Next"]
    lines.append(f"  tensorboard --logdir {shlex.quote(root)}")
    if summary.export_dir and serving_shape:
        lines.append(f"  {_try_export(summary.export_dir, serving_shape)}")
    if again:
        lines.append(f"  {again}")
    return "\n".join(lines)


def figure(value: float | None) -> str:
    """Four digits that mean something; a dash for what is not known."""
    return "-" if value is None else "nan" if math.isnan(value) else f"{value:.4g}"


def _scores(summary: Summary) -> list[str]:
    score = summary.metrics.get(SCORE)
    lines = [f"  {'this run (' + summary.model + ')':<28}{figure(score):>12}   step {summary.global_step:,}"]
    known = {**summary.baselines, **_baselines_among(summary.metrics)}
    for name, value in _comparable(known).items():
        verdict = "" if score is None else "beaten" if score < value else "not beaten"
        lines.append(f"  {_words(name):<28}{figure(value):>12}   {verdict}".rstrip())
    if summary.test_metrics:
        lines.append(f"  {'this run, test part':<28}{figure(summary.test_metrics.get(SCORE)):>12}")
    return lines


def _places(summary: Summary, root: str) -> list[str]:
    speed = f"{summary.steps_per_sec:,.0f} steps/s" if summary.steps_per_sec else "no step made"
    rows = [
        ("checkpoint", summary.checkpoint or "-"),
        ("export", summary.export_dir or "-"),
        ("events", root),
        ("summary", f"{root.rstrip('/')}/summary.json"),
        ("took", f"{summary.seconds:.1f} s, {speed}; ended by {summary.reason}"),
    ]
    return [f"  {name:<12}{value}" for name, value in rows]


def _try_export(export_dir: str, shape: tuple[int, ...]) -> str:
    """A call with zeros, which the tool takes as a literal only; where that is long, what shows the inputs."""
    if math.prod(shape) > MOST_TYPED_VALUES:
        return f"saved_model_cli show --dir {shlex.quote(export_dir)} --all"
    zeros: Any = 0.0
    for size in reversed(shape):
        zeros = [zeros] * size
    literal = f"values={zeros}".replace(" ", "")
    return (
        f"saved_model_cli run --dir {shlex.quote(export_dir)} --tag_set serve --signature_def serving_default "
        f"--input_exprs {shlex.quote(literal)}"
    )


def _baselines_among(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith(f"{SCORE}_")}


def _comparable(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name.startswith(f"{SCORE}_") and math.isfinite(value)}


def _words(name: str) -> str:
    return name.removeprefix(f"{SCORE}_").replace("_", " ")
