"""What Vertex AI would refuse of a request, or let through to fail later: rules on the JSON, by field.

The service's own types accept most of this: two primary replicas, a negative timeout, a machine that does not exist.
Bounds are those of the REST reference and of the pages on distributed training and compute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trainer.job import findings
from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch import task_flags
from trainer.launch.files.schema import schema_errors, whole
from trainer.launch.vertex import pools as vertex_pools
from trainer.launch.vertex import schemas
from trainer.launch.vertex import surroundings as vertex_surroundings

_STRATEGIES = ("STANDARD", "SPOT", "FLEX_START", "ON_DEMAND", "LOW_COST")
# Numbers of the regions of each area, as the service's discovery document lists its regional endpoints.
_AREAS = {
    "africa-south": (1,),
    "asia-east": (1, 2),
    "asia-northeast": (1, 2, 3),
    "asia-south": (1, 2),
    "asia-southeast": (1, 2, 3),
    "australia-southeast": (1, 2),
    "europe-central": (2,),
    "europe-north": (1, 2),
    "europe-southwest": (1,),
    "europe-west": (1, 2, 3, 4, 6, 8, 9, 10, 12, 15),
    "me-central": (1, 2),
    "me-west": (1,),
    "northamerica-northeast": (1, 2),
    "southamerica-east": (1,),
    "southamerica-west": (1,),
    "us-central": (1, 2),
    "us-east": (1, 4, 5, 7),
    "us-south": (1,),
    "us-west": (1, 2, 3, 4, 8),
}
_REGIONS = tuple(f"{area}{number}" for area, numbers in _AREAS.items() for number in numbers)
_DURATION = re.compile(r"\d+(\.\d{1,9})?s")
_MAX_SECS = 28 * 86400
_MOST_LABELS = 62


def place(project: str | None, region: str) -> Iterator[Finding]:
    """What is wrong with where the job is to run."""
    do = "Set --project, or export GOOGLE_CLOUD_PROJECT"
    if not project:
        yield Finding(where=("project",), got="no project", accept="the id of a project", do=do)
    elif not re.fullmatch(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{6,}", project):
        accept = "6 to 30 lower-case letters, digits and dashes, or a project number"
        yield Finding(where=("project",), got=short(project), accept=accept, do="gcloud projects list shows the ids")
    if re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-f]", region):
        do = f"Write --region={region[:-2]}"
        yield Finding(where=("region",), got=f"{region!r} is a zone", accept="a region", do=do)
    elif not re.fullmatch(r"[a-z]+-[a-z]+\d+", region):
        do = suggestion(region, _REGIONS, "Set --region")
        yield Finding(where=("region",), got=short(region), accept="a region of Vertex AI, such as us-central1", do=do)
    elif region not in _REGIONS:
        yield findings.unknown(("region",), "region", region, _REGIONS, decides="Vertex AI")


def custom_job(request: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the body of customJobs.create."""
    wrong = list(schema_errors(request, schemas.CUSTOM_JOB))
    yield from wrong or _resource(request)
    if not wrong:
        yield from _job_spec(request.get("jobSpec") or {}, ("jobSpec",), studied=())


