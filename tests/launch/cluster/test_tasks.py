"""The plan of a job: who there is, and what each is told."""

from __future__ import annotations

import sys

import pytest

from trainer.job.cluster import from_environment
from trainer.launch.cluster import tasks
from trainer.launch.cluster.options import ClusterOptions

ADDRESSES = [f"127.0.0.1:{port}" for port in range(20001, 20005)]
FULL = ClusterOptions(worker=2, ps=1, evaluator=1)


def test_each_process_reads_from_tf_config_the_cluster_that_was_planned() -> None:
    planned = tasks.plan(FULL, ["--train_steps=3"], ADDRESSES, {}, cores=2)
    assert [task.name for task in planned] == ["chief:0", "worker:0", "worker:1", "ps:0", "evaluator:0"]
    for task in planned:
        assert from_environment(task.environ) == task.cluster
    assert [task.address for task in planned] == [*ADDRESSES, None]
    assert tasks.num_addresses(FULL) == len(ADDRESSES)


def test_all_run_the_same_command() -> None:
    planned = tasks.plan(FULL, ["--train_steps=3"], ADDRESSES, {}, cores=2)
    wanted = (sys.executable, "-m", "trainer.task", "--train_steps=3", "--separate_evaluator")
    assert {task.argv for task in planned} == {wanted}


def test_a_chief_alone_knows_of_no_evaluator() -> None:
    (chief,) = tasks.plan(ClusterOptions(worker=0), [], ADDRESSES, {}, cores=2)
    assert chief.cluster.is_local
    assert chief.argv[-1] == "trainer.task"


@pytest.mark.parametrize(
    ("worker", "ps", "cores", "threads"),
    [(2, 1, 2, 1), (2, 1, 8, 4), (1, 0, 8, 4), (3, 0, 8, 2), (0, 0, 8, 8), (8, 1, 2, 1)],
)
def test_processes_that_compute_share_the_cores(worker: int, ps: int, cores: int, threads: int) -> None:
    assert tasks.threads(ClusterOptions(worker=worker, ps=ps), cores) == threads


def test_the_environment_is_the_persons_without_an_outer_cluster() -> None:
    outer = {"HOME": "/home/me", "TF_CONFIG": "{}", "CLUSTER_SPEC": "{}", "TRAINER_REPLICAS": "chief=1"}
    found = tasks.plan(ClusterOptions(), [], ADDRESSES, outer, cores=4)[0].environ
    assert found["HOME"] == "/home/me" and found["PYTHONUNBUFFERED"] == "1"
    assert "CLUSTER_SPEC" not in found and "TRAINER_REPLICAS" not in found
    assert found["TF_CONFIG"] != "{}"
    assert (found["TF_NUM_INTRAOP_THREADS"], found["OMP_NUM_THREADS"]) == ("2", "2")


def test_threads_that_the_person_chose_stay() -> None:
    found = tasks.environment({"OMP_NUM_THREADS": "7", "TF_NUM_INTRAOP_THREADS": "5"}, threads=1)
    assert (found["OMP_NUM_THREADS"], found["TF_NUM_INTRAOP_THREADS"]) == ("7", "5")


@pytest.mark.parametrize(
    ("environ", "direct"),
    [
        ({}, None),
        ({"http_proxy": "http://proxy:3128"}, "127.0.0.1,localhost"),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"grpc_proxy": "p:1", "no_proxy": "a", "no_grpc_proxy": "b"}, "b,127.0.0.1,localhost"),
    ],
)
def test_no_proxy_stands_between_two_processes(environ: dict[str, str], direct: str | None) -> None:
    assert tasks.environment(environ, threads=1).get("no_grpc_proxy") == direct
