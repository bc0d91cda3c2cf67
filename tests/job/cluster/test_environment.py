"""Every environment that a runner makes becomes one Cluster, and what cannot work is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainer.job.cluster import Cluster, ClusterError, from_environment
from trainer.job.errors import UsageError

FULL = {"chief": ["c:1"], "worker": ["w0:1", "w1:1"], "ps": ["p:1"]}


def tf_config(cluster: Any = None, task: Any = None, **more: Any) -> dict[str, str]:
    parts = {"cluster": cluster, "task": task, **more}
    return {"TF_CONFIG": json.dumps({key: value for key, value in parts.items() if value is not None})}


def pools(task: Any, **cluster: Any) -> dict[str, str]:
    return {"CLUSTER_SPEC": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}


def indexed(index: str | None, replicas: str = "chief=1,worker=2,ps=1,evaluator=1") -> dict[str, str]:
    environ = {"TRAINER_REPLICAS": replicas, "TRAINER_HOST_PATTERN": "job-{index}.job:2222"}
    return environ if index is None else {**environ, "JOB_COMPLETION_INDEX": index}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ClusterError) as caught:
        from_environment(environ)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, UsageError)
    return str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": " \n"},
        {"TF_CONFIG": "{}"},
        tf_config({}, {}),
        tf_config({"chief": [], "worker": []}, {"type": "worker", "index": 0}),
        tf_config(None, {"type": "worker", "index": 0}),
        {"JOB_COMPLETION_INDEX": "3"},
        pools({}),
    ],
)
def test_no_cluster_is_a_local_run(environ: dict[str, str]) -> None:
    cluster = from_environment(environ)
    assert cluster == Cluster(task_type="worker", task_id=0)
    assert cluster.is_local and cluster.is_chief and not cluster.has_evaluator
    assert (cluster.num_ps_replicas, cluster.num_worker_replicas, cluster.global_id_in_cluster) == (0, 1, 0)
    assert cluster.cluster_spec == {}


def test_a_local_run_may_call_itself_chief() -> None:
    cluster = from_environment(tf_config(None, {"type": "chief", "index": 0, "trial": "3"}))
    assert (cluster.task_type, cluster.is_chief, cluster.is_local, cluster.trial) == ("chief", True, True, "3")


# task → is_chief, num_ps_replicas, num_worker_replicas, global_id_in_cluster: as tf.estimator 2.15 has them
@pytest.mark.parametrize(
    ("task_type", "index", "expected"),
    [
        ("chief", 0, (True, 1, 3, 0)),
        ("worker", 0, (False, 1, 3, 1)),
        ("worker", 1, (False, 1, 3, 2)),
        ("ps", 0, (False, 1, 3, 3)),
        ("evaluator", 0, (False, 0, 0, None)),
    ],
)
def test_each_task_knows_its_place(task_type: str, index: int, expected: tuple[Any, ...]) -> None:
    cluster = from_environment(tf_config(FULL, {"type": task_type, "index": index}))
    found = (
        cluster.is_chief,
        cluster.num_ps_replicas,
        cluster.num_worker_replicas,
        cluster.global_id_in_cluster,
    )
    assert found == expected
    assert cluster.cluster_spec == ({} if task_type == "evaluator" else FULL)
    assert not cluster.is_local
    assert cluster.has_evaluator == (task_type == "evaluator")


def test_a_chief_alone_is_local() -> None:
    cluster = from_environment(tf_config({"chief": ["c:1"]}, {"type": "chief", "index": 0}))
    assert cluster.is_local and cluster.is_chief and not cluster.has_evaluator
    assert cluster.cluster_spec == {"chief": ["c:1"]}


def test_an_evaluator_in_the_cluster_is_taken_out_and_remembered() -> None:
    cluster = from_environment(tf_config({**FULL, "evaluator": ["e:1"]}, {"type": "chief", "index": 0}))
    assert cluster.cluster_spec == FULL
    assert cluster.has_evaluator


def test_an_evaluator_beside_a_lone_chief_is_remembered() -> None:
    cluster = from_environment(tf_config({"chief": ["c:1"], "evaluator": ["e:1"]}, {"type": "chief", "index": 0}))
    assert cluster.is_local and cluster.has_evaluator


def test_a_master_is_a_chief_that_evaluates_too() -> None:
    environ = tf_config({"master": ["m:1"], "worker": ["w:1"]}, {"type": "master", "index": 0})
    cluster = from_environment(environ)
    assert (cluster.task_type, cluster.is_chief, cluster.num_worker_replicas) == ("chief", True, 2)
    assert cluster.cluster_spec == {"chief": ["m:1"], "worker": ["w:1"]}
    assert not cluster.has_evaluator


def test_a_master_evaluates_though_an_evaluator_is_listed() -> None:
    environ = tf_config({"master": ["m:1"], "evaluator": ["e:1"]}, {"type": "master", "index": 0})
    assert not from_environment(environ).has_evaluator


def test_the_sparse_form_of_kubeflow_keeps_its_indexes() -> None:
    cluster = from_environment(
        tf_config({"chief": {"0": "c:1"}, "worker": {"1": "w1:1"}, "ps": ["p:1"]}, {"type": "worker", "index": "1"})
    )
    assert cluster.cluster_spec == {"chief": ["c:1"], "worker": {1: "w1:1"}, "ps": ["p:1"]}
    assert (cluster.task_id, cluster.global_id_in_cluster, cluster.num_worker_replicas) == (1, 2, 2)


def test_the_other_name_that_kubeflow_has_for_the_sparse_form_is_read() -> None:
    sparse = {"chief": ["c:1"], "worker": {"1": "w1:1"}, "ps": ["p:1"]}
    cluster = from_environment(tf_config(None, {"type": "worker", "index": 1}, sparseCluster=sparse))
    assert cluster.cluster_spec == {"chief": ["c:1"], "worker": {1: "w1:1"}, "ps": ["p:1"]}
    assert not cluster.is_local and not cluster.is_chief


def test_keys_of_the_runner_do_not_disturb() -> None:
    environ = tf_config(FULL, {"type": "ps", "index": 0, "cloud": "x"}, environment="cloud", job={"a": 1}, trial="4")
    assert from_environment(environ).task_type == "ps"


@pytest.mark.parametrize("address", ["[::1]:2222", "[fe80::1%eth0]:1", "127.0.0.1:65535", "a-b.c_d.svc:1"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    cluster = from_environment(tf_config({"chief": [address]}, {"type": "chief", "index": 0}))
    assert cluster.cluster_spec == {"chief": [address]}


@pytest.mark.parametrize(
    ("pool", "index", "expected"),
    [
        ("workerpool0", 0, "chief"),
        ("workerpool1", 1, "worker"),
        ("workerpool2", 0, "ps"),
        ("workerpool3", 0, "evaluator"),
    ],
)
def test_vertex_pools_by_name_become_roles(pool: str, index: int, expected: str) -> None:
    cluster = from_environment(
        pools(
            {"type": pool, "index": index, "trial": "7"},
            workerpool0=["c:1"],
            workerpool1=["w0:1", "w1:1"],
            workerpool2=["p:1"],
            workerpool3=["e:1"],
        )
    )
    assert (cluster.task_type, cluster.task_id, cluster.trial) == (expected, index, "7")
    assert cluster.cluster_spec == ({} if expected == "evaluator" else FULL)
    assert cluster.has_evaluator


def test_vertex_pools_by_list_become_roles() -> None:
    listed = [
        {"index": 0, "replicas": ["c:1"]},
        {"index": 1, "replicas": ["w0:1", "w1:1"]},
        {"index": 2, "replicas": ["p:1"]},
    ]
    cluster = from_environment(
        pools({"worker_pool_index": 1, "replica_index": 1, "trial": "TRIAL_ID"}, worker_pools=listed)
    )
    assert (cluster.task_type, cluster.task_id, cluster.trial) == ("worker", 1, "TRIAL_ID")
    assert cluster.cluster_spec == FULL
    assert not cluster.has_evaluator


def test_tf_config_counts_before_cluster_spec_which_may_add_the_evaluator() -> None:
    spec = pools({"type": "workerpool0", "index": 0}, workerpool0=["x:1"], workerpool3=["e:1"])
    cluster = from_environment({**tf_config(FULL, {"type": "chief", "index": 0}), **spec})
    assert cluster.cluster_spec == FULL
    assert cluster.has_evaluator


def test_a_cluster_spec_that_makes_no_sense_does_not_disturb_tf_config() -> None:
    environ = {**tf_config(FULL, {"type": "chief", "index": 0}), "CLUSTER_SPEC": "{"}
    assert not from_environment(environ).has_evaluator


@pytest.mark.parametrize(
    ("index", "expected"), [("0", ("chief", 0)), ("2", ("worker", 1)), ("3", ("ps", 0)), ("4", ("evaluator", 0))]
)
def test_pods_of_an_indexed_job_take_roles_in_order(index: str, expected: tuple[str, int]) -> None:
    cluster = from_environment(indexed(index))
    assert (cluster.task_type, cluster.task_id) == expected
    assert cluster.has_evaluator
    assert cluster.jobs["worker"] == {0: "job-1.job:2222", 1: "job-2.job:2222"}


CHIEF_TASK = {"type": "chief", "index": 0}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"TF_CONFIG": "{'cluster'"},
            "TF_CONFIG is not valid JSON: Expecting property name enclosed in double quotes at line 1",
        ),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG is [1]. Accepted: a JSON object"),
        ({"TF_CONFIG": "null"}, "TF_CONFIG is None. Accepted: a JSON object"),
        ({"TF_CONFIG": "[" * 100_000}, "TF_CONFIG"),
        ({"TF_CONFIG": '{"task": {}, "task": {}}'}, "TF_CONFIG has the key 'task' twice"),
        (
            {"TF_CONFIG": f'{{"cluster": {{"chief": ["c:1"]}}, "task": {{"type": "chief", "index": {"9" * 5000}}}}}'},
            "TF_CONFIG has a number of 5000 digits, 999999999999…. Accepted: whole numbers of up to 9 digits",
        ),
        (tf_config(FULL, {"type": "worker", "index": 1e300}), "TF_CONFIG: task.index is 1000"),
        (tf_config(FULL, {"type": "worker", "index": " 1"}), "TF_CONFIG: task.index is ' 1'"),
        (tf_config(FULL, {"type": "worker", "index": "01"}), "TF_CONFIG: task.index is '01'"),
        (
            {"TF_CONFIG": json.dumps({"clusters": FULL, "task": {"type": "worker", "index": 0}})},
            "TF_CONFIG has the key 'clusters'. Accepted: cluster, sparseCluster, task. Did you mean cluster?",
        ),
        (
            {"TF_CONFIG": json.dumps({"worker": ["w:1"], "task": {"type": "worker", "index": 0}})},
            "TF_CONFIG has the key 'worker'. Accepted: cluster, sparseCluster, task. List the processes in cluster",
        ),
        (tf_config(FULL, CHIEF_TASK, sparseCluster=FULL), "TF_CONFIG has both cluster and sparseCluster"),
        (
            tf_config(None, CHIEF_TASK, sparseCluster={"worker": {}, "ps": []}),
            "TF_CONFIG: sparseCluster names no chief. Accepted: a chief, and the processes that train with it. "
            "Leave enableDynamicWorker out of the TFJob",
        ),
        (
            tf_config(None, {"type": "worker", "index": 0}, sparseCluster={"worker": {"0": "w:1"}, "ps": ["p:1"]}),
            "TF_CONFIG: sparseCluster names no chief",
        ),
        (
            tf_config(None, CHIEF_TASK, sparseCluster={"chief": ["c:1"], "wroker": ["w:1"]}),
            "TF_CONFIG: sparseCluster.wroker: 'wroker' is not a type",
        ),
        (
            {"CLUSTER_SPEC": json.dumps({"clusters": {}, "task": {"type": "workerpool0", "index": 0}})},
            "CLUSTER_SPEC has the key 'clusters', and no cluster. Accepted: cluster and task. Did you mean cluster?",
        ),
        (tf_config("x", {}), "TF_CONFIG: cluster is 'x'. Accepted: a JSON object"),
        (tf_config(FULL, ["chief"]), "TF_CONFIG: task is ['chief']"),
        (tf_config(FULL), "TF_CONFIG: task.type is missing, although there is a cluster"),
        (tf_config(FULL, {"index": 0}), "TF_CONFIG: task.type is missing"),
        (tf_config(FULL, {"type": "chief"}), "TF_CONFIG: task.index is missing"),
        (tf_config(FULL, {"type": "worker", "index": 2}), "task is worker 2, which is not in the cluster"),
        (tf_config(FULL, {"type": "worker", "index": -1}), "task.index is -1. Accepted: a whole number from 0 up"),
        (tf_config(FULL, {"type": "worker", "index": 0.5}), "TF_CONFIG: task.index is 0.5"),
        (tf_config(FULL, {"type": "worker", "index": True}), "TF_CONFIG: task.index is True"),
        (tf_config(FULL, {"type": "wroker", "index": 0}), "TF_CONFIG: task.type: 'wroker' is not a type of process"),
        (tf_config(FULL, {"type": "evaluator", "index": 1}), "TF_CONFIG: task is evaluator 1. Accepted: one evaluator"),
        (tf_config({"chief": ["c:1"]}, {"type": "ps", "index": 0}), "Accepted: an index of TF_CONFIG: cluster.ps: no"),
        (tf_config(None, {"type": "ps", "index": 0}), "TF_CONFIG: task is ps 0, but there is no cluster"),
        (tf_config(None, {"type": "worker", "index": 1}), "TF_CONFIG: task is worker 1, but there is no cluster"),
        (
            tf_config({"worker": ["w:1"]}, {"type": "worker", "index": 0}),
            "TF_CONFIG: cluster.chief: the cluster has 0 chiefs",
        ),
        (tf_config({"chief": ["a:1", "b:1"]}, CHIEF_TASK), "the cluster has 2 chiefs. Accepted: exactly one chief"),
        (tf_config({"worker": ["w:1"]}, {"type": "evaluator", "index": 0}), "the cluster has 0 chiefs"),
        (
            tf_config({"chief": ["c:1"], "workers": ["w:1"]}, CHIEF_TASK),
            "TF_CONFIG: cluster.workers: 'workers' is not a type",
        ),
        (tf_config({"chief": ["c:1"], "master": ["m:1"]}, CHIEF_TASK), "cluster has both a chief and a master"),
        (
            tf_config({"master": ["m:1"]}, {"type": "evaluator", "index": 0}),
            "task.type 'evaluator' in a cluster with a master",
        ),
        (tf_config({"chief": ["c"]}, CHIEF_TASK), "TF_CONFIG: cluster.chief[0] is 'c'. Accepted: host:port"),
        (
            tf_config({"chief": ["c:99999"]}, CHIEF_TASK),
            "TF_CONFIG: cluster.chief[0] is 'c:99999'. Accepted: a port from 1 to 65535",
        ),
        (tf_config({"chief": ["c:0"]}, CHIEF_TASK), "Accepted: a port from 1 to 65535"),
        (tf_config({"chief": ["grpc://c:1"]}, CHIEF_TASK), "TF_CONFIG: cluster.chief[0] is 'grpc://c:1'"),
        (tf_config({"chief": [5]}, CHIEF_TASK), "TF_CONFIG: cluster.chief[0] is 5"),
        (tf_config({"chief": "c:1"}, CHIEF_TASK), "TF_CONFIG: cluster.chief is 'c:1'. Accepted: a list of addresses"),
        (tf_config({"chief": {"x": "c:1"}}, CHIEF_TASK), "TF_CONFIG: cluster.chief: index is 'x'"),
        (tf_config({"chief": {"3": "c:1"}}, {"type": "chief", "index": 3}), "a chief of index 3"),
        (
            tf_config({"chief": ["c:1"], "worker": ["w:1", "C:1"]}, CHIEF_TASK),
            "TF_CONFIG: cluster.worker[1] is 'C:1', as is TF_CONFIG: cluster.chief[0]",
        ),
        (
            tf_config({"chief": ["[::1]:1"], "worker": ["[0::1]:1"]}, CHIEF_TASK),
            "TF_CONFIG: cluster.worker[0] is '[0::1]:1', as is TF_CONFIG: cluster.chief[0]",
        ),
        (
            tf_config({"chief": ["c:2222"], "worker": ["c:02222"]}, CHIEF_TASK),
            "TF_CONFIG: cluster.worker[0] is 'c:02222'. Accepted: a port from 1 to 65535, without zeros before it",
        ),
        (
            pools({"type": "workerpool4", "index": 0}, workerpool0=["c:1"]),
            "CLUSTER_SPEC: task.type is 'workerpool4'. Accepted: pools 0",
        ),
        (pools({"type": "workerpool0", "index": 0}, pool0=["c:1"]), "CLUSTER_SPEC: cluster.pool0 is 'pool0'"),
        (
            pools({"type": "workerpool1", "index": 0}, workerpool1=["c:1"]),
            "CLUSTER_SPEC: cluster.workerpool0: the cluster has 0",
        ),
        (pools({}, workerpool0=["c:1"]), "CLUSTER_SPEC: task.type is missing"),
        (pools({}, worker_pools=3), "CLUSTER_SPEC: cluster.worker_pools is 3"),
        (
            pools({"worker_pool_index": 0, "replica_index": 0}, worker_pools=[{"index": 0, "replicas": ["c"]}]),
            "CLUSTER_SPEC: cluster.worker_pools[0].replicas[0] is 'c'",
        ),
        (
            pools({"worker_pool_index": 0, "replica_index": 0}, worker_pools=[{"index": 0}, {"index": 0}]),
            "CLUSTER_SPEC: cluster lists pool 0 twice",
        ),
        (indexed("5"), "JOB_COMPLETION_INDEX is '5'. Accepted: 0 to 4, for the 5 processes"),
        (indexed(None), "JOB_COMPLETION_INDEX is ''"),
        (indexed("0", "chief=1,boss=2"), "of which 'boss=2' is not understood"),
        (indexed("0", "chief=1,chief=1"), "of which 'chief=1' is not understood"),
        (indexed("0", "worker=2"), "TRAINER_REPLICAS: chief: the cluster has 0 chiefs"),
        (indexed("9" * 5000), "JOB_COMPLETION_INDEX is '9999"),
        (indexed("٣"), "JOB_COMPLETION_INDEX is '٣'"),
        (indexed("0", "chief=1,worker=99999999"), "100,000,000 processes. Accepted: up to 10,000 of them"),
        (indexed("0", "chief=1,worker=" + "9" * 5000), "is not understood"),
        (indexed("0", "chief=1,worker=02"), "of which 'worker=02' is not understood"),
        ({**indexed("0"), "TRAINER_HOST_PATTERN": "job:2222"}, "TRAINER_HOST_PATTERN is 'job:2222'"),
        ({**indexed("0"), "TRAINER_HOST_PATTERN": "job-{index}"}, "HOST_PATTERN is 'job-0'. Accepted: host:port"),
    ],
)
def test_what_cannot_work_is_named_with_its_place(environ: dict[str, str], message: str) -> None:
    assert message in refusal(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        tf_config(None, {"type": "chief", "index": 0, "trial": "3"}),
        tf_config(FULL, {"type": "worker", "index": 1, "trial": "3"}),
        tf_config({**FULL, "evaluator": ["e:1"]}, {"type": "evaluator", "index": 0}),
        tf_config({"master": ["m:1"], "worker": ["w:1"]}, {"type": "master", "index": 0}),
        tf_config({"chief": ["c:1"], "worker": {"3": "w:1"}}, {"type": "worker", "index": 3}),
        indexed("2"),
    ],
)
def test_a_cluster_survives_being_written_and_read(environ: dict[str, str]) -> None:
    cluster = from_environment(environ)
    assert from_environment({"TF_CONFIG": cluster.to_tf_config()}) == cluster


@pytest.mark.parametrize("model_dir", ["", " ", 3])
def test_a_model_dir_of_tf_config_is_a_path(model_dir: Any) -> None:
    assert refusal(tf_config(model_dir=model_dir)).startswith(
        f"TF_CONFIG: model_dir is {model_dir!r}. Accepted: a text"
    )


def test_what_tf_config_says_beside_the_processes_is_kept() -> None:
    settings = {"model_dir": "/runs/1", "service": {"a": 1}, "session_master": "s:1"}
    cluster = from_environment(tf_config(FULL, {"type": "worker", "index": 1}, **settings))
    assert (cluster.settings, cluster.model_dir, cluster.session_address) == (settings, "/runs/1", "grpc://w1:1")
    assert from_environment({"TF_CONFIG": cluster.to_tf_config()}) == cluster
    assert refusal(tf_config(service=789)).startswith("TF_CONFIG: service is 789. Accepted: a JSON object")
