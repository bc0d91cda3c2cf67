"""Jobs in a control plane that runs by itself: names, preemption, deadlines, refusals; test_matrix.py has the rest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control_plane.fixtures import IMAGE, Start, start_plane  # noqa: F401
from tests.control_plane.plane import Plane
from tests.control_plane.resources import (
    JOB_SETS,
    JOBS,
    SERVICES,
    TF_JOBS,
    TRAIN_JOBS,
    Manifest,
    Resource,
)
from tests.control_plane.store import Refusal, condition
from tests.deadlines import ANSWER_SECS
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes.options import KubernetesOptions, Workload

pytestmark = pytest.mark.process

KINDS: dict[Workload, tuple[Resource, str]] = {
    Workload.TFJOB: (TF_JOBS, "Succeeded"),
    Workload.JOB: (JOBS, "Complete"),
    Workload.JOBSET: (JOB_SETS, "Completed"),
    Workload.TRAINJOB: (TRAIN_JOBS, "Complete"),
}


def manifests(kind: Workload, acts: str = "", **settings: Any) -> list[Manifest]:
    what = KubernetesOptions(
        kind=kind, name="run", image=IMAGE, output_dir="gs://my-bucket/run", env=(f"PEER_ACTS={acts}",), **settings
    )
    return kubernetes_plan.prepare(what, ["--train_steps=10"]).manifests


def send(plane: Plane, documents: list[Manifest]) -> Manifest:
    """As `kubectl create` does; the last one as it is kept."""
    by_kind = {resource.kind: resource for resource in plane.server.known}
    for document in documents:
        kept = plane.store.create(by_kind[document["kind"]], "default", document)
    return kept


def ended(plane: Plane, kind: Workload, job: Manifest, secs: float = ANSWER_SECS) -> str:
    """Waits for the job's end; the condition that says how."""
    resource, good = KINDS[kind]

    def how() -> str:
        now = plane.store.get(resource, "default", job["metadata"]["name"])
        return next((name for name in (good, "Failed") if condition(now, name)), "")

    plane.wait_for(how, secs)
    return how()


def said(plane: Plane) -> str:
    """The lines of all pods that there ever were."""
    kept = [line for path in sorted(plane.kubeconfig.parent.glob("*.log")) for line in path.read_text().splitlines()]
    return "\n".join(line.partition(" ")[2] for line in kept)


@pytest.mark.parametrize("kind", [Workload.TFJOB, Workload.JOB])
def test_processes_find_each_other_and_the_job_ends(kind: Workload, start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    job = send(plane, manifests(kind, worker=2, ps=1, evaluator=1))
    assert ended(plane, kind, job) == KINDS[kind][1], plane.told()
    plane.wait_for(lambda: plane.kubelet.running == 0)
    lines = said(plane)
    for name, others in (("chief-0", "ps-0 worker-0 worker-1"), ("ps-0", "chief-0"), ("worker-1", "chief-0")):
        (met,) = [line for line in lines.splitlines() if line.startswith(f"{name} met")]
        assert set(others.split()) <= set(met.split())
    assert f"evaluator-0 met {'nobody' if kind is Workload.TFJOB else 'chief-0'}" in lines
    assert "chief-0 runs with --output_dir=gs://my-bucket/run --train_steps=10 --separate_evaluator" in lines


def test_1_is_counted_by_a_job_until_its_restarts_are_used_up(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    job = send(plane, manifests(Workload.JOB, "worker-0:1 chief-0:wait", worker=1, max_restarts=1))
    assert ended(plane, Workload.JOB, job) == "Failed", plane.told()
    assert said(plane).count("worker-0 ends with 1") == 2
    (told,) = plane.store.get(JOBS, "default", "run")["status"]["conditions"]
    assert told["reason"] == "MaxFailedIndexesExceeded"


def test_a_preempted_pod_of_a_job_gets_a_successor_that_is_not_counted(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    job = send(plane, manifests(Workload.JOB, "chief-0:wait/meet", worker=1, max_restarts=0))
    plane.wait_for(lambda: "chief-0 waits" in said(plane))
    plane.preempt("run-0")
    assert ended(plane, Workload.JOB, job) == "Complete", plane.told()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Workload.TRAINJOB])
def test_a_job_that_ended_is_removed_after_its_ttl(kind: Workload, start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    send(plane, manifests(kind, worker=1, ttl_secs=1))
    plane.wait_for(lambda: not plane.store.listed(KINDS[kind][0]) and not plane.pods())


def test_a_job_that_takes_too_long_is_ended(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    job = send(plane, manifests(Workload.JOB, "chief-0:wait", timeout_secs=1))
    assert ended(plane, Workload.JOB, job) == "Failed", plane.told()
    plane.wait_for(lambda: not plane.pods())
    (told,) = plane.store.get(JOBS, "default", "run")["status"]["conditions"]
    assert told["reason"] == "DeadlineExceeded"


def test_what_a_job_owned_goes_with_it(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    send(plane, manifests(Workload.TFJOB, "chief-0:wait worker-0:wait", worker=1))
    plane.wait_for(lambda: said(plane).count("waits") == 2)
    plane.store.delete(TF_JOBS, "default", "run")
    plane.wait_for(lambda: not plane.pods())
    plane.wait_for(lambda: not plane.store.listed(SERVICES) and plane.kubelet.running == 0)


def test_two_ports_of_one_number_cannot_be_in_a_service(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    ports = [{"name": "training", "port": 2222}, {"name": "tfjob-port", "port": 2222}]
    service = {"metadata": {"name": "run"}, "spec": {"clusterIP": "None", "ports": ports}}
    with pytest.raises(Refusal, match="spec.ports.1: Invalid value: .* port 2222 twice"):
        plane.store.create(SERVICES, "default", service)


def test_a_field_in_a_wrong_place_is_refused_by_the_schema(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    (job,) = manifests(Workload.TFJOB)
    job["spec"]["cleanPodPolicy"] = "None"  # which belongs into runPolicy
    with pytest.raises(Refusal, match=r"spec.cleanPodPolicy: Invalid value: unknown field or wrong type"):
        send(plane, [job])


def test_a_pod_without_room_says_so(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane(cpus=2.0)
    send(plane, manifests(Workload.JOB, cpu="4"))
    plane.wait_for(lambda: any("conditions" in pod["status"] for pod in plane.pods()))
    (told,) = plane.pods()[0]["status"]["conditions"]
    assert (told["reason"], told["message"]) == ("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
