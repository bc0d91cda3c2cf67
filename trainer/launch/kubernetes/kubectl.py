"""kubectl, which has the cluster's address and the person's credentials: what it is asked, and what it answers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import JobError, UsageError
from trainer.launch.cluster.child import Child
from trainer.launch.files import render
from trainer.launch.kubernetes import jobs
from trainer.launch.kubernetes.jobs import JobName
from trainer.launch.kubernetes.pods import NAME, NAME_LABEL, Manifest

Object = Mapping[str, Any]
_TIMEOUT_SECS = 120
_MANAGED = f"{NAME_LABEL}={NAME}"
# Of a file there may be others beside the job, such as claims with a person's data, which have to outlive it.
_OWNED = ("Service", "TrainingRuntime")
_NO_SUCH_KIND = "the server doesn't have a resource type"


class Kubectl:
    """One cluster.

    Args:
      context: of kubectl's configuration; None for the current one.
      program: its name or path.
    """

    def __init__(self, context: str | None = None, program: str = "kubectl") -> None:
        self._words = [program, *([f"--context={context}"] if context else [])]

    def create(self, documents: Sequence[Manifest], namespace: str) -> JobName:
        """Creates all of them, the job itself last, which becomes the owner of its Service and of its runtime.

        So whatever removes the job, a person, its time to live or the cluster, removes those too. Where one of them
        cannot be created, nothing stays.

        Args:
          documents: a manifest each.
          namespace: for those that say none.

        Raises:
          JobError: in the cluster's words.
        """
        created: list[Object] = []
        try:
            for document in documents:
                text = render.text([document], render.Format.JSON)
                made = self._run("create", "-f", "-", f"--namespace={namespace}", "--output=json", given=text)
                created.append(json.loads(made))
        except JobError:
            for value in reversed(created):
                self._delete(value["kind"], value["metadata"]["name"], namespace)
            raise
        *companions, job = created
        for companion in companions:
            if companion["kind"] in _OWNED:
                self._own(job, companion, namespace)
        return JobName(kind=job["kind"], name=job["metadata"]["name"], namespace=namespace)

    def job(self, which: JobName) -> Object:
        """The job as the cluster has it. Raises JobError where there is none."""
        return self._get(*_words(which))

    def find(self, which: JobName) -> Object | None:
        """The job; None where there is none any more."""
        found = self._run("get", *_words(which), "--output=json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def jobs(self, namespace: str | None) -> list[Object]:
        """The jobs of this package, of every kind that the cluster knows.

        Args:
          namespace: None for all.
        """
        where = "--all-namespaces" if namespace is None else f"--namespace={namespace}"
        found: list[Object] = []
        for kind in jobs.KINDS:
            try:
                listed = self._get(jobs.resource(kind), where, f"--selector={_MANAGED}")
            except JobError as error:
                if _NO_SUCH_KIND not in str(error):
                    raise
            else:
                found += listed["items"]
        return [job for job in found if not job["metadata"].get("ownerReferences")]

    def pods(self, which: JobName) -> list[Object]:
        """The job's pods, those of its trials where it is an Experiment, by name."""
        listed = self._get("pods", f"--namespace={which.namespace}", f"--selector={jobs.selector(which.name)}")
        return sorted(listed["items"], key=lambda pod: str(pod["metadata"]["name"]))

    def events(self, which: JobName) -> list[Object]:
        """What went wrong with the job and what it owns, oldest first."""
        listed = self._get("events", f"--namespace={which.namespace}", "--field-selector=type=Warning")
        return sorted(listed["items"], key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")))

    def delete(self, which: JobName) -> list[str]:
        """Ends the job: its processes get SIGTERM, and save. What was created with it goes too.

        Returns:
          A line for each object that was deleted.
        """
        lines = self._delete(which.kind, which.name, which.namespace)
        beside = {"Job": "services", "Experiment": "services", "TrainJob": jobs.resource("TrainingRuntime")}
        if which.kind in beside:
            # Of jobs that own theirs, these are on their way already.
            selector = f"--selector={_MANAGED},{jobs.selector(which.name)}"
            lines += self._lines("delete", beside[which.kind], selector, *_deletion(which.namespace))
        return lines

    def log_stream(self, pod: str, namespace: str, *options: str) -> Child:
        """A kubectl that writes the lines of a pod, each behind its time."""
        words = ["logs", pod, f"--namespace={namespace}", "--timestamps", *options]
        try:
            return Child([*self._words, *words], os.environ, started_at=time.monotonic())
        except FileNotFoundError as error:
            raise self._not_installed() from error

    def _own(self, job: Object, companion: Object, namespace: str) -> None:
        owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": job["metadata"]["name"]}
        patch = {"metadata": {"ownerReferences": [owner | {"uid": job["metadata"]["uid"]}]}}
        name, kind = companion["metadata"]["name"], jobs.resource(companion["kind"])
        self._run("patch", kind, name, f"--namespace={namespace}", "--type=merge", f"--patch={json.dumps(patch)}")

    def _delete(self, kind: str, name: str, namespace: str) -> list[str]:
        return self._lines("delete", jobs.resource(kind), name, *_deletion(namespace))

    def _lines(self, *words: str) -> list[str]:
        return [line for line in self._run(*words).splitlines() if line and line != "No resources found"]

    def _get(self, *words: str) -> Object:
        value: Object = json.loads(self._run("get", *words, "--output=json"))
        return value

    def _run(self, *words: str, given: str | None = None) -> str:
        try:
            done = subprocess.run(
                [*self._words, *words], input=given, capture_output=True, text=True, timeout=_TIMEOUT_SECS, check=False
            )
        except FileNotFoundError as error:
            raise self._not_installed() from error
        except subprocess.TimeoutExpired as error:
            got = f"kubectl {words[0]} did not answer in {_TIMEOUT_SECS} s"
            raise JobError(got, None, "Check whether the cluster is reachable: kubectl cluster-info") from error
        if done.returncode:
            raise _refused(words, " ".join(done.stderr.split()) or f"exit code {done.returncode}")
        return done.stdout

    def _not_installed(self) -> UsageError:
        do = "Install it, or print the manifest (--dry_run) and apply it where it is"
        return UsageError(f"{self._words[0]} is not installed", "kubectl in PATH", do)


def _words(which: JobName) -> tuple[str, ...]:
    return jobs.resource(which.kind), which.name, f"--namespace={which.namespace}"


def _deletion(namespace: str) -> tuple[str, ...]:
    return f"--namespace={namespace}", "--wait=false", "--ignore-not-found"


def _refused(words: Sequence[str], reason: str) -> JobError:
    """The error for a refusal, with the way on where it is one of those that people meet."""
    ways_out = {
        "AlreadyExists": "Nothing of it was changed. Choose another name, or end it first: trainer.launch cancel",
        "no matches for kind": "Its operator is not installed there: --kind=job needs none",
        "orbidden": "kubectl auth can-i --list says what you may do there; who runs the cluster gives rights",
        "ot found": "python -m trainer.launch list kubernetes shows the jobs; it may have another --namespace or kind",
    }
    otherwise = "kubectl config get-contexts shows the clusters"
    do = next((way for words, way in ways_out.items() if words in reason), otherwise)
    return JobError(f"kubectl {words[0]}: {reason}", None, do)
