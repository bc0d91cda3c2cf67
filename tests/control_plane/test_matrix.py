"""Every accepted combination of flags through the API server and the controllers: its processes know each other.

No process is started: a pod's environment is made as the kubelet makes it, and read as the process would.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.control_plane import experiment_controller, job_controller, job_set_controller, tf_job_controller
from tests.control_plane.admission import admit
from tests.control_plane.kubelet import Kubelet
from tests.control_plane.resources import CORE, EVENTS, OPERATORS, PODS, SERVICES, Manifest
from tests.control_plane.store import Store
from tests.launch.kubernetes.matrix import ARGV, BASE, Combination, combinations
from trainer.job.cluster import Cluster, from_environment
from trainer.launch.kubernetes import plan as kubernetes_plan

ACCEPTED = [combination for combination in combinations() if combination.refused is None]
KINDS = {resource.kind: resource for resource in (*CORE, *OPERATORS)}
CONTROLLERS = (experiment_controller, job_set_controller, tf_job_controller, job_controller)


class EverySecret(dict[str, str]):
    """Has whatever is asked for."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "secret"


def created(combination: Combination) -> Store:
    """A cluster in which the job was created, and its controllers have done what they do at once."""
    store, options = Store(admit), combination.options()
    for document in kubernetes_plan.prepare(options, ARGV).manifests:
        store.create(KINDS[document["kind"]], options.namespace, document)
    before = 0
    while store.version != before:
        before = store.version
        for controller in CONTROLLERS:
            controller.reconcile(store)
    return store


def clusters(store: Store, directory: pathlib.Path) -> Iterator[tuple[Manifest, Cluster]]:
    """Each pod, and what it knows of its cluster."""
    images = {str(BASE["image"]): ["python", "-m", "trainer.task"]}
    kubelet = Kubelet(store, directory, images=images, environ={}, secrets=EverySecret(), cpus=1e6, labels={})
    for pod in store.listed(PODS):
        _, environ = kubelet.command(pod, pod["spec"]["containers"][0])
        yield pod, from_environment(environ)


@pytest.mark.parametrize("combination", ACCEPTED, ids=lambda combination: combination.name)
def test_the_pods_of_a_combination_know_each_other(combination: Combination, tmp_path: pathlib.Path) -> None:
    store, options = created(combination), combination.options()
    assert [event["message"] for event in store.listed(EVENTS)] == []
    alone = [value["kind"] for value in store.listed(SERVICES) if "ownerReferences" not in value["metadata"]]
    assert len(alone) <= 1  # the one that was sent, which kubectl makes the job's
    jobs: dict[str, list[Cluster]] = {}
    for pod, cluster in clusters(store, tmp_path):
        jobs.setdefault(pod["metadata"]["ownerReferences"][0]["uid"], []).append(cluster)
    assert len(jobs) == (1 if options.config is None else len(store.listed(KINDS["Trial"])))
    for found in jobs.values():
        roles = sorted(f"{cluster.task_type}-{cluster.task_id}" for cluster in found)
        wanted = [f"{role}-{index}" for role, count in options.counts.items() for index in range(count)]
        if options.num_pods == 1:
            assert found[0].is_local
            continue
        assert roles == sorted(wanted)
        addresses = [address for nodes in found[0].jobs.values() for address in nodes.values()]
        assert len(set(addresses)) == len(addresses) and all(at.startswith("127.0.0.1:") for at in addresses)
        assert all(cluster.jobs == found[0].jobs for cluster in found)
