"""sweep.html: the study as a page that needs no network. This module supplies its data, which `page.html` draws."""

from __future__ import annotations

import importlib.resources
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job import records
from trainer.launch.study.parameter import Kind, Parameter, Scale, Value
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import best_report, losses, space
from trainer.launch.sweep.console import shown
from trainer.launch.sweep.trial_records import TrialRecord

_TEMPLATE = "page.html"
_PLACE = "{{STUDY}}"
_MOST_MARKS = 12
_MARKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def page(
    study: Study,
    trials: Sequence[TrialRecord],
    *,
    best: TrialRecord | None,
    importance: Mapping[str, float],
    command: str | None,
    directory: pathlib.Path,
) -> str:
    """The page, with the whole study in it.

    Args:
      study: what was searched.
      trials: all, by number.
      best: the best of them, if any has a result.
      importance: share of each parameter; empty where it is unknown.
      command: that trains the best trial.
      directory: of the study, where the page will be, and the folders of the trials are.
    """
    content = {
        "metric": study.metric,
        "minimize": study.goal is Goal.MINIMIZE,
        "algorithm": study.algorithm.name.lower(),
        "maxTrials": study.max_trials,
        "best": None if best is None else best.number,
        "command": command,
        "importance": dict(importance),
        "parameters": [_axis(parameter) for parameter in study.parameters],
        "trials": [_entry(study, trial, directory / str(trial.number)) for trial in trials],
    }
    template = (importlib.resources.files("trainer.launch.sweep") / _TEMPLATE).read_text(encoding="utf-8")
    return template.replace(_PLACE, embedded(content))


def embedded(content: Any) -> str:
    """JSON that stays data inside a script element, whatever its strings contain."""
    text = json.dumps(records.strict(content), allow_nan=False, ensure_ascii=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _axis(parameter: Parameter) -> dict[str, Any]:
    """The parameter with the marks of its axis: labels at places from 0 to 1."""
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        values = (
            parameter.values if len(parameter.values) <= _MOST_MARKS else (parameter.values[0], parameter.values[-1])
        )
        marks = [(space.coordinate_of(parameter, value), shown(value)) for value in values]
    else:
        marks = [(space.coordinate_of(parameter, value), shown(value)) for value in _round_values(parameter)]
    return {"name": parameter.name, "kind": parameter.kind.value, "marks": marks}


def _round_values(parameter: Parameter) -> list[Value]:
    """The ends of the range and three rounded values between; of a short INTEGER range all values."""
    least, most = space.limits(parameter)
    if parameter.kind is Kind.INTEGER and most - least < _MOST_MARKS:
        return list(range(int(least), int(most) + 1))
    digits = 1 if parameter.scale is Scale.LOG else 2
    low, *between, high = (space.value_at(parameter, place) for place in _MARKS)
    rounded = [float(f"{value:.{digits}g}") for value in between]
    inside = [value for value in rounded if parameter.has(value) and value not in (low, high)]
    return list(dict.fromkeys([low, *inside, high]))


def _entry(study: Study, trial: TrialRecord, folder: pathlib.Path) -> dict[str, Any]:
    values = trial.assignment
    report = folder / best_report.PAGE
    return {
        "number": trial.number,
        "state": trial.outcome.value if trial.outcome else "under way",
        "value": trial.value,
        "places": {
            entry.name: space.coordinate_of(entry, values[entry.name])
            for entry in study.parameters
            if entry.name in values
        },
        "texts": {name: shown(value) for name, value in values.items()},
        "losses": losses.of(folder),
        "report": f"{folder.name}/{report.name}" if report.is_file() else None,
        "curve": [(evaluation.step, evaluation.value) for evaluation in trial.evaluations],
        "secs": trial.secs,
        "reason": trial.reason,
        "log": list(trial.log_tail),
    }
