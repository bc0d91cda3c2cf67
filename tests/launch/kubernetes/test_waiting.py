"""Why pods do not run and how they ended, as the cluster says it and as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.launch.kubernetes import log_streams, waiting

JOB: dict[str, Any] = {"metadata": {"name": "run"}, "spec": {}}


def pod(name: str = "run-0-x", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": []}, "status": {"phase": "Pending", **status}}


def unscheduled(message: str) -> dict[str, Any]:
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}])


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return pod(containerStatuses=[{"image": "r/i:1", "state": {"waiting": {"reason": reason, "message": message}}}])


def event(about: str, reason: str, message: str) -> dict[str, Any]:
    return {"involvedObject": {"name": about}, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            unscheduled("0/3 nodes are available: 3 Insufficient memory."),
            "no node has room: 0/3 nodes are available: 3 Insufficient memory. Ask for less (--memory), or add larger",
        ),
        (unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."), "Ask for less of it (--gpu), or add"),
        (
            unscheduled("0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: training}."),
            "Tolerate the taint (dedicated: training): --toleration=KEY=VALUE:EFFECT",
        ),
        (
            unscheduled('persistentvolumeclaim "data" not found'),
            'persistentvolumeclaim "data" not found. Create the claim, or correct --volume: kubectl get pvc',
        ),
        (unscheduled("something new"), "something new. kubectl describe pod says more"),
        (waits("ErrImagePull", "not found"), "the image r/i:1 cannot be pulled (ErrImagePull): not found. Check its"),
        (waits("CrashLoopBackOff", "back-off 5m0s"), "it ends again and again; its log says why"),
        (waits("CreateContainerConfigError", 'secret "s" not found'), "Create it in the job's namespace, or correct"),
    ],
)
def test_a_pod_that_waits_says_why_and_what_to_do(found: dict[str, Any], expected: str) -> None:
    (line,) = waiting.reasons(JOB, [found], [])
    assert line.startswith("run-0-x: ") and expected in line


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_that_only_needs_time_is_no_news(reason: str) -> None:
    assert waiting.reasons(JOB, [waits(reason)], []) == []


def test_pods_that_wait_for_the_same_share_a_line() -> None:
    pods = [unscheduled("3 Insufficient cpu.") | {"metadata": {"name": f"run-{index}"}} for index in range(5)]
    (line,) = waiting.reasons(JOB, pods, [])
    assert line.startswith("run-0, run-1, run-2 and 2 more: no node has room")


def test_a_volume_that_cannot_be_mounted_is_named() -> None:
    events = [event("run-0-x", "FailedMount", 'secret "google" not found'), event("other", "FailedMount", "x")]
    (line,) = waiting.reasons(JOB, [pod()], events)
    assert line == 'run-0-x: secret "google" not found. Create it in the job\'s namespace, or correct the flag'


def test_a_job_whose_pods_are_refused_says_by_whom() -> None:
    quota = 'Error creating: pods "run-0-" is forbidden: exceeded quota: compute, requested: cpu=8, used: cpu=90'
    (line,) = waiting.reasons(JOB, [], [event("run", "FailedCreate", quota), event("runner", "FailedCreate", "x")])
    assert line.startswith("Error creating: ") and "have the quota raised: kubectl describe quota" in line


@pytest.mark.parametrize("spec", [{"suspend": True}, {"runPolicy": {"suspend": True}}])
def test_a_job_in_a_queue_says_so(spec: dict[str, Any]) -> None:
    (line,) = waiting.reasons({**JOB, "spec": spec}, [], [])
    assert line.startswith("The job is suspended: its queue has not admitted it yet")


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ({"exitCode": 2}, "ended with 2: wrong configuration, data or usage"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "ended with 137: killed for lack of memory"),
        ({"exitCode": 127}, "ended with 127: the image has no such command"),
        ({"exitCode": 77}, "ended with 77: not one of this package's codes"),
    ],
)
def test_a_code_is_told_with_what_it_means(ended: dict[str, Any], expected: str) -> None:
    (line,) = waiting.ends([pod(containerStatuses=[{"state": {"terminated": ended}}])])
    assert line.startswith(f"run-0-x {expected}")


def test_who_ended_well_is_no_news() -> None:
    assert waiting.ends([pod(containerStatuses=[{"state": {"terminated": {"exitCode": 0}}}])]) == []


_INDEX = "batch.kubernetes.io/job-completion-index"
_REPLICAS = [{"name": "TRAINER_REPLICAS", "value": "chief=1,worker=2"}]


@pytest.mark.parametrize(
    ("labels", "env", "expected"),
    [
        ({_INDEX: "2"}, _REPLICAS, "worker-1"),
        ({_INDEX: "0"}, [], "chief-0"),
        ({"training.kubeflow.org/replica-type": "ps", "training.kubeflow.org/replica-index": "1"}, [], "ps-1"),
        ({_INDEX: "1", "katib.kubeflow.org/trial": "run-a1b2"}, _REPLICAS, "run-a1b2/worker-0"),
        ({"katib.kubeflow.org/trial": "run-a1b2"}, [], "run-a1b2"),
    ],
)
def test_lines_have_the_name_of_the_process(labels: dict[str, str], env: list[dict[str, str]], expected: str) -> None:
    value = {"metadata": {"name": "x", "labels": labels}, "spec": {"containers": [{"env": env}]}}
    assert log_streams.name(value) == expected
