"""Reads the cluster of a process from its environment.

In this order: TF_CONFIG (tf.estimator's, Kubeflow's sparse and legacy forms too), CLUSTER_SPEC (Vertex AI, both
shapes), and the variables of a Kubernetes Indexed Job. None of them: a local run.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job import addresses, spelling
from trainer.job.cluster.json_variable import as_integer, as_object, is_count, parsed, short
from trainer.job.cluster.tasks import (
    CHIEF,
    EVALUATOR,
    JOB_TYPES,
    MASTER,
    PS,
    WORKER,
    Cluster,
    ClusterError,
    Jobs,
    tf_config_path,
)

_POOLS = (CHIEF, WORKER, PS, EVALUATOR)
_SPARSE = "sparseCluster"
"""What Kubeflow calls the cluster of a TFJob with `enableDynamicWorker`."""
_TF_CONFIG_KEYS = ("cluster", _SPARSE, "task")
_IGNORED_KEYS = (
    *("environment", "job", "trial", "cloud", "open_ports"),  # of runners
    "rpc_layer",  # of TensorFlow
)
_SETTINGS = ("model_dir", "service", "session_master", "eval_session_master")
_MOST_PROCESSES = 10_000


def from_environment(environ: Mapping[str, str]) -> Cluster:
    """The cluster that the variables in `environ` describe; a local one where they describe none.

    Raises:
      ClusterError: naming the variable, the place in its JSON, the value and the fix.
    """
    if environ.get("TF_CONFIG", "").strip() not in ("", "{}"):
        cluster = _from_tf_config(parsed("TF_CONFIG", environ["TF_CONFIG"]))
        return _with_pool_evaluator(cluster, environ.get("CLUSTER_SPEC", ""))
    if environ.get("CLUSTER_SPEC", "").strip() not in ("", "{}"):
        return _from_cluster_spec(parsed("CLUSTER_SPEC", environ["CLUSTER_SPEC"]))
    if environ.get("TRAINER_REPLICAS", "").strip():
        return _from_indexed_job(environ)
    return Cluster()


def _from_tf_config(config: Mapping[str, Any]) -> Cluster:
    key, listed = _listed_cluster(config)
    task = as_object(config.get("task"), "TF_CONFIG: task")
    jobs: dict[str, dict[int, str]] = {}
    for job, nodes in listed.items():
        _check_type(job, f"TF_CONFIG: {key}.{job}")
        jobs[job] = _nodes(nodes, f"TF_CONFIG: {key}.{job}")
    if key == _SPARSE:
        _check_chief_is_known(jobs)
    jobs = {job: nodes for job, nodes in jobs.items() if nodes}
    task_type, task_id = _task(task, "TF_CONFIG: task", "type", "index", default=None if jobs else (WORKER, 0))
    _check_type(task_type, "TF_CONFIG: task.type")
    build = functools.partial(Cluster, task_id=task_id, trial=_trial(task.get("trial")), settings=_settings(config))
    if MASTER not in jobs:
        if task_type == MASTER and not jobs:
            return build(task_type=CHIEF, master=True)
        return build(jobs=jobs, task_type=task_type)
    _check_master(jobs, task_type)
    jobs[CHIEF] = jobs.pop(MASTER)
    task_type = CHIEF if task_type == MASTER else task_type
    return build(jobs=jobs, task_type=task_type, master=True, name_of=_master_path)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What TF_CONFIG says of the run beside its processes."""
    settings = {key: config[key] for key in _SETTINGS if config.get(key) is not None}
    for key, value in settings.items():
        if key == "service":
            as_object(value, "TF_CONFIG: service")
        elif not isinstance(value, str) or (key == "model_dir" and not value.strip()):
            raise ClusterError(f"TF_CONFIG: {key} is {short(value)}", "a text that is not empty", "Leave it out")
    return settings


