"""kubectl, which has the cluster's address and the person's credentials: applies manifests and looks at jobs."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from trainer.job.errors import JobError, UsageError

_TIMEOUT_SECS = 120
_RESOURCES = {
    "TFJob": "tfjobs.kubeflow.org",
    "Job": "jobs.batch",
    "JobSet": "jobsets.jobset.x-k8s.io",
    "TrainJob": "trainjobs.trainer.kubeflow.org",
    "Experiment": "experiments.kubeflow.org",
}
# A condition that is true and ends a job, and the exit code that it means.
_ENDS = {"Succeeded": 0, "Complete": 0, "Completed": 0, "Failed": 1}


class Kubectl:
    """One cluster.

    Args:
      context: of kubectl's configuration; None for the current one.
      program: its name or path.
    """

    def __init__(self, context: str | None = None, program: str = "kubectl") -> None:
        self._words = [program, *([f"--context={context}"] if context else [])]

    def apply(self, manifest: str) -> None:
        """Applies it and says what was made. Raises JobError in the cluster's words."""
        print(self._run("apply", "-f", "-", given=manifest), end="", flush=True)

    def job(self, kind: str, name: str, namespace: str) -> Mapping[str, Any]:
        """The job as the cluster has it.

        Args:
          kind: of the job, as the cluster calls it.
          name: of the job.
          namespace: where it is.
        """
        text = self._run("get", _resource(kind), name, f"--namespace={namespace}", "--output=json")
        job: Mapping[str, Any] = json.loads(text)
        return job

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Ends the job: its processes get SIGTERM, and save.

        Args:
          kind: of the job, as the cluster calls it.
          name: of the job.
          namespace: where it is.
        """
        print(
            self._run("delete", _resource(kind), name, f"--namespace={namespace}", "--wait=false"), end="", flush=True
        )

    def follow(self, *, kind: str, name: str, namespace: str, poll_secs: float) -> int:
        """Prints what changes until the job ends; 0 where it succeeded, else 1.

        Args:
          kind: of the job, as the cluster calls it.
          name: of the job.
          namespace: where it is.
          poll_secs: between two looks at it.
        """
        last = ""
        while True:
            job = self.job(kind, name, namespace)
            now = described(job)
            if now != last:
                print(now, flush=True)
                last = now
            code = exit_code(job)
            if code is not None:
                return code
            time.sleep(poll_secs)

    def _run(self, *words: str, given: str | None = None) -> str:
        try:
            done = subprocess.run(
                [*self._words, *words], input=given, capture_output=True, text=True, timeout=_TIMEOUT_SECS, check=False
            )
        except FileNotFoundError as error:
            do = "Install it, or print the manifest (--dry_run) and apply it where it is"
            raise UsageError(f"{self._words[0]} is not installed", "kubectl in PATH", do) from error
        except subprocess.TimeoutExpired as error:
            got = f"kubectl {words[0]} did not answer in {_TIMEOUT_SECS} s"
            raise JobError(got, None, "Check whether the cluster is reachable: kubectl cluster-info") from error
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise JobError(f"kubectl {words[0]}: {reason}", None, "kubectl config get-contexts shows the clusters")
        return done.stdout


def described(job: Mapping[str, Any]) -> str:
    """The job's newest true condition, and how many pods are how."""
    status = job.get("status") or {}
    true = [entry for entry in status.get("conditions") or () if entry.get("status") == "True"]
    words = [str(true[-1]["type"]).lower() if true else "waiting"]
    if true and true[-1].get("message"):
        words.append(str(true[-1]["message"]))
    counts = {name: status[name] for name in ("active", "ready", "succeeded", "failed") if status.get(name)}
    for kind, replicas in (status.get("replicaStatuses") or {}).items():
        counts |= {f"{kind} {name}": count for name, count in replicas.items() if isinstance(count, int) and count}
    if counts:
        words.append(", ".join(f"{count} {name}" for name, count in counts.items()))
    return "; ".join(words)


def exit_code(job: Mapping[str, Any]) -> int | None:
    """0 or 1 of a job that has ended; None while it runs."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    codes = [_ENDS[entry["type"]] for entry in conditions if entry.get("status") == "True" and entry["type"] in _ENDS]
    return max(codes, default=None)


def hints(*, kind: str, name: str, namespace: str) -> list[str]:
    """Commands for a job.

    Args:
      kind: of the job, as the cluster calls it.
      name: of the job.
      namespace: where it is.
    """
    where = f"--namespace={namespace}"
    return [
        f"status: kubectl get {_resource(kind)} {name} {where}",
        f"logs:   kubectl logs --selector=app.kubernetes.io/instance={name} {where} --prefix --follow",
        f"cancel: kubectl delete {_resource(kind)} {name} {where}",
    ]


def kind_of(word: str) -> str:
    """The kind that a person means by job, tfjob, jobset, trainjob or experiment. Raises UsageError."""
    by_word = {kind.lower(): kind for kind in _RESOURCES}
    if word.lower() not in by_word:
        raise UsageError(f"{word!r} is not a kind of job", ", ".join(by_word), "Write KIND/NAME, as tfjob/trainer")
    return by_word[word.lower()]


def _resource(kind: str) -> str:
    return _RESOURCES.get(kind, kind.lower())
