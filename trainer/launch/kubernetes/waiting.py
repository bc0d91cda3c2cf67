"""Why pods of a job do not run, and why they ended, with what to do about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.launch.submission import exit_codes

Object = Mapping[str, Any]
_PULLS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
# What the scheduler, the quota and the kubelet say, and the way out; the first that matches counts.
_WAYS_OUT = (
    (r"Insufficient (cpu|memory)", "Ask for less (--{0}), or add larger nodes"),
    (r"Insufficient ([\w./-]+)", "Ask for less of it (--gpu), or add nodes that have it"),
    (r"untolerated taint \{([^}]*)\}", "Tolerate the taint ({0}): --toleration=KEY=VALUE:EFFECT"),
    (
        r"node affinity/selector",
        "Correct --node_selector or --spot, or add such nodes: kubectl get nodes --show-labels",
    ),
    (r"persistentvolumeclaim \"?([^\" ]+)\"? not found", "Create the claim, or correct --volume: kubectl get pvc"),
    (r"unbound immediate PersistentVolumeClaims", "Its claim has no volume yet: kubectl describe pvc"),
    (r"exceeded quota", "Ask for less, wait for others to end, or have the quota raised: kubectl describe quota"),
    (r"serviceaccount \"?([^\" ]+)\"? not found", "Create the account, or correct --service_account"),
    (r"(?:secret|configmap) \"?([^\" ]+)\"? not found", "Create it in the job's namespace, or correct the flag"),
    (r"[Dd]uplicate value", "Two parts of the manifest claim the same; correct it and submit again"),
    (r"no nodes? available|0/0 nodes", "The cluster has no nodes, or grows them just now"),
)
_OF_SCHEDULER = "kubectl describe pod says more"


def reasons(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> list[str]:
    """A line for each thing that keeps the job from running, with the pods that it concerns and a way out.

    Args:
      job: as the cluster has it.
      pods: of the job.
      events: warnings of its namespace, of others too.
    """
    of_pods: dict[str, list[str]] = {}
    for pod in pods:
        for line in _of_pod(pod, events):
            of_pods.setdefault(line, []).append(str(pod["metadata"]["name"]))
    lines = [f"{_shown(names)}: {line}" for line, names in of_pods.items()]
    return [*_of_job(job, pods, events), *lines]


def ends(pods: Sequence[Object]) -> list[str]:
    """A line for each pod that ended with something else than 0: its code, and what that means."""
    lines = []
    for pod in pods:
        for status in _statuses(pod):
            ended = status["state"].get("terminated") or status.get("lastState", {}).get("terminated")
            if ended and ended.get("exitCode"):
                why = "killed for lack of memory" if ended.get("reason") == "OOMKilled" else ""
                meaning = why or exit_codes.meaning(ended["exitCode"])
                lines.append(f"{pod['metadata']['name']} ended with {ended['exitCode']}: {meaning}")
    return lines


def has_no_node(pod: Object) -> bool:
    """Whether the scheduler looks for a node in vain."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(entry["type"] == "PodScheduled" and entry["status"] == "False" for entry in conditions)


def _of_job(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> Iterator[str]:
    """What the job itself waits for: a queue, or a quota that lets no pod come about."""
    if (job.get("spec") or {}).get("suspend") or ((job.get("spec") or {}).get("runPolicy") or {}).get("suspend"):
        yield "The job is suspended: its queue has not admitted it yet. kubectl get workloads says what it waits for"
    if pods:
        return
    family = str(job["metadata"]["name"])
    about = [event for event in events if _is_of(str(event["involvedObject"].get("name")), family)]
    if about:
        yield _with_way_out(str(about[-1].get("message")))


def _of_pod(pod: Object, events: Sequence[Object]) -> Iterator[str]:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield _with_way_out(f"no node has room: {condition.get('message', condition.get('reason'))}")
    for status in _statuses(pod):
        waits = status["state"].get("waiting")
        if waits and waits.get("reason") in _PULLS:
            got = f"the image {status.get('image')} cannot be pulled ({waits['reason']}): {waits.get('message', '')}"
            yield f"{_sentence(got)} Check its name and tag; a private registry needs --pull_secret"
        elif waits and waits.get("reason") == "CrashLoopBackOff":
            yield "it ends again and again; its log says why: trainer.launch logs"
        elif waits and waits.get("message"):
            yield _with_way_out(f"{waits['reason']}: {waits['message']}")
    if (pod.get("status") or {}).get("phase") == "Pending":
        about = [event for event in events if event["involvedObject"].get("name") == pod["metadata"]["name"]]
        mounts = [event for event in about if event.get("reason") in ("FailedMount", "FailedAttachVolume")]
        yield from (_with_way_out(str(event.get("message"))) for event in mounts[-1:])


def _with_way_out(message: str) -> str:
    for pattern, way_out in _WAYS_OUT:
        if match := re.search(pattern, message):
            return f"{_sentence(message)} {way_out.format(*match.groups())}"
    return f"{_sentence(message)} {_OF_SCHEDULER}"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_of(name: str, job: str) -> bool:
    """Whether an object is the job's, or one that its controllers made for it."""
    return name == job or name.startswith(f"{job}-")


def _statuses(pod: Object) -> Sequence[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
