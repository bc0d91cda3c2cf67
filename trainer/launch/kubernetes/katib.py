"""A study as a Katib Experiment (API kubeflow.org/v1beta1), which runs it on a Kubernetes cluster.

Katib's collector reads the lines of the tuner's file. So each trial's container runs with the variables of
`environment`, and with `command`, which has the flags of `trial_flags`.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import UsageError
from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study
from trainer.launch.task_flags import TASK_MODULE

METRICS_FILE = "/var/log/katib/metrics.jsonl"
# Of the shell: Kubernetes makes `$$` of `$$$$`.
_MARK = "/var/log/katib/$$$$.pid"
_NOT_PLAIN = re.compile(r"""['"\\\x00-\x1f]|\$[$(]""")
# A signal that comes before the task runs is kept for it.
_SCRIPT = (
    't=; trap \'t=1; kill -TERM "$!"\' TERM; {task} & p=$!; [ -z "$t" ] || kill -TERM "$p"; '
    'while wait "$p"; r=$?; kill -0 "$p" 2>/dev/null; do :; done; '
    '[ "$r" = 0 ] || [ -f {file} ] || exit "$r"; (exit "$r")'
)
TRIAL_NAME = "${trialParameters.trialName}"

_ALGORITHMS = {Algorithm.BAYESIAN: "tpe", Algorithm.RANDOM: "random", Algorithm.GRID: "grid"}
_KINDS = {Kind.DOUBLE: "double", Kind.INTEGER: "int", Kind.CATEGORICAL: "categorical", Kind.DISCRETE: "discrete"}
# How Katib sees that a trial has ended, by kind of its job; GJSON paths as in Katib's own examples.
_CONDITIONS = {
    "Job": ('status.conditions.#(type=="Complete")#|#(status=="True")#', "Failed"),
    "JobSet": ('status.conditions.#(type=="Completed")#|#(status=="True")#', "Failed"),
    "TrainJob": ('status.conditions.#(type=="Complete")#|#(status=="True")#', "Failed"),
    "TFJob": ('status.conditions.#(type=="Succeeded")#|#(status=="True")#', "Failed"),
}


def experiment(
    study: Study,
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str] | None = None,
    trial_spec: Mapping[str, Any],
    primary_container: str,
    primary_pod_labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The Experiment, ready for `kubectl apply`.

    Args:
      study: without conditional parameters, which Katib does not have.
      name: of the Experiment; trials are called after it.
      namespace: where it runs.
      labels: of the Experiment.
      trial_spec: the job of a trial (Job, TFJob, JobSet or TrainJob), whose containers run `command`. Its name
        and namespace are left out, since Katib gives each trial its own; `TRIAL_NAME` in it becomes that name.
      primary_container: name of the container whose metrics count.
      primary_pod_labels: of the pod that has it; None where the job has one pod.

    Raises:
      UsageError: the study, or the job, is none that Katib runs.
    """
    _require_flat(study)
    _require_plain(study)
    spec = {
        "objective": _objective(study),
        "algorithm": {"algorithmName": _ALGORITHMS[study.algorithm]},
        **({} if study.stopping is None else {"earlyStopping": {"algorithmName": "medianstop"}}),
        **_counts(study),
        "parameters": [_parameter(entry) for entry in study.parameters],
        "metricsCollectorSpec": _collector(),
        "trialTemplate": _template(study, trial_spec, primary_container, primary_pod_labels),
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": namespace, **({"labels": dict(labels)} if labels else {})},
        "spec": spec,
    }


def trial_flags(study: Study) -> list[str]:
    """The flags of a trial, each with the placeholder for which Katib puts the value."""
    return [f"--{entry.spelled}={_placeholder(entry)}" for entry in study.parameters]


def command(argv: Sequence[str]) -> dict[str, list[str]]:
    """`command` and `args` of a trial's container that runs the task with these flags.

    Katib's webhook (wrapWorkerContainer) joins both by spaces, puts ` && echo completed > DIRECTORY/$$.pid` behind, and
    has a shell run that, unless they are `sh -c SCRIPT` already. So the script quotes the flags, hands SIGTERM on to
    the task, which the shell would not, and ends with the task's exit code, except after Katib stopped the trial early:
    then its own words, which look at the same file, come next. To end it Katib terminates the shell's only child.

    Args:
      argv: flags of the task, with placeholders where Katib puts values.
    """
    task = shlex.join(["python", "-m", TASK_MODULE, *argv])
    return {"command": ["sh", "-c"], "args": [_SCRIPT.format(task=task, file=_MARK)]}


def task_words(script: str) -> list[str] | None:
    """The words behind `trainer.task` in a script of `command`; None in another."""
    try:
        words = shlex.split(script)
    except ValueError:
        return None
    if TASK_MODULE not in words:
        return None
    rest = words[words.index(TASK_MODULE) + 1 :]
    return list(itertools.takewhile(lambda word: not word.startswith(("&", ";", "|")), rest))


def environment(study: Study) -> dict[str, str]:
    """Variables of a trial's container: where its metric goes, under which name, and whose it is."""
    return {
        "CLOUD_ML_HP_METRIC_FILE": METRICS_FILE,
        "CLOUD_ML_HP_METRIC_TAG": study.metric,
        "CLOUD_ML_TRIAL_ID": TRIAL_NAME,
    }


def differences(study: Study) -> list[str]:
    """What of the study Katib does in another way, or not at all; a sentence each."""
    notes = []
    for entry in study.parameters:
        if entry.scale is Scale.REVERSE_LOG:
            notes.append(f"{entry.name}: Katib has no {entry.scale.value}; it is searched uniformly.")
        elif entry.scale is Scale.LOG and entry.kind is Kind.DISCRETE:
            notes.append(f"{entry.name}: Katib gives no scale to DISCRETE values; each is equally likely.")
    match study.stopping:
        case DecayCurveStopping() | ConvexStopping():
            notes.append("Early stopping: Katib has the median rule (medianstop) only; it is used.")
        case MedianStopping(use_elapsed_duration=True):
            notes.append("Early stopping: Katib counts evaluations, not seconds.")
    if study.study_stopping is not None:
        notes.append("studyStoppingConfig: left out; Katib ends a study only at maxTrialCount.")
    if study.max_parallel_trials > study.max_trials:
        notes.append(f"Trials at a time: {study.max_trials}, as many as there are in all.")
    if study.max_failed_trials > study.max_trials:
        notes.append(f"Failed trials: {study.max_trials}, as many as there are in all.")
    return notes


def _require_plain(study: Study) -> None:
    """Katib puts values into the trial's job as text, in JSON, and from there they go to a shell."""
    for entry in study.parameters:
        for value in entry.values:
            text = entry.text(value)
            if _NOT_PLAIN.search(text):
                accept = "values without quotes, backslashes, $$, $( and control characters"
                raise UsageError(f"The value {text!r} of {entry.name}", accept, "Rename it, or submit to Vertex AI")


def _require_flat(study: Study) -> None:
    dependent = [entry.name for entry in study.parameters if entry.parent is not None]
    if dependent:
        raise UsageError(
            f"Conditional parameters: {', '.join(dependent)}",
            "parameters that every trial has",
            "Make them independent, search them in a study of their own, or submit to Vertex AI",
        )


def _counts(study: Study) -> dict[str, int]:
    """Katib refuses more trials at a time, or failed ones, than there are in all."""
    counts = {
        "parallelTrialCount": min(study.max_parallel_trials, study.max_trials),
        "maxTrialCount": study.max_trials,
    }
    if study.max_failed_trials:
        counts["maxFailedTrialCount"] = min(study.max_failed_trials, study.max_trials)
    return counts


def _objective(study: Study) -> dict[str, Any]:
    is_minimum = study.goal is Goal.MINIMIZE
    best = "min" if is_minimum else "max"
    strategy = "latest" if study.measurement is Measurement.LAST else best
    return {
        "type": "minimize" if is_minimum else "maximize",
        "objectiveMetricName": study.metric,
        "metricStrategies": [{"name": study.metric, "value": strategy}],
    }


def _parameter(entry: Parameter) -> dict[str, Any]:
    return {"name": entry.spelled, "parameterType": _KINDS[entry.kind], "feasibleSpace": _space(entry)}


def _space(entry: Parameter) -> dict[str, Any]:
    """Every value is a text there."""
    if entry.minimum is None or entry.maximum is None:
        return {"list": [entry.text(value) for value in entry.values]}
    space: dict[str, Any] = {"min": entry.text(entry.minimum), "max": entry.text(entry.maximum)}
    if entry.kind is Kind.INTEGER:
        space["step"] = "1"
    if entry.scale is Scale.LOG:
        space["distribution"] = "logUniform"
    elif entry.scale is not Scale.NONE:
        space["distribution"] = "uniform"
    return space


def _collector() -> dict[str, Any]:
    path = {"path": METRICS_FILE, "kind": "File", "format": "JSON"}
    return {"collector": {"kind": "File"}, "source": {"fileSystemPath": path}}


def _template(
    study: Study, trial_spec: Mapping[str, Any], primary_container: str, pod_labels: Mapping[str, str] | None
) -> dict[str, Any]:
    kind = str(trial_spec.get("kind"))
    if kind not in _CONDITIONS:
        raise UsageError(f"A trial that is a {kind}", ", ".join(_CONDITIONS), "Choose one of them")
    succeeded, failed = _CONDITIONS[kind]
    template: dict[str, Any] = {
        "primaryContainerName": primary_container,
        "successCondition": succeeded,
        "failureCondition": f'status.conditions.#(type=="{failed}")#|#(status=="True")#',
        "trialParameters": _trial_parameters(study, trial_spec),
        "trialSpec": _nameless(trial_spec),
    }
    if pod_labels:
        template["primaryPodLabels"] = dict(pod_labels)
    return template


def _nameless(trial_spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in trial_spec.get("metadata", {}).items() if key not in ("name", "namespace")}
    rest = {key: value for key, value in trial_spec.items() if key != "metadata"}
    return {**rest, "metadata": metadata} if metadata else rest


def _trial_parameters(study: Study, trial_spec: Mapping[str, Any]) -> list[dict[str, str]]:
    """One for each placeholder in the trial's job: Katib refuses a job that lacks one of them, or has another."""
    parameters = [
        {"name": _camel(entry.name), "description": f"--{entry.spelled}", "reference": entry.spelled}
        for entry in study.parameters
    ]
    texts = list(_texts(trial_spec))
    for entry in study.parameters:
        if not any(_placeholder(entry) in text for text in texts):
            raise UsageError(
                f"The trial's job does not use {_placeholder(entry)}", "all of trial_flags", "Add its flag"
            )
    if any(TRIAL_NAME in text for text in texts):
        parameters.append({"name": "trialName", "description": "The trial's name", "reference": "${trialSpec.Name}"})
    return parameters


def _texts(value: Any) -> Sequence[str]:
    """All texts in a manifest."""
    if isinstance(value, Mapping):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def _placeholder(entry: Parameter) -> str:
    return f"${{trialParameters.{_camel(entry.name)}}}"


def _camel(name: str) -> str:
    """As Katib's own examples call their parameters."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
