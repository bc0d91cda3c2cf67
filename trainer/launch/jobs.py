"""`python -m trainer.launch status|cancel|logs vertex|kubernetes JOB`: what became of a submitted job."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Sequence

from trainer.job import errors, flags
from trainer.job.config import setting
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.kubernetes import kubectl
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex import submit as submit_vertex
from trainer.launch.vertex.client import VertexClient

_TARGETS = ("vertex", "kubernetes")
_FULL_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/(customJobs|hyperparameterTuningJobs)/\d+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Where the job is, unless its full name says so:"""  # the heading of --help

    project: str | None = setting(None, "of Vertex AI; default: GOOGLE_CLOUD_PROJECT")
    region: str = setting("us-central1", "of Vertex AI")
    namespace: str = setting("default", "of Kubernetes")
    context: str | None = setting(None, "kubectl's; default: the current one")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Asked:
    target: str
    job: str
    where: JobOptions
    service: ServiceOptions


def status(argv: Sequence[str]) -> int:
    """Prints one line on the job; 0 where it runs or succeeded, 1 where it ended otherwise."""
    asked = _parsed("status", argv)
    if asked.target == "kubernetes":
        kind, name = _kind_and_name(asked.job)
        job = kubectl.Kubectl(asked.where.context).job(kind, name, asked.where.namespace)
        print(f"{kind} {name}: {kubectl.described(job)}")
        return kubectl.exit_code(job) or 0
    job = _client(asked).resolve(asked.job)
    print(f"{job.get('displayName')} ({job['name']}): {vertex_jobs.described(job)}")
    return vertex_jobs.exit_code(job) or 0


def cancel(argv: Sequence[str]) -> int:
    """Asks for the job's end; its processes save what they have."""
    asked = _parsed("cancel", argv)
    if asked.target == "kubernetes":
        kind, name = _kind_and_name(asked.job)
        kubectl.Kubectl(asked.where.context).delete(kind, name, asked.where.namespace)
        return 0
    client = _client(asked)
    job = client.resolve(asked.job)
    if vertex_jobs.exit_code(job) is not None:
        print(f"{job['name']} has ended already: {vertex_jobs.state(job)}")
        return 0
    client.cancel(job["name"])
    print(f"{job['name']} is being cancelled")
    return 0


def logs(argv: Sequence[str]) -> int:
    """Prints where the logs are, as commands and pages, without asking the service."""
    asked = _parsed("logs", argv)
    if asked.target == "kubernetes":
        kind, name = _kind_and_name(asked.job)
        print("\n".join(kubectl.hints(kind=kind, name=name, namespace=asked.where.namespace)))
        return 0
    at = _location(asked)
    full = asked.job if "/" in asked.job else f"{at.parent}/customJobs/{asked.job}"
    print("\n".join(vertex_jobs.hints(full, region=at.region, project=at.project)))
    return 0


def _parsed(verb: str, argv: Sequence[str]) -> _Asked:
    usage = f"python -m trainer.launch {verb} vertex|kubernetes JOB [--flag=value ...]"
    words = list(argv)
    if any(word in ("--help", "-h", "-help") for word in words):
        raise flags.HelpRequested(command_line.help_text(usage, JobOptions, ServiceOptions))
    if not words or words[0] not in _TARGETS:
        got = f"{words[0]!r} is not a target" if words else "No target"
        raise UsageError(got, usage, "Write vertex or kubernetes first")
    if len(words) < 2 or words[1].startswith("-"):
        raise UsageError("No job", usage, "Write what submit printed as its name")
    settings = flags.parse(words[2:], JobOptions, ServiceOptions)
    asked = _Asked(target=words[0], job=words[1], where=settings[JobOptions], service=settings[ServiceOptions])
    if asked.target == "vertex" and not re.fullmatch(rf"\d+|{_FULL_NAME.pattern}", asked.job):
        accept = "a number, or projects/P/locations/R/customJobs/NUMBER"
        raise UsageError(f"{asked.job!r} is not a job of Vertex AI", accept, "Write what submit printed as its name")
    return asked


def _location(asked: _Asked) -> vertex_service.Location:
    """Project and region of a full name, else of the flags. Raises FindingsError where they make no sense."""
    match = _FULL_NAME.fullmatch(asked.job)
    project = match[1] if match else asked.where.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or ""
    region = match[2] if match else asked.where.region
    for note in errors.refuse(vertex_rules.place(project, region)):
        print(note, file=sys.stderr)
    return vertex_service.location(project, region, asked.service.endpoint)


def _client(asked: _Asked) -> VertexClient:
    return submit_vertex.open_client(_location(asked))


def _kind_and_name(job: str) -> tuple[str, str]:
    """Of `tfjob/trainer`, or of `trainer`, which is a Job."""
    kind, slash, name = job.rpartition("/")
    return kubectl.kind_of(kind if slash else "job"), name
