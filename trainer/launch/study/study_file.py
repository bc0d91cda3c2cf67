"""The study that a file describes, `hptuning_config.yaml` or one of Vertex AI's own forms, or all that is wrong in it.

Read are the documented `trainingInput.hyperparameters` of AI Platform Training, together with what Vertex AI added; a
`HyperparameterTuningJob` with its `studySpec`; and a `studySpec` alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.config import OLD_DEFAULT_TAG
from trainer.job.errors import FindingsError
from trainer.job.findings import Finding, Level, Place, line_and_column
from trainer.launch.files import documents, nodes, values
from trainer.launch.files.fields import Fields
from trainer.launch.files.nodes import Invalid, Node
from trainer.launch.study import parameter_fields, stopping_fields, study_keys
from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.search_space import SearchSpace
from trainer.launch.study.stopping import MedianStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study

_GOALS = {goal.value: goal for goal in Goal}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}
_MEASUREMENTS = {measurement.value: measurement for measurement in Measurement}
_UNSPECIFIED_MEASUREMENT = {"MEASUREMENT_SELECTION_TYPE_UNSPECIFIED": Measurement.LAST}
_BETTER = {Goal.MINIMIZE: "min", Goal.MAXIMIZE: "max"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examined:
    """What a file says.

    Attributes:
      study: None where there are errors.
      findings: errors and notes, in the order of the file.
    """

    study: Study | None
    findings: tuple[Finding, ...]


def read(path: str, space: SearchSpace | None) -> Study:
    """The study of the file at `path`.

    Args:
      path: of the file.
      space: what the task takes; None: any name and value is accepted.

    Raises:
      FindingsError: with everything that is wrong in it.
      UsageError: the file cannot be read.
    """
    return require(examine(path, space))


def require(examined: Examined) -> Study:
    """The study of a file. Raises FindingsError with everything that is wrong in it."""
    if examined.study is None:
        errors = [finding for finding in examined.findings if finding.level is Level.ERROR]
        raise FindingsError(errors, documents.REFUSED)
    return examined.study


def examine(path: str, space: SearchSpace | None) -> Examined:
    """What the file at `path` says, and all that is wrong in it. Raises UsageError where it cannot be read."""
    findings: list[Finding] = []
    return of_documents(documents.load(path, findings), findings, space)


def of_documents(roots: list[Node], findings: list[Finding], space: SearchSpace | None) -> Examined:
    """What the only one of the documents says.

    Args:
      roots: documents of one file.
      findings: findings of reading them.
      space: what the task takes; None: any name and value is accepted.
    """
    findings = list(findings)
    study = _Reader(findings, space).study(roots[0]) if roots else None
    for other in roots[1:]:
        do = "Put each in a file of its own"
        findings.append(Finding(where=other.place, got="A second document", accept="one study per file", do=do))
    is_sound = all(finding.level is Level.NOTE for finding in findings)
    return Examined(study=study if is_sound else None, findings=tuple(sorted(findings, key=line_and_column)))


def is_study(node: Node) -> bool:
    """Whether a document is meant to be one of the forms that are read here."""
    keys = ("trainingInput", "training_input", "hyperparameters", "studySpec", "study_spec", "parameters", "metrics")
    return isinstance(node, nodes.Mapping) and any(key in node for key in keys)


class _Reader:
    """Reads one document; findings are collected, and something plausible takes the place of what is wrong."""

    def __init__(self, findings: list[Finding], space: SearchSpace | None) -> None:
        self._findings, self._space = findings, space
        self._metrics = space.metrics if space else {}
        self._places: dict[str, Place] = {}
        self._keys: dict[str, str] = {}

    def study(self, node: Node) -> Study | None:
        if not isinstance(node, nodes.Mapping):
            accept = "trainingInput: with hyperparameters:, or a HyperparameterTuningJob"
            if not isinstance(node, Invalid):
                do = "See the hptuning_config.yaml of this package"
                self._findings.append(Finding(where=node.place, got="Not a mapping of keys", accept=accept, do=do))
            return None
        if "studySpec" in node or "study_spec" in node:
            return self._of_job(Fields(node, study_keys.JOB, self._findings, where="the tuning job"))
        if "parameters" in node or "metrics" in node:
            fields = Fields(node, study_keys.STUDY_SPEC, self._findings, where="the study")
            do = "Put it below studySpec:, beside maxTrialCount: and parallelTrialCount:"
            fields.note(fields.place(""), "No number of trials; services run 1", do)
            return self._built(self._of_spec(fields), fields)
        return self._of_training_input(Fields(node, study_keys.TOP, self._findings, where="the file"))

    def _of_training_input(self, top: Fields) -> Study | None:
        accept = "a mapping with hyperparameters:"
        if not top.has("trainingInput"):
            top.missing("trainingInput", accept, "Put hyperparameters: below trainingInput:")
            return None
        outer = values.mapping(top, "trainingInput", study_keys.TRAINING_INPUT, accept)
        if outer is None:
            return None
        if not outer.has("hyperparameters"):
            outer.missing("hyperparameters", "a mapping with goal: and params:", "Add it")
        fields = values.mapping(
            outer, "hyperparameters", study_keys.HYPERPARAMETERS, "a mapping with goal: and params:"
        )
        if fields is None:
            return None
        settings: dict[str, Any] = {"goal": _goal(fields)}
        settings["metric"] = self._metric(fields, "hyperparameterMetricTag", settings["goal"])
        self._counts(fields, settings, ("maxTrials", "maxParallelTrials", "maxFailedTrials"))
        self._common(fields, settings)
        ends_trials = values.switch(fields, "enableTrialEarlyStopping")
        if ends_trials and settings["stopping"] is None:
            settings["stopping"] = MedianStopping()
        if ends_trials is False and settings["stopping"] is not None:
            rule = fields.present(stopping_fields.RULES)[0]
            got = f"enableTrialEarlyStopping: false together with {rule}"
            place = fields.place("enableTrialEarlyStopping")
            fields.error(place, got, "one of the two", "Remove one of them")
        settings["parameters"] = self._parameters(fields, "params")
        return self._built(settings, fields)

    def _of_job(self, job: Fields) -> Study | None:
        fields = values.mapping(job, "studySpec", study_keys.STUDY_SPEC, "a mapping with metrics: and parameters:")
        if fields is None:
            return None
        settings = self._of_spec(fields)
        self._counts(job, settings, ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount"))
        return self._built(settings, fields)

    def _of_spec(self, fields: Fields) -> dict[str, Any]:
        settings: dict[str, Any] = {"goal": None, "metric": None}
        accept = f"one metric, such as [{_example(self._metrics)}]"
        metrics = values.items(fields, "metrics", accept)
        if not fields.has("metrics") or metrics == ():
            fields.error(fields.place("metrics"), f"No metrics in {fields.where}", accept, "Add it")
        elif metrics is not None and len(metrics) > 1:
            fields.error(metrics[1].place, f"{len(metrics)} metrics", "one metric", "Keep the one that matters most")
        elif metrics and isinstance(metrics[0], nodes.Mapping):
            metric = Fields(metrics[0], study_keys.METRIC, self._findings, where="metrics")
            settings["goal"] = _goal(metric)
            settings["metric"] = self._metric(metric, "metricId", settings["goal"])
        elif metrics:
            fields.error(metrics[0].place, "A metric without keys", accept, "Write metricId: and goal:")
        self._common(fields, settings)
        settings["parameters"] = self._parameters(fields, "parameters")
        return settings

    def _metric(self, fields: Fields, name: str, goal: Goal | None) -> str | None:
        known = self._metrics
        score = next(iter(known), None)
        accept = f"a metric that the job reports: {', '.join(known)}" if known else "a metric that the job reports"
        if not fields.has(name):
            fields.missing(name, accept, f"Add {name}: {score}" if score else f"Add {name}:")
        metric = values.text(fields, name, accept)
        if metric is None:
            return None
        self._places["metric"] = place = fields.place(name)
        if metric == OLD_DEFAULT_TAG:
            got = f"Under {metric} the job reports its score"
            fields.note(place, f"{got}, {score}" if score else got, f"Write {score}" if score else "Write its name")
        elif known and metric not in known and metric.split() == [metric]:
            do = "Choose one of them; a metric of your own has to be listed in metrics of PROBLEM"
            fields.error(place, f"{name}: {nodes.shortened(metric)}, which the job does not report", accept, do)
        _compare_goal(fields, metric, goal, better=known.get(score or "" if metric == OLD_DEFAULT_TAG else metric))
        return metric

    def _counts(self, fields: Fields, settings: dict[str, Any], names: tuple[str, str, str]) -> None:
        """Counts that are missing are what the services make of it."""
        for field, name, default in zip(
            ("max_trials", "max_parallel_trials", "max_failed_trials"), names, (1, 1, 0), strict=True
        ):
            count = values.whole(fields, name)
            self._places[field], self._keys[field] = fields.place(name), fields.spelled(name)
            if not fields.has(name) and default:
                fields.note(fields.place(name), f"No {name} in {fields.where}", f"Services use {default}")
            settings[field] = default if count is None else count
        if settings["max_parallel_trials"] > settings["max_trials"] > 0:
            got = f"{settings['max_parallel_trials']} trials at a time, of {settings['max_trials']} in all"
            fields.note(fields.place(names[1]), got, f"Katib accepts at most {names[0]}")

    def _common(self, fields: Fields, settings: dict[str, Any]) -> None:
        """What all forms share."""
        self._places["algorithm"] = fields.place("algorithm")
        settings["algorithm"] = values.choice(fields, "algorithm", _ALGORITHMS) or Algorithm.BAYESIAN
        chosen = values.choice(fields, "measurementSelectionType", _MEASUREMENTS | _UNSPECIFIED_MEASUREMENT)
        settings["measurement"] = chosen or Measurement.LAST
        settings["stopping"], self._places["stopping"] = stopping_fields.rule(fields)
        settings["study_stopping"] = stopping_fields.limits(fields)

    def _parameters(self, fields: Fields, name: str) -> list[parameter_fields.Found]:
        self._places["parameters"] = fields.place(name)
        accept = "a list of parameters, each after a dash"
        if not fields.has(name):
            fields.missing(name, accept, f"Add {name}:")
        items = values.items(fields, name, accept)
        return parameter_fields.read(items or (), self._findings, self._space)

    def _built(self, settings: dict[str, Any], fields: Fields) -> Study | None:
        """The study; where parts of it are missing or wrong, checks what is there and returns None."""
        items: list[parameter_fields.Found] = settings.pop("parameters")
        if not items and any(finding.level is Level.ERROR for finding in self._findings):
            return None
        stand_ins = {"goal": Goal.MINIMIZE, "metric": "metric"}
        given: dict[str, Any] = {
            name: stand_ins.get(name) if value is None else value for name, value in settings.items()
        }
        try:
            study = Study(parameters=tuple(item.parameter for item in items), **given)
        except FindingsError as error:
            places = self._places | {f"parameters[{number}]": item.place for number, item in enumerate(items)}
            fields.report(error.findings, places, self._keys)
            return None
        self._findings.extend(_grid_note(study, self._places["algorithm"]))
        return study


def _goal(fields: Fields) -> Goal | None:
    if not fields.has("goal"):
        fields.missing("goal", "MINIMIZE or MAXIMIZE", "Add it; without it services maximise")
    return values.choice(fields, "goal", _GOALS)


def _example(metrics: Mapping[str, str]) -> str:
    """How a studySpec names the score, which is the first of the metrics."""
    name, better = next(iter(metrics.items()), ("NAME", "min"))
    return f"{{metricId: {name}, goal: {'MAXIMIZE' if better == 'max' else 'MINIMIZE'}}}"


def _compare_goal(fields: Fields, metric: str, goal: Goal | None, *, better: str | None) -> None:
    """Notes a goal that is not the problem's own.

    Args:
      fields: that have the goal.
      metric: it is for.
      goal: None where it is missing or wrong.
      better: "max" or "min", as the problem says; None where it does not.
    """
    if goal is None or better in (None, _BETTER[goal]):
        return
    got = "maximised, although lower is better" if better == "min" else "minimised, although higher is better"
    meant = Goal.MINIMIZE if better == "min" else Goal.MAXIMIZE
    fields.note(fields.place("goal"), f"{metric} is {got}", f"Did you mean {meant.value}?")


def _grid_note(study: Study, place: Place) -> Iterator[Finding]:
    """Says where a grid has more or fewer points than the study has trials."""
    if study.algorithm is not Algorithm.GRID or any(entry.parent for entry in study.parameters):
        return
    points = math.prod(map(_points, study.parameters))
    if points != study.max_trials:
        got = f"The grid has {points:,} points, and there are {study.max_trials} trials"
        do = "The study ends with the last point" if points < study.max_trials else f"All of it takes {points:,}"
        yield Finding(where=place, got=got, do=do, level=Level.NOTE)


def _points(entry: Parameter) -> int:
    """Values of a parameter that a grid can visit."""
    if entry.kind is Kind.INTEGER and entry.minimum is not None and entry.maximum is not None:
        return int(entry.maximum) - int(entry.minimum) + 1
    return len(entry.values)
