"""The study that a file describes, `hptuning_config.yaml` or one of Vertex AI's own forms, or all that is wrong in it.

Read are the documented `trainingInput.hyperparameters` of AI Platform Training, together with what Vertex AI added; a
`HyperparameterTuningJob` with its `studySpec`; and a `studySpec` alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer.launch.files import documents
from trainer.launch.files.documents import Fault, FaultyFileError, Level, Node, Place, Table, Void
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.study import parameters, stopping_fields
from trainer.launch.study.search_space import OLD_DEFAULT_TAG, SearchSpace
from trainer.launch.study.study import (
    Algorithm,
    Goal,
    Kind,
    Measurement,
    MedianStopping,
    Parameter,
    Study,
    StudyError,
)

_ADDED_BY_VERTEX = ("measurementSelectionType", *stopping_fields.RULES, stopping_fields.LIMITS)
_OF_VIZIER = "Vizier takes it, tuning jobs do not"
_MACHINES = "Machines are flags of python -m trainer.launch submit"
_OUTPUT_ONLY = "The service writes it, nobody else"

_TOP = Keys(
    read=("trainingInput",),
    ignored=dict.fromkeys(("jobId", "labels"), "Names and labels are flags of python -m trainer.launch submit")
    | dict.fromkeys(("createTime", "startTime", "endTime", "state", "errorMessage", "etag"), _OUTPUT_ONLY)
    | dict.fromkeys(("trainingOutput", "jobPosition"), _OUTPUT_ONLY),
)
_TRAINING_INPUT = Keys(
    read=("hyperparameters",),
    ignored=dict.fromkeys(
        (
            *("scaleTier", "masterType", "masterConfig", "workerType", "workerConfig", "workerCount"),
            *("parameterServerType", "parameterServerConfig", "parameterServerCount"),
            *("evaluatorType", "evaluatorConfig", "evaluatorCount", "region", "scheduling", "network"),
            *("serviceAccount", "encryptionConfig", "enableWebAccess"),
        ),
        _MACHINES,
    )
    | dict.fromkeys(("args", "jobDir"), "Flags of the task stand behind -- on the command line")
    | dict.fromkeys(
        ("packageUris", "pythonModule", "runtimeVersion", "pythonVersion"), "python -m trainer.launch package"
    )
    | {"useChiefInTfConfig": "The task reads both, chief and master"},
)
_HYPERPARAMETERS = Keys(
    read=(
        *("goal", "hyperparameterMetricTag", "maxTrials", "maxParallelTrials", "maxFailedTrials", "algorithm"),
        *("enableTrialEarlyStopping", "params", *_ADDED_BY_VERTEX),
    ),
    refused={
        "resumePreviousJobId": "Remove it: a sweep on this machine goes on by itself in the same --output_dir, "
        "and no tuning job on Vertex AI takes up another"
    },
    ignored={"observationNoise": _OF_VIZIER},
    synonyms={
        "maxTrialCount": "maxTrials",
        "parallelTrialCount": "maxParallelTrials",
        "maxFailedTrialCount": "maxFailedTrials",
    },
)
_JOB = Keys(
    read=("studySpec", "maxTrialCount", "parallelTrialCount", "maxFailedTrialCount"),
    ignored={"trialJobSpec": "Machines and programs are flags of python -m trainer.launch submit"}
    | dict.fromkeys(("displayName", "labels", "encryptionSpec"), "It is a flag of python -m trainer.launch submit")
    | dict.fromkeys(("name", "trials", "state", "createTime", "startTime", "endTime", "updateTime"), _OUTPUT_ONLY)
    | dict.fromkeys(("error", "satisfiesPzs", "satisfiesPzi"), _OUTPUT_ONLY),
    synonyms={
        "maxTrials": "maxTrialCount",
        "maxParallelTrials": "parallelTrialCount",
        "parallelTrials": "parallelTrialCount",
        "maxFailedTrials": "maxFailedTrialCount",
    },
)
_STUDY_SPEC = Keys(
    read=("metrics", "parameters", "algorithm", *_ADDED_BY_VERTEX),
    refused={
        "transferLearningConfig": "Remove it: every study begins afresh",
        "convexStopConfig": "Write convexAutomatedStoppingSpec, which took its place",
    },
    ignored={"observationNoise": _OF_VIZIER},
)
_METRIC = Keys(
    read=("metricId", "goal"), refused={"safetyConfig": "Remove it: a tuning job has one metric and no safety metric"}
)
_GOALS = {goal.value: goal for goal in Goal}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}
_MEASUREMENTS = {measurement.value: measurement for measurement in Measurement}
_UNSPECIFIED_MEASUREMENT = {"MEASUREMENT_SELECTION_TYPE_UNSPECIFIED": Measurement.LAST}
_ERRORS = ("rmse", "mse", "mae", "loss", "error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examined:
    """What a file says.

    Attributes:
      study: None where there are faults.
      faults: and notes, in the order of the file.
    """

    study: Study | None
    faults: tuple[Fault, ...]


def read(path: str, searchable: SearchSpace | None) -> Study:
    """The study of the file at `path`.

    Args:
      path: of the file.
      searchable: what the task takes; None: any name and value is accepted.

    Raises:
      FaultyFileError: with everything that is wrong in it.
      UsageError: the file cannot be read.
    """
    examined = examine(path, searchable)
    if examined.study is None:
        raise FaultyFileError(fault for fault in examined.faults if fault.level is Level.FAULT)
    return examined.study


def examine(path: str, searchable: SearchSpace | None) -> Examined:
    """What the file at `path` says, and all that is wrong in it. Raises UsageError where it cannot be read."""
    faults: list[Fault] = []
    return of_documents(documents.load(path, faults), faults, searchable)


def of_documents(found: list[Node], faults: list[Fault], searchable: SearchSpace | None) -> Examined:
    """What the only one of the documents says.

    Args:
      found: documents of one file.
      faults: of reading them.
      searchable: what the task takes; None: any name and value is accepted.
    """
    faults = list(faults)
    study = None
    if found:
        study = _Reader(faults, searchable).study(found[0])
    for other in found[1:]:
        faults.append(Fault(place=other.place, got="A second document", accept="one study a file", do="Part them"))
    is_sound = all(fault.level is Level.NOTE for fault in faults)
    ordered = sorted(faults, key=lambda fault: fault.place.key)
    return Examined(study=study if is_sound else None, faults=tuple(ordered))


def is_study(node: Node) -> bool:
    """Whether a document is meant to be one of the forms that are read here."""
    keys = ("trainingInput", "training_input", "hyperparameters", "studySpec", "study_spec", "parameters", "metrics")
    return isinstance(node, Table) and any(key in node for key in keys)


class _Reader:
    """Reads one document; faults are collected, and something plausible put in the place of what is wrong."""

    def __init__(self, faults: list[Fault], searchable: SearchSpace | None) -> None:
        self._faults, self._searchable = faults, searchable
        self._places: dict[str, Place] = {}
        self._keys: dict[str, str] = {}

    def study(self, node: Node) -> Study | None:
        if not isinstance(node, Table):
            accept = "trainingInput: with hyperparameters:, or a HyperparameterTuningJob"
            if not isinstance(node, Void):
                self._fault(node.place, "No table of keys", accept, "See the hptuning_config.yaml of this package")
            return None
        if "studySpec" in node or "study_spec" in node:
            return self._of_job(Fields(node, _JOB, self._faults, where="the tuning job"))
        if "parameters" in node or "metrics" in node:
            fields = Fields(node, _STUDY_SPEC, self._faults, where="the study")
            do = "Put it below studySpec:, beside maxTrialCount: and parallelTrialCount:"
            fields.note(fields.place(""), "A study without a number of trials; services take 1", None, do)
            return self._built(self._of_spec(fields), fields)
        return self._of_training_input(Fields(node, _TOP, self._faults, where="the file"))

    def _of_training_input(self, top: Fields) -> Study | None:
        accept = "a table with hyperparameters:"
        if not top.has("trainingInput"):
            top.missing("trainingInput", accept, "Put hyperparameters: below trainingInput:")
            return None
        outer = top.table("trainingInput", _TRAINING_INPUT, accept)
        if outer is None:
            return None
        if not outer.has("hyperparameters"):
            outer.missing("hyperparameters", "a table with goal: and params:", "Add it")
        fields = outer.table("hyperparameters", _HYPERPARAMETERS, "a table with goal: and params:")
        if fields is None:
            return None
        found: dict[str, Any] = {"goal": self._goal(fields)}
        found["metric"] = self._metric(fields, "hyperparameterMetricTag", found["goal"])
        self._counts(fields, found, ("maxTrials", "maxParallelTrials", "maxFailedTrials"))
        self._common(fields, found)
        ends_trials = fields.switch("enableTrialEarlyStopping")
        if ends_trials and found["stopping"] is None:
            found["stopping"] = MedianStopping()
        if ends_trials is False and found["stopping"] is not None:
            self._contradiction(fields)
        found["parameters"] = self._parameters(fields, "params")
        return self._built(found, fields)

    def _of_job(self, job: Fields) -> Study | None:
        fields = job.table("studySpec", _STUDY_SPEC, "a table with metrics: and parameters:")
        if fields is None:
            return None
        found = self._of_spec(fields)
        self._counts(job, found, ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount"))
        return self._built(found, fields)

    def _of_spec(self, fields: Fields) -> dict[str, Any]:
        found: dict[str, Any] = {"goal": None, "metric": None}
        accept = "one metric, as [{metricId: rmse, goal: MINIMIZE}]"
        metrics = fields.items("metrics", accept)
        if not fields.has("metrics") or metrics == ():
            fields.fault(fields.place("metrics"), f"No metrics in {fields.where}", accept, "Add it")
        elif metrics is not None and len(metrics) > 1:
            fields.fault(metrics[1].place, f"{len(metrics)} metrics", "one metric", "Keep the one that matters most")
        elif metrics and isinstance(metrics[0], Table):
            metric = Fields(metrics[0], _METRIC, self._faults, where="metrics")
            found["goal"] = self._goal(metric)
            found["metric"] = self._metric(metric, "metricId", found["goal"])
        elif metrics:
            fields.fault(metrics[0].place, "A metric without keys", accept, "Write metricId: and goal:")
        self._common(fields, found)
        found["parameters"] = self._parameters(fields, "parameters")
        return found

    def _goal(self, fields: Fields) -> Goal | None:
        if not fields.has("goal"):
            fields.missing("goal", "MINIMIZE or MAXIMIZE", "Add goal: MINIMIZE; services would maximise")
        return fields.choice("goal", _GOALS)

    def _metric(self, fields: Fields, name: str, goal: Goal | None) -> str | None:
        known = self._searchable.metrics if self._searchable else ()
        accept = f"a metric that the job reports: {', '.join(known)}" if known else "a metric that the job reports"
        if not fields.has(name):
            fields.missing(name, accept, f"Add {name}: {known[0] if known else 'rmse'}")
        metric = fields.text(name, accept)
        if metric is None:
            return None
        self._places["metric"] = place = fields.place(name)
        if metric == OLD_DEFAULT_TAG:
            fields.note(place, f"Under {metric} the job reports its rmse", None, "Write rmse")
        elif known and metric not in known and metric.split() == [metric]:
            do = "Choose one of them; a metric of your own has to be listed in metrics of PROBLEM"
            fields.fault(place, f"{name}: {documents.shortened(metric)}, which the job does not report", accept, do)
        if goal is Goal.MAXIMIZE and any(word in metric.lower() for word in _ERRORS):
            fields.note(
                fields.place("goal"), f"{metric} is maximised, although less of it is better", None, "MINIMIZE?"
            )
        return metric

    def _counts(self, fields: Fields, found: dict[str, Any], names: tuple[str, str, str]) -> None:
        """Counts that are missing are what the services make of it."""
        for field, name, default in zip(
            ("max_trials", "max_parallel_trials", "max_failed_trials"), names, (1, 1, 0), strict=True
        ):
            count = fields.whole(name)
            self._places[field], self._keys[field] = fields.place(name), fields.spelled(name)
            if not fields.has(name) and default:
                fields.note(fields.place(name), f"No {name} in {fields.where}", None, f"Services take {default}")
            found[field] = default if count is None else count
        if found["max_parallel_trials"] > found["max_trials"] > 0:
            got = f"{found['max_parallel_trials']} trials at a time, of {found['max_trials']} in all"
            fields.note(fields.place(names[1]), got, None, f"Katib accepts at most {names[0]}")

    def _common(self, fields: Fields, found: dict[str, Any]) -> None:
        """What all forms share."""
        self._places["algorithm"] = fields.place("algorithm")
        found["algorithm"] = fields.choice("algorithm", _ALGORITHMS) or Algorithm.BAYESIAN
        chosen = fields.choice("measurementSelectionType", _MEASUREMENTS | _UNSPECIFIED_MEASUREMENT)
        found["measurement"] = chosen or Measurement.LAST
        found["stopping"], self._places["stopping"] = stopping_fields.rule(fields)
        found["study_stopping"] = stopping_fields.limits(fields)

    def _contradiction(self, fields: Fields) -> None:
        rule = fields.present(stopping_fields.RULES)[0]
        place = fields.place("enableTrialEarlyStopping")
        fields.fault(place, f"enableTrialEarlyStopping: false beside {rule}", "one of the two", "Remove one of them")

    def _parameters(self, fields: Fields, name: str) -> list[parameters.Found]:
        self._places["parameters"] = fields.place(name)
        accept = "a list of parameters, each behind a dash"
        if not fields.has(name):
            fields.missing(name, accept, f"Add {name}:")
        items = fields.items(name, accept)
        return parameters.read(items or (), self._faults, self._searchable)

    def _built(self, found: dict[str, Any], fields: Fields) -> Study | None:
        """The study; where parts of it are missing or wrong, checks what is there and returns None."""
        items: list[parameters.Found] = found.pop("parameters")
        if not items and any(fault.level is Level.FAULT for fault in self._faults):
            return None
        stand_ins = {"goal": Goal.MINIMIZE, "metric": "rmse"}
        given: dict[str, Any] = {name: stand_ins.get(name) if value is None else value for name, value in found.items()}
        try:
            study = Study(parameters=tuple(item.parameter for item in items), **given)
        except StudyError as error:
            places = self._places | {f"parameters.{number}": item.place for number, item in enumerate(items)}
            fields.complain(error, places, self._keys)
            return None
        self._remark_on_grid(study)
        return study

    def _remark_on_grid(self, study: Study) -> None:
        if study.algorithm is not Algorithm.GRID or any(entry.parent for entry in study.parameters):
            return
        points = 1
        for entry in study.parameters:
            points *= _points(entry)
        if points != study.max_trials:
            got = f"The grid has {points:,} points, and there are {study.max_trials} trials"
            do = "The study ends with the last point" if points < study.max_trials else f"All of it takes {points:,}"
            self._faults.append(Fault(place=self._places["algorithm"], got=got, do=do, level=Level.NOTE))

    def _fault(self, place: Place, got: str, accept: str | None, do: str | None) -> None:
        self._faults.append(Fault(place=place, got=got, accept=accept, do=do))


def _points(entry: Parameter) -> int:
    """Values of a parameter that a grid can visit."""
    if entry.kind is Kind.INTEGER and entry.minimum is not None and entry.maximum is not None:
        return int(entry.maximum) - int(entry.minimum) + 1
    return len(entry.values)