def _listed_cluster(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The processes that TF_CONFIG lists by type, and the key that they stand under.

    Whoever lists them under a key that nobody reads would get as many jobs of one process, all in one directory.
    """
    for key in sorted(set(config) - {*_TF_CONFIG_KEYS, *_SETTINGS, *_IGNORED_KEYS}):
        do = spelling.suggestion(key, _TF_CONFIG_KEYS, "List the processes in cluster, or remove the key")
        raise ClusterError(f"TF_CONFIG has the key {short(key)}", ", ".join(_TF_CONFIG_KEYS), do)
    found = {key: as_object(config.get(key), f"TF_CONFIG: {key}") for key in ("cluster", _SPARSE)}
    if all(found.values()):
        raise ClusterError(f"TF_CONFIG has both cluster and {_SPARSE}", "one of them", "Remove one")
    key = _SPARSE if config.get(_SPARSE) is not None and not found["cluster"] else "cluster"
    return key, found[key]


def _check_chief_is_known(jobs: Jobs) -> None:
    """Kubeflow tells a worker of such a job only of the parameter servers and of itself, and the chief of nobody."""
    if not jobs.get(CHIEF) and not jobs.get(MASTER):
        raise ClusterError(
            f"TF_CONFIG: {_SPARSE} names no chief",
            "a chief, and the processes that train with it",
            "Leave enableDynamicWorker out of the TFJob, so that each process is told of all",
        )


def _master_path(job: str, index: int | None) -> str:
    return tf_config_path(MASTER if job == CHIEF else job, index)


def _check_master(jobs: Jobs, task_type: str) -> None:
    if CHIEF in jobs:
        raise ClusterError(
            "TF_CONFIG: cluster has both a chief and a master", "one of them", "Drop master, its old name"
        )
    if task_type == EVALUATOR:
        raise ClusterError(
            "TF_CONFIG: task.type 'evaluator' in a cluster with a master",
            "a master alone, which evaluates itself, or a chief beside an evaluator",
            "Rename master to chief, or drop the evaluator",
        )


def _with_pool_evaluator(cluster: Cluster, cluster_spec: str) -> Cluster:
    """Adds the evaluator of a CLUSTER_SPEC given with TF_CONFIG, which may not list it."""
    if not cluster.jobs or cluster.has_evaluator or cluster.master:
        return cluster
    try:
        evaluators = _from_cluster_spec(parsed("CLUSTER_SPEC", cluster_spec)).jobs.get(EVALUATOR)
    except ClusterError:
        return cluster
    return dataclasses.replace(cluster, jobs={**cluster.jobs, EVALUATOR: evaluators}) if evaluators else cluster


def _from_cluster_spec(spec: Mapping[str, Any]) -> Cluster:
    """Vertex AI's own variable: pool 0 is the chief, 1 the workers, 2 the parameter servers, 3 the evaluator."""
    if "cluster" not in spec and (unread := sorted(set(spec) - {"task", *_SETTINGS, *_IGNORED_KEYS})):
        do = spelling.suggestion(unread[0], ("cluster",), "List the pools in cluster")
        raise ClusterError(f"CLUSTER_SPEC has the key {short(unread[0])}, and no cluster", "cluster and task", do)
    listed = as_object(spec.get("cluster"), "CLUSTER_SPEC: cluster")
    task = as_object(spec.get("task"), "CLUSTER_SPEC: task")
    as_list = "worker_pools" in listed
    pools = list(_listed_pools(listed["worker_pools"]) if as_list else _named_pools(listed))
    _check_pools_differ([pool for pool, _, _ in pools])
    jobs = {_POOLS[pool]: nodes for pool, nodes, _ in pools if nodes}
    paths = {_POOLS[pool]: path for pool, _, path in pools}
    if not jobs:
        return Cluster(trial=_trial(task.get("trial")))
    keys = ("worker_pool_index", "replica_index") if as_list else ("type", "index")
    pool_name, task_id = _task(task, "CLUSTER_SPEC: task", *keys, default=None)
    return Cluster(
        jobs=jobs,
        task_type=_POOLS[_pool(pool_name, f"CLUSTER_SPEC: task.{keys[0]}")],
        task_id=task_id,
        trial=_trial(task.get("trial")),
        name_of=lambda job, index: _pool_path(paths, job, index),
    )


def _check_pools_differ(pools: list[int]) -> None:
    for pool in pools:
        if pools.count(pool) > 1:
            raise ClusterError(f"CLUSTER_SPEC: cluster lists pool {pool} twice", "each pool once", "Merge the two")


def _pool_path(paths: Mapping[str, str], job: str, index: int | None) -> str:
    path = paths.get(job, f"CLUSTER_SPEC: cluster.workerpool{_POOLS.index(job)}")
    return path if index is None else f"{path}[{index}]"


def _named_pools(listed: Mapping[str, Any]) -> Iterator[tuple[int, dict[int, str], str]]:
    for name, nodes in listed.items():
        path = f"CLUSTER_SPEC: cluster.{name}"
        yield _pool(name, path), _nodes(nodes, path), path


def _listed_pools(pools: object) -> Iterator[tuple[int, dict[int, str], str]]:
    if not isinstance(pools, list):
        raise ClusterError(f"CLUSTER_SPEC: cluster.worker_pools is {pools!r}", "a list of pools")
    for position, pool in enumerate(pools):
        path = f"CLUSTER_SPEC: cluster.worker_pools[{position}]"
        entry = as_object(pool, path)
        number = _pool(entry.get("index", position), f"{path}.index")
        yield number, _nodes(entry.get("replicas"), f"{path}.replicas"), f"{path}.replicas"


def _pool(name: object, path: str) -> int:
    match = re.fullmatch(r"(?:workerpool)?([0-3])", str(name))
    if not match or isinstance(name, bool):
        raise ClusterError(
            f"{path} is {name!r}",
            "pools 0 (chief), 1 (workers), 2 (parameter servers) and 3 (evaluator)",
            "Leave other pools out of the job",
        )
    return int(match[1])


def _from_indexed_job(environ: Mapping[str, str]) -> Cluster:
    """A Kubernetes Indexed Job: TRAINER_REPLICAS says how many pods of each type there are, in the order of indexes."""
    pattern = environ.get("TRAINER_HOST_PATTERN", "").strip()
    if "{index}" not in pattern:
        raise ClusterError(
            f"TRAINER_HOST_PATTERN is {short(pattern)} together with TRAINER_REPLICAS",
            "an address with {index} in it",
            "Set it, for example to myjob-{index}.myjob:2222",
        )
    places = [(job, index) for job, count in _replicas(environ["TRAINER_REPLICAS"]) for index in range(count)]
    own, replicas = environ.get("JOB_COMPLETION_INDEX", "").strip(), environ["TRAINER_REPLICAS"]
    if not is_count(own) or int(own) >= len(places):
        raise ClusterError(
            f"JOB_COMPLETION_INDEX is {short(own)}",
            f"0 to {len(places) - 1}, for the {len(places)} processes of TRAINER_REPLICAS={replicas}",
            "Make completions of the job their number, and completionMode Indexed",
        )
    jobs: dict[str, dict[int, str]] = {}
    for number, (job, index) in enumerate(places):
        jobs.setdefault(job, {})[index] = _address(pattern.replace("{index}", str(number)), "TRAINER_HOST_PATTERN")
    task_type, task_id = places[int(own)]
    return Cluster(jobs=jobs, task_type=task_type, task_id=task_id, name_of=lambda job, _: f"TRAINER_REPLICAS: {job}")


def _replicas(text: str) -> list[tuple[str, int]]:
    """Job types and their numbers, from `chief=1,worker=2`."""
    counts: dict[str, int] = {}
    for item in text.split(","):
        job, _, count = (part.strip() for part in item.partition("="))
        if job not in JOB_TYPES or job in counts or not is_count(count):
            raise ClusterError(
                f"TRAINER_REPLICAS is {short(text)}, of which {short(item.strip())} is not understood",
                f"TYPE=NUMBER with commas between, each of {', '.join(JOB_TYPES)} at most once",
                "Write it as chief=1,worker=2,ps=1",
            )
        counts[job] = int(count)
    if sum(counts.values()) > _MOST_PROCESSES:
        got = f"TRAINER_REPLICAS is {short(text)}, {sum(counts.values()):,} processes"
        raise ClusterError(got, f"up to {_MOST_PROCESSES:,} of them", "Correct the numbers")
    return list(counts.items())


def _nodes(value: object, path: str) -> dict[int, str]:
    """Addresses by index, of a list or of the sparse form `{"1": "host:port"}`."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {as_integer(key, f"{path}: index"): _address(node, f"{path}[{key}]") for key, node in value.items()}
    if not isinstance(value, list):
        raise ClusterError(f"{path} is {short(value)}", "a list of addresses", 'Write ["host:port"]')
    return {index: _address(node, f"{path}[{index}]") for index, node in enumerate(value)}


def _address(value: object, path: str) -> str:
    if instead := addresses.accepted_instead(value):
        raise ClusterError(f"{path} is {short(value)}", instead, "Name the host, a colon and the port, no scheme")
    return str(value)


def _task(
    task: Mapping[str, Any], path: str, type_key: str, index_key: str, *, default: tuple[str, int] | None
) -> tuple[str, int]:
    """Type and index of this process; without `default` both have to be there."""
    if default is None:
        for key in (type_key, index_key):
            if task.get(key) is None or task.get(key) == "":
                raise ClusterError(
                    f"{path}.{key} is missing, although there is a cluster",
                    f"a task with {type_key} and {index_key}",
                    "Say which process of the cluster this is",
                )
    fallback_type, fallback_index = default or ("", 0)
    task_type = task.get(type_key)
    index = task.get(index_key)
    return (
        fallback_type if task_type in (None, "") else task_type if isinstance(task_type, str) else str(task_type),
        fallback_index if index in (None, "") else as_integer(index, f"{path}.{index_key}"),
    )


def _trial(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _check_type(job: str, path: str) -> None:
    if job in (*JOB_TYPES, MASTER):
        return
    meant = difflib.get_close_matches(job.lower(), JOB_TYPES, n=1)
    do = f"Write {meant[0]!r}" if meant else "Use one of these"
    raise ClusterError(f"{path}: {short(job)} is not a type of process", ", ".join(JOB_TYPES), do)
