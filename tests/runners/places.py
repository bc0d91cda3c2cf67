"""The environment of each process of a job, as Vertex AI documents it.

Host names become loopback addresses, since there is no network of machines here; everything else is as documented:
https://cloud.google.com/vertex-ai/docs/training/code-requirements and .../distributed-training.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

_POOLS = ("chief", "worker", "ps", "evaluator")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One process: what it is called, what it is told and what it is started with."""

    name: str
    environ: Mapping[str, str]
    argv: tuple[str, ...]


def of_vertex(
    request: Mapping[str, Any], addresses: Sequence[str], *, trial: str | None = None, parameters: Sequence[str] = ()
) -> list[Place]:
    """Replicas of a CustomJob, or of a trial of a HyperparameterTuningJob.

    Args:
      request: the body that was submitted.
      addresses: one for each replica, pool after pool.
      trial: its id; None for a CustomJob.
      parameters: flags that the trial gets behind its own.
    """
    spec = request.get("jobSpec") or request["trialJobSpec"]
    base = spec["baseOutputDirectory"]["outputUriPrefix"].rstrip("/")
    remaining = iter(addresses)
    pools = [
        [next(remaining) for _ in range(int((pool or {}).get("replicaCount", 0)))] for pool in spec["workerPoolSpecs"]
    ]
    of_all = _vertex_directories(base, trial)
    of_all |= {"CLOUD_ML_JOB_ID": "1234567890", "CLOUD_ML_PROJECT_ID": "my-project"}
    if trial:
        metric = request["studySpec"]["metrics"][0]["metricId"]
        of_all |= {"CLOUD_ML_TRIAL_ID": trial, "CLOUD_ML_HP_METRIC_TAG": metric}
    places = []
    for pool, replicas in enumerate(pools):
        for index in range(len(replicas)):
            runs = spec["workerPoolSpecs"][pool]
            argv = (runs.get("pythonPackageSpec") or runs["containerSpec"]).get("args", [])
            environ = of_all | _vertex_cluster(spec, pools, pool, index, trial)
            places.append(Place(name=f"workerpool{pool}-{index}", environ=environ, argv=(*argv, *parameters)))
    return places


def _vertex_directories(base: str, trial: str | None) -> dict[str, str]:
    below = f"{base}/{trial}" if trial else base
    return {
        "AIP_MODEL_DIR": f"{below}/model/",
        "AIP_CHECKPOINT_DIR": f"{below}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{below}/logs/",
    }


def _vertex_cluster(
    spec: Mapping[str, Any], pools: Sequence[Sequence[str]], pool: int, index: int, trial: str | None
) -> dict[str, str]:
    """CLUSTER_SPEC always; TF_CONFIG where there is more than one replica, without evaluators in its cluster."""
    of_trial = {"trial": trial} if trial else {}
    listed = {f"workerpool{number}": list(replicas) for number, replicas in enumerate(pools) if replicas}
    task: dict[str, Any] = {"type": f"workerpool{pool}", "index": index, **of_trial}
    found = {"cluster": listed, "environment": "cloud", "task": task, "job": spec}
    environ = {"CLUSTER_SPEC": json.dumps(found)}
    if sum(map(len, pools)) > 1:
        named = {role: list(replicas) for role, replicas in zip(_POOLS[:3], pools, strict=False) if replicas}
        task = {"type": _POOLS[pool], "index": index, "cloud": "a1b2c3", **of_trial}
        environ["TF_CONFIG"] = json.dumps({"cluster": named, "environment": "cloud", "job": spec, "task": task})
    return environ
