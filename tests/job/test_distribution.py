"""How the processes of a job share the work: one table of clusters and wishes."""

from __future__ import annotations

import pytest

from trainer.job.cluster import Cluster
from trainer.job.distribution import Distribution, decide

LOCAL, PS, SYNC = Distribution
ALONE = {"chief": {0: "a:1"}}
WORKERS = {**ALONE, "worker": {0: "b:1"}}
SERVERS = {**WORKERS, "ps": {0: "c:1"}}


@pytest.mark.parametrize(
    ("jobs", "task_type", "asked", "given", "decided"),
    [
        ({}, "worker", "auto", None, LOCAL),
        (ALONE, "chief", "auto", None, LOCAL),
        (WORKERS, "chief", "auto", None, SYNC),
        (WORKERS, "worker", "auto", None, SYNC),
        (WORKERS, "evaluator", "auto", None, LOCAL),
        (SERVERS, "chief", "auto", None, PS),
        (SERVERS, "worker", "auto", None, PS),
        (SERVERS, "ps", "auto", None, PS),
        (SERVERS, "evaluator", "auto", None, LOCAL),
        (SERVERS, "chief", "sync", None, SYNC),
        (SERVERS, "ps", "sync", None, PS),
        (SERVERS, "chief", "ps", None, PS),
        (SERVERS, "evaluator", "ps", None, LOCAL),
        (WORKERS, "evaluator", "sync", None, LOCAL),
        (WORKERS, "chief", "local", None, LOCAL),
        ({}, "worker", "auto", SYNC, LOCAL),
        ({}, "worker", "auto", LOCAL, LOCAL),
        (WORKERS, "chief", "auto", SYNC, SYNC),
        (SERVERS, "chief", "auto", SYNC, SYNC),
        (SERVERS, "chief", "sync", PS, PS),
        (SERVERS, "evaluator", "auto", PS, LOCAL),
    ],
)
def test_the_cluster_and_what_is_asked_for_decide_the_distribution(
    jobs: dict[str, dict[int, str]], task_type: str, asked: str, given: Distribution | None, decided: Distribution
) -> None:
    assert decide(Cluster(jobs=jobs, task_type=task_type), asked, given) is decided


def test_an_unknown_wish_is_refused() -> None:
    with pytest.raises(ValueError, match="'best' is not a valid Distribution"):
        decide(Cluster(), "best")
