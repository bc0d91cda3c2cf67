"""What Katib would refuse of an Experiment (v1beta1), or do with it that nobody wants.

Its CRD accepts anything. The rules follow ValidateExperiment (pkg/webhook/v1beta1/experiment/validator), after the
defaults that Katib sets first (SetDefault), and the pod webhook, which changes the trials' pods (inject_webhook.go).
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from trainer.job.findings import Finding, Level, Path, short, unknown
from trainer.job.spelling import nearest, suggestion
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes.katib_parameter_rules import parameters
from trainer.launch.kubernetes.tables import Table, listed, table

_TRIAL_SUFFIX = "-abcdefgh"  # a trial is called after its Experiment
# Kinds of trials for which Katib knows by itself how they end, and which pod counts.
_WITH_CONDITIONS = ("Job", "TFJob", "PyTorchJob", "XGBoostJob", "MPIJob", "TrainJob")
# What katib-config.yaml lists; a cluster may have others.
_ALGORITHMS = ("tpe", "random", "grid", "bayesianoptimization", "multivariate-tpe", "cmaes", "sobol", "hyperband") + (
    ("pbt", "enas", "darts")
)
_STOPPING = ("medianstop",)
_WRAPPED = ("StdOut", "File", "TensorFlowEvent")  # collectors for which the trial runs in a shell
_PLACEHOLDER = re.compile(r"\$\{trialParameters\.(.+?)\}")
_META = re.compile(r"\$\{trialSpec\.(Name|Namespace|Kind|APIVersion|(Annotations|Labels)\[.+\])\}")


def experiment(value: Table, of_trial: Callable[[Table], list[Finding]]) -> Iterator[Finding]:
    """What is wrong with an Experiment.

    Args:
      value: the manifest.
      of_trial: what is wrong with the manifest of a trial's job.
    """
    spec = table(value.get("spec"))
    yield from _counts(spec)
    yield from _objective(spec)
    yield from _algorithms(spec)
    yield from parameters(listed(spec.get("parameters")), ("spec", "parameters"))
    if not spec.get("parameters") and not spec.get("nasConfig"):
        yield Finding(where=("spec", "parameters"), got="nothing to search", accept="parameters", do="Write some")
    yield from _collector(table(spec.get("metricsCollectorSpec")), ("spec", "metricsCollectorSpec"))
    template, path = table(spec.get("trialTemplate")), ("spec", "trialTemplate")
    if template.get("configMap"):
        return  # the trial is in the cluster
    trial = table(template.get("trialSpec"))
    if not trial:
        yield Finding(where=(*path, "trialSpec"), got="no trial", accept="a TFJob or a Job", do="Write trialSpec")
        return
    yield from _template(template, trial, path)
    yield from _references(spec, template, trial, path)
    yield from _containers(spec, template, trial, path)
    name = str(table(value.get("metadata")).get("name") or "trial")
    named = {**trial, "metadata": {**table(trial.get("metadata")), "name": f"{name}{_TRIAL_SUFFIX}"}}
    for finding in of_trial(named):
        assert isinstance(finding.where, tuple), "a field"
        at = finding.where if finding.where == ("metadata", "name") else (*path, "trialSpec", *finding.where)
        yield dataclasses.replace(finding, where=at)


def _counts(spec: Table) -> Iterator[Finding]:
    most = whole(spec.get("maxTrialCount"))
    for name, least in (("maxTrialCount", 1), ("parallelTrialCount", 1), ("maxFailedTrialCount", 0)):
        count = whole(spec.get(name))
        if spec.get(name) is None:
            continue
        if count is None or count < least or (most is not None and count > most > 0):
            accept = f"a whole number from {least} up" + ("" if name == "maxTrialCount" else ", to maxTrialCount")
            yield Finding(where=("spec", name), got=short(spec.get(name)), accept=accept, do="Correct it")


def _objective(spec: Table) -> Iterator[Finding]:
    objective, path = table(spec.get("objective")), ("spec", "objective")
    kinds = ("minimize", "maximize")
    if objective.get("type") not in kinds:
        do = suggestion(str(objective.get("type")), kinds, "Write type: minimize or maximize")
        yield Finding(where=(*path, "type"), got=short(objective.get("type")), accept=" or ".join(kinds), do=do)
    name = objective.get("objectiveMetricName")
    if not name:
        do = "Write objectiveMetricName"
        yield Finding(where=(*path, "objectiveMetricName"), got="no metric", accept="the metric that counts", do=do)
    elif name in listed(objective.get("additionalMetricNames")):
        at, got = (*path, "additionalMetricNames"), f"{name}, which is the objective"
        yield Finding(where=at, got=got, accept="other metrics", do="Drop it")
    known = ("min", "max", "latest")
    for index, raw in enumerate(listed(objective.get("metricStrategies"))):
        if table(raw).get("value") not in known:
            value, where = table(raw).get("value"), (*path, "metricStrategies", index, "value")
            yield Finding(where=where, got=short(value), accept=", ".join(known), do="Use one of them")


def _algorithms(spec: Table) -> Iterator[Finding]:
    for field, known in (("algorithm", _ALGORITHMS), ("earlyStopping", _STOPPING)):
        if field == "earlyStopping" and spec.get(field) is None:
            continue
        at, name = ("spec", field, "algorithmName"), table(spec.get(field)).get("algorithmName")
        if not name:
            yield Finding(where=at, got="no algorithm", accept=", ".join(known), do="Write algorithmName")
        elif name not in known:
            yield unknown(at, "algorithm", str(name), known, decides="Katib's configuration in the cluster")
    policies = ("", "Never", "LongRunning", "FromVolume")
    if spec.get("resumePolicy", "") not in policies:
        accept = ", ".join(policies[1:])
        yield Finding(where=("spec", "resumePolicy"), got=short(spec["resumePolicy"]), accept=accept, do="Correct it")


def _collector(collector: Table, path: Path) -> Iterator[Finding]:
    kind = table(collector.get("collector")).get("kind", "StdOut")
    kinds = (*_WRAPPED, "PrometheusMetric", "Custom", "Push")
    file, at = table(table(collector.get("source")).get("fileSystemPath")), (*path, "source", "fileSystemPath")
    if kind not in kinds:
        do = suggestion(str(kind), kinds, "Use one of them")
        yield Finding(where=(*path, "collector", "kind"), got=short(kind), accept=", ".join(kinds), do=do)
    if kind not in ("File", "TensorFlowEvent"):
        return
    wanted = "File" if kind == "File" else "Directory"
    if file.get("kind", wanted) != wanted:
        accept, do = f"{wanted} for {kind}", f"Write kind: {wanted}"
        yield Finding(where=(*at, "kind"), got=short(file.get("kind")), accept=accept, do=do)
    if not str(file.get("path", "/")).startswith("/"):
        accept, do = "an absolute path", "Write it as /var/log/katib/metrics.log"
        yield Finding(where=(*at, "path"), got=short(file.get("path")), accept=accept, do=do)
    formats: tuple[str, ...] = ("TEXT", "JSON") if kind == "File" else ("",)
    if file.get("format", formats[0]) not in formats:
        accept = " or ".join(formats) or "none"
        yield Finding(where=(*at, "format"), got=short(file.get("format")), accept=accept, do="Correct it")
    if file.get("format") == "JSON" and table(collector.get("source")).get("filter"):
        where = (*path, "source", "filter")
        yield Finding(where=where, got="a filter of lines of JSON", accept="none", do="Drop it")


def _template(template: Table, trial: Table, path: Path) -> Iterator[Finding]:
    for name in ("successCondition", "failureCondition"):
        if not template.get(name) and trial.get("kind") not in _WITH_CONDITIONS:
            accept = f"a condition, for kinds other than {', '.join(_WITH_CONDITIONS)}"
            yield Finding(where=(*path, name), got="nothing", accept=accept, do=f"Write {name}")
    metadata = table(trial.get("metadata"))
    for name in ("name", "namespace"):
        if metadata.get(name):
            at = (*path, "trialSpec", "metadata", name)
            yield Finding(where=at, got=short(metadata[name]), accept="none: Katib gives it", do="Drop it")


def _references(spec: Table, template: Table, trial: Table, path: Path) -> Iterator[Finding]:
    """Parameters, references to them, and the places where their values go."""
    searched = [str(table(entry).get("name")) for entry in listed(spec.get("parameters"))]
    used = _PLACEHOLDER.findall(json.dumps(trial))
    names: list[str] = []
    references: list[str] = []
    for index, raw in enumerate(listed(template.get("trialParameters"))):
        name, reference = str(table(raw).get("name") or ""), str(table(raw).get("reference") or "")
        at = (*path, "trialParameters", index)
        if not name or not reference or name in names or reference in references:
            got = f"name {short(name)}, reference {short(reference)}"
            yield Finding(where=at, got=got, accept="both, each once", do="Correct it")
        elif not _META.fullmatch(reference) and searched and reference not in searched:
            accept, do = ", ".join(searched), suggestion(reference, searched, "Correct it")
            yield Finding(where=(*at, "reference"), got=f"no parameter {short(reference)}", accept=accept, do=do)
        elif name not in used:
            where = f"${{trialParameters.{name}}} in trialSpec"
            yield Finding(where=(*at, "name"), got=f"{name} is not used", accept=where, do="Use it, or drop it")
        names.append(name)
        references.append(reference)
    for name in dict.fromkeys(used):
        if name not in names:
            got, better = f"${{trialParameters.{name}}}, which is none of them", nearest(name, names)
            do = f"Did you mean {better}?" if better else "Add it to trialParameters"
            yield Finding(where=(*path, "trialSpec"), got=got, accept=", ".join(names) or "none", do=do)
    given = [reference for reference in references if not _META.fullmatch(reference)]
    for index, name in enumerate(searched):
        if name not in given and set(given) <= set(searched):  # else a reference is misspelt
            at, do = ("spec", "parameters", index, "name"), "Add it to trialParameters, and use it in trialSpec"
            yield Finding(where=at, got=f"{name}, which no trial is given", accept="parameters of the trials", do=do)


def _containers(spec: Table, template: Table, trial: Table, path: Path) -> Iterator[Finding]:
    """The container whose metrics count: it has to be there, and Katib runs it in a shell."""
    primary, at = template.get("primaryContainerName"), (*path, "primaryContainerName")
    found = list(_all_containers(trial, (*path, "trialSpec")))
    known = [str(container.get("name")) for _, container in found]
    if not primary:
        do = f"Write primaryContainerName: {known[0] if known else 'tensorflow'}"
        yield Finding(where=at, got="no container", accept="the container whose metrics count", do=do)
    elif found and primary not in known:
        do = suggestion(str(primary), known, f"Write primaryContainerName: {known[0]}")
        yield Finding(where=at, got=f"no container {primary}", accept=", ".join(dict.fromkeys(known)), do=do)
    collector = table(table(spec.get("metricsCollectorSpec")).get("collector")).get("kind", "StdOut")
    for where, container in found:
        if container.get("name") == primary and collector in _WRAPPED:
            yield from _words(container, where)


def _words(container: Table, path: Path) -> Iterator[Finding]:
    """Katib joins command and args by spaces, and has `sh -c` run that (wrapWorkerContainer)."""
    command = [str(word) for word in listed(container.get("command"))]
    if not command:
        got = "no command, so that Katib asks the image's registry for its entry point"
        accept, do = "the program, where the registry cannot be asked", "Write command"
        yield Finding(where=(*path, "command"), got=got, accept=accept, do=do, level=Level.NOTE)
    if command[:2] in (["sh", "-c"], ["bash", "-c"]):
        return
    for field in ("command", "args"):
        for index, raw in enumerate(listed(container.get(field))):
            word = _PLACEHOLDER.sub("x", str(raw))
            if shlex.quote(word) != word and not _is_quoted(word):
                got = f"{short(raw)}, which a shell takes apart"
                do = f"Write {shlex.quote(str(raw))}, or command: [sh, -c]"
                yield Finding(where=(*path, field, index), got=got, accept="words quoted for sh", do=do)


def _is_quoted(word: str) -> bool:
    """Whether a shell sees one word, with nothing in it that it would replace or run."""
    try:
        return len(shlex.split(word)) == 1 and not re.search(r"[;&|<>()$`*?\n]", re.sub(r"'[^']*'", "", word))
    except ValueError:
        return False


def _all_containers(value: Any, path: Path) -> Iterator[tuple[Path, Table]]:
    """Each container of each pod template in a job, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "containers":
                yield from (((*path, key, index), table(entry)) for index, entry in enumerate(listed(inner)))
            else:
                yield from _all_containers(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _all_containers(inner, (*path, index))