def tuning_job(request: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the body of hyperparameterTuningJobs.create, but for its studySpec's own rules."""
    wrong = list(schema_errors(request, schemas.TUNING_JOB))
    yield from wrong
    if wrong:
        return
    yield from _resource(request)
    yield from _trials(request)
    study = request.get("studySpec") or {}
    yield from _job_spec(request.get("trialJobSpec") or {}, ("trialJobSpec",), studied=searched(study))


def job_spec(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a bare CustomJobSpec, as gcloud takes it."""
    wrong = list(schema_errors(spec, schemas.JOB_SPEC))
    yield from wrong or _job_spec(spec, (), studied=())


def searched(study: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of all parameters of a studySpec, conditional ones too."""
    names: list[str] = []
    pending = list(study.get("parameters") or ())
    while pending:
        parameter = pending.pop(0)
        names.append(str(parameter.get("parameterId", "")).replace("-", "_"))
        for conditional in parameter.get("conditionalParameterSpecs") or ():
            pending.append(conditional.get("parameterSpec") or {})
    return tuple(names)


def _resource(request: Mapping[str, Any]) -> Iterator[Finding]:
    name = request.get("displayName")
    if not name or len(name) > 128:
        got = f"a name of {len(name)} characters" if name else "no name"
        yield Finding(where=("displayName",), got=got, accept="1 to 128 characters", do="Set --name")
    yield from _labels(request.get("labels") or {}, ("labels",))
    key = (request.get("encryptionSpec") or {}).get("kmsKeyName")
    if key is not None and not re.fullmatch(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+", key):
        yield Finding(
            where=("encryptionSpec", "kmsKeyName"),
            got=short(key),
            accept="projects/P/locations/R/keyRings/K/cryptoKeys/N",
            do="gcloud kms keys list shows it",
        )


def _labels(labels: Mapping[str, str], path: Path) -> Iterator[Finding]:
    if len(labels) > _MOST_LABELS:
        accept = f"up to {_MOST_LABELS}, beside the two by which a submission is found again"
        yield Finding(where=path, got=f"{len(labels)} labels", accept=accept, do="Drop some")
    for key, value in labels.items():
        accept = "up to 63 lower-case letters, digits, '_' and '-', the key beginning with a letter"
        if not key[:1].isalpha() or not (_is_label(key) and _is_label(value)):
            better = "=".join(re.sub(r"[^\w-]", "-", part.lower())[:63] for part in (key, value))
            yield Finding(where=(*path, key), got=f"{key}={short(value)[1:-1]}", accept=accept, do=f"Perhaps {better}")


def _is_label(text: str) -> bool:
    return len(text) <= 63 and text == text.lower() and all(char.isalnum() or char in "_-" for char in text)


def _trials(request: Mapping[str, Any]) -> Iterator[Finding]:
    counts = {name: whole(request.get(name)) for name in ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount")}
    most, parallel, failed = counts.values()
    for name, least in (("maxTrialCount", 1), ("parallelTrialCount", 1), ("maxFailedTrialCount", 0)):
        count = counts[name]
        if (count is None and least) or (count is not None and count < least):
            yield Finding(where=(name,), got=str(count), accept=f"{least} or more", do="Correct it in the study's file")
    if most and parallel and parallel > most:
        got = f"{parallel} at a time of {most} trials"
        yield Finding(where=("parallelTrialCount",), got=got, accept=f"up to {most}", do="Lower maxParallelTrials")
    if most and failed and failed > most:
        got = f"{failed} failures of {most} trials"
        yield Finding(where=("maxFailedTrialCount",), got=got, accept=f"up to {most}", do="Lower maxFailedTrials")
    if not request.get("studySpec"):
        yield Finding(where=("studySpec",), got="no study", accept="metrics and parameters", do="Set --config")


def _job_spec(spec: Mapping[str, Any], path: Path, studied: Iterable[str]) -> Iterator[Finding]:
    pools = spec.get("workerPoolSpecs") or []
    yield from vertex_pools.counts(pools, (*path, "workerPoolSpecs"))
    for index, pool in enumerate(pools):
        if pool:
            yield from vertex_pools.one(pool, (*path, "workerPoolSpecs", index))
    yield from _task(spec, path, tuple(studied))
    yield from _scheduling(spec.get("scheduling") or {}, (*path, "scheduling"))
    yield from vertex_surroundings.violations(spec, path)


def _task(spec: Mapping[str, Any], path: Path, studied: tuple[str, ...]) -> Iterator[Finding]:
    """The flags of the task in each pool, where the task is ours and not an image's own program."""
    pools = spec.get("workerPoolSpecs") or []
    evaluates = len(pools) > 3 and bool(pools[3])
    seen: list[list[str]] = []
    for index, pool in enumerate(pools):
        kind = "containerSpec" if pool and pool.get("containerSpec") else "pythonPackageSpec"
        entry = (pool or {}).get(kind) or {}
        argv, at = entry.get("args") or [], (*path, "workerPoolSpecs", index, kind, "args")
        ours = kind == "containerSpec" or entry.get("pythonModule") == task_flags.TASK_MODULE
        if not pool or not ours or entry.get("command") or argv in seen:
            continue
        seen.append(argv)
        yield from task_flags.violations(
            argv, at, has_evaluator=evaluates, has_base_dir=bool(spec.get("baseOutputDirectory"))
        )
        yield from _sets_twice(argv, studied, at)
        if evaluates and index == 0 and not any(_flag(word) == "separate_evaluator" for word in argv):
            accept, do = "--separate_evaluator, so that the chief leaves that to pool 3", "Add it to the flags"
            yield Finding(where=at, got="a chief that evaluates although there is an evaluator", accept=accept, do=do)


def _sets_twice(argv: list[str], studied: tuple[str, ...], path: Path) -> Iterator[Finding]:
    for name in sorted({_flag(word) for word in argv} & set(studied)):
        do = f"Drop --{name} after --, or the parameter from the study"
        yield Finding(
            where=path, got=f"--{name}, which the study searches", accept="flags that the study does not search", do=do
        )


def _flag(word: str) -> str:
    return word.lstrip("-").partition("=")[0].replace("-", "_") if word.startswith("-") else ""


def _scheduling(scheduling: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    strategy = scheduling.get("strategy")
    if strategy is not None and strategy not in _STRATEGIES:
        yield findings.unknown((*path, "strategy"), "strategy", strategy, _STRATEGIES, decides="Vertex AI")
    for name, flag in (("timeout", "timeout"), ("maxWaitDuration", "max_wait")):
        text = scheduling.get(name)
        if text is None:
            continue
        if name == "maxWaitDuration" and re.fullmatch(r"0(\.0+)?s", text):  # waits without end
            continue
        if not _DURATION.fullmatch(text) or not 0 < float(text[:-1]) <= _MAX_SECS:
            accept = f"seconds with an s, such as 3600s, above 0 and up to {_MAX_SECS}s (28 days)"
            yield Finding(where=(*path, name), got=short(text), accept=accept, do=f"Set --{flag}=8h or 28800s")
    if scheduling.get("maxWaitDuration") is not None and strategy != "FLEX_START":
        accept = "with strategy FLEX_START, which waits for machines"
        do = "Add --provisioning=flex_start, or drop --max_wait"
        got = f"a wait with strategy {strategy or 'STANDARD'}"
        yield Finding(where=(*path, "maxWaitDuration"), got=got, accept=accept, do=do)
    if scheduling.get("disableRetries") and scheduling.get("restartJobOnWorkerRestart"):
        accept, do = "one of the two", "Drop disableRetries, which disables restarts"
        at = (*path, "restartJobOnWorkerRestart")
        yield Finding(where=at, got="restarts together with disableRetries", accept=accept, do=do)
