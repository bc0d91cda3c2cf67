"""Combinations of the flags of `submit kubernetes`, and which of them are refused, and why."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from tests.launch.vertex_requests import ROOT
from trainer.job.errors import UsageError
from trainer.launch.kubernetes.options import KubernetesOptions, Spot, Workload

ARGV = ["--train_steps=1000"]
STUDY = str(ROOT / "tests" / "launch" / "kubernetes" / "two_trials.yaml")
BASE: Mapping[str, Any] = {
    "name": "forecast",
    "image": "registry.example/trainer:1.0",
    "output_dir": "gs://my-bucket/runs/a",
}
TARGETS: Mapping[str, Mapping[str, Any]] = {
    **{kind.value: {"kind": kind} for kind in Workload},
    "katib_job": {"kind": Workload.JOB, "config": STUDY},
    "katib_tfjob": {"kind": Workload.TFJOB, "config": STUDY},
}
CLUSTERS: Mapping[str, Mapping[str, Any]] = {
    "one": {},
    "workers": {"worker": 2},
    "evaluated": {"worker": 1, "evaluator": 1},
    "ps": {"worker": 2, "ps": 1, "evaluator": 1},
}
FEATURES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "gpu": {"gpu": 2, "cpu": "8", "memory": "32Gi"},
    "spot": {"spot": Spot.GKE, "timeout_secs": 3600, "priority_class": "low", "queue": "team-a"},
    "secrets": {
        "secret_env": ("API_KEY=my-secret/key",),
        "secret_file": ("google=/var/secrets/google",),
        "pull_secret": ("registry.example",),
        "service_account": "trainer",
    },
    "volumes": {"volume": ("data.v1=/data", "runs=/mnt/runs"), "output_dir": "/data/run", "fs_group": 2000},
    "lists": {"env": ("HOSTS=a", "b c;d", "LEVEL=1"), "label": ("team=a",), "node_selector": ("pool=big",)},
    "port": {"port": 2300, "namespace": "training", "toleration": ("dedicated=training:NoSchedule",)},
}
# The longest names that each target takes with three pods or more (63, Katib 40), and one letter more.
LONGEST = {"job": 61, "tfjob": 51, "jobset": 48, "trainjob": 48, "katib_job": 40, "katib_tfjob": 40}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Combination:
    """One command line.

    Attributes:
      name: of the combination, for the test's own name.
      target: of TARGETS.
      settings: the flags.
      refused: a part of what is said, where it is refused.
    """

    name: str
    target: str
    settings: Mapping[str, Any]
    refused: str | None

    def options(self) -> KubernetesOptions:
        """The flags as options. Raises UsageError, as the command would."""
        return KubernetesOptions(**self.settings)


def combinations() -> Iterator[Combination]:
    """All of them."""
    for (target, kind), (shape, cluster), (what, feature) in itertools.product(
        TARGETS.items(), CLUSTERS.items(), FEATURES.items()
    ):
        settings = {**BASE, **kind, **cluster, **feature}
        yield _combination(f"{target}-{shape}-{what}", target, settings)
    for target, kind in TARGETS.items():
        settings = {**BASE, **kind, **CLUSTERS["evaluated"]}
        if target != "tfjob":  # whose longest pod is the evaluator in any case
            settings |= {"worker": 2, "evaluator": 0}
        for length in (LONGEST[target], LONGEST[target] + 1):
            refused = None if length == LONGEST[target] else "Set a --name that is 1 characters shorter"
            named = settings | {"name": "f" * length}
            yield _combination(f"{target}-name-of-{length}", target, named, refused)
        for flag, value in (("ttl_secs", 600), ("max_restarts", 3), ("port", 70000), ("service_account", "My_SA")):
            yield _combination(f"{target}-{flag}", target, settings | {flag: value})


def _combination(name: str, target: str, settings: Mapping[str, Any], refused: str | None = None) -> Combination:
    return Combination(name=name, target=target, settings=settings, refused=refused or _refused(target, settings))


def _refused(target: str, settings: Mapping[str, Any]) -> str | None:
    """Why a combination is refused; None where it is not."""
    is_tf_job = settings["kind"] is Workload.TFJOB
    if "max_restarts" in settings and is_tf_job:
        return "--max_restarts with --kind=tfjob"
    if "ttl_secs" in settings and (target == "trainjob" or "config" in settings):
        return "--ttl_secs with "
    if settings.get("gpu") and (settings.get("ps") or settings.get("evaluator")) and not is_tf_job:
        return "since the pods of one Job are alike"
    if settings.get("port") == 70000:
        return "70000. Accepted: from 1 up to 65535"
    return "'My_SA'. Accepted: lower-case letters" if settings.get("service_account") == "My_SA" else None


def refusal(combination: Combination, prepare: Any) -> str | None:
    """What is said where the combination is refused; None where it is accepted."""
    try:
        prepare(combination.options(), ARGV)
    except UsageError as error:
        return str(error)
    return None
