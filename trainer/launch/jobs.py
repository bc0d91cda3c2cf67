"""`python -m trainer.launch list|status|logs|cancel vertex|kubernetes [JOB]`: what became of submitted jobs."""

from __future__ import annotations

import dataclasses
import datetime
import os
import sys
from collections.abc import Sequence

from trainer.job import errors, flags
from trainer.job.config import require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.kubernetes import jobs as kubernetes_jobs
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex import listing as vertex_listing
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex.handle import VertexJob

_TARGETS = ("vertex", "kubernetes")
_CTRL_C = 130  # as a shell counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Where the job is, unless its full name says so:"""  # the heading of --help

    project: str | None = setting(None, "of Vertex AI; default: GOOGLE_CLOUD_PROJECT")
    region: str = setting("us-central1", "of Vertex AI")
    namespace: str = setting("default", "of Kubernetes")
    context: str | None = setting(None, "kubectl's; default: the current one")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Which lines:"""  # the heading of --help

    follow: bool = setting(False, "go on until the job ends; the exit code says how")
    tail: int | None = setting(None, "how many of the lines that each process has said already; default: all")
    poll_secs: float = setting(5.0, "seconds between two looks at the job with --follow")

    def __post_init__(self) -> None:
        require_positive("tail", self.tail, "a whole number from 1 up")
        require_positive("poll_secs", self.poll_secs, "seconds above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Which jobs:"""  # the heading of --help

    all_namespaces: bool = setting(False, "those of all namespaces, on Kubernetes")
    limit: int = setting(20, "the most jobs, on Vertex AI")

    def __post_init__(self) -> None:
        require_positive("limit", self.limit, "a whole number from 1 up")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Asked:
    target: str
    job: str
    settings: flags.Settings

    @property
    def where(self) -> JobOptions:
        return self.settings[JobOptions]

    @property
    def service(self) -> ServiceOptions:
        return self.settings[ServiceOptions]


def list_jobs(argv: Sequence[str]) -> int:
    """Prints a line for each job that was submitted by this package, the newest first."""
    asked = _parsed("list", argv, ListOptions, has_job=False)
    chosen = asked.settings[ListOptions]
    if asked.target == "vertex":
        found = vertex_listing.newest(vertex_handle.open_client(_location(asked)), chosen.limit)
        print(vertex_listing.table(found) if found else f"no jobs in {asked.where.region}")
        return 0
    namespace = None if chosen.all_namespaces else asked.where.namespace
    listed = Kubectl(asked.where.context).jobs(namespace)
    now = datetime.datetime.now(datetime.UTC)
    print("\n".join(kubernetes_jobs.table(listed, now)) if listed else f"no jobs in {namespace or 'any namespace'}")
    return 0


def status(argv: Sequence[str]) -> int:
    """Prints the job's state, and why it waits; 0 where it runs or succeeded, 1 where it ended otherwise."""
    asked = _parsed("status", argv)
    if asked.target == "kubernetes":
        handle = _on_kubernetes(asked)
        print(handle.status())
        return handle.exit_code() or 0
    submitted = _on_vertex(asked)
    print(submitted.status())
    return vertex_jobs.exit_code(submitted.as_last_seen) or 0


def cancel(argv: Sequence[str]) -> int:
    """Asks for the job's end; its processes save what they have."""
    asked = _parsed("cancel", argv)
    if asked.target == "kubernetes":
        handle = _on_kubernetes(asked)
        ended = handle.cancel()
        print(f"{handle.name} is being ended; its processes save first" if ended else f"there is no {handle.name}")
        return 0
    job = _on_vertex(asked)
    if job.cancel():
        print(f"{job.name} is being cancelled")
    else:
        print(f"{job.name} has ended already: {vertex_jobs.state(job.as_last_seen)}")
    return 0


def logs(argv: Sequence[str]) -> int:
    """Prints the lines of the job's processes, with --follow as they come."""
    asked = _parsed("logs", argv, LogOptions)
    handle = _on_kubernetes(asked) if asked.target == "kubernetes" else _on_vertex(asked)
    chosen = asked.settings[LogOptions]
    try:
        count = handle.logs(follow=chosen.follow, poll_secs=chosen.poll_secs, tail=chosen.tail)
    except KeyboardInterrupt:
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C
    if chosen.follow:
        return count
    if not count:
        print(handle.status(), file=sys.stderr)
        print("nothing was said yet; --follow waits for it", file=sys.stderr)
    return 0


def _parsed(verb: str, argv: Sequence[str], *more: type, has_job: bool = True) -> _Asked:
    usage = f"python -m trainer.launch {verb} vertex|kubernetes{' JOB' if has_job else ''} [--flag=value ...]"
    words, classes = list(argv), (JobOptions, *more, ServiceOptions)
    if any(word in ("--help", "-h", "-help") for word in words):
        raise flags.HelpRequested(command_line.help_text(usage, *classes))
    if not words or words[0] not in _TARGETS:
        got = f"{words[0]!r} is not a target" if words else "No target"
        raise UsageError(got, usage, "Write vertex or kubernetes first")
    target, job = words[0], ""
    if has_job:
        if len(words) < 2 or words[1].startswith("-"):
            raise UsageError("No job", usage, f"Write what submit printed; trainer.launch list {target} shows the jobs")
        job = words[1]
    asked = _Asked(target=target, job=job, settings=flags.parse(words[2 if has_job else 1 :], *classes))
    if target == "vertex" and has_job:
        vertex_handle.require_name(job)
    return asked


def _on_kubernetes(asked: _Asked) -> KubernetesJob:
    which = kubernetes_jobs.parsed(asked.job, asked.where.namespace)
    return KubernetesJob(Kubectl(asked.where.context), which)


def _location(asked: _Asked) -> vertex_service.Location:
    """Project and region of a full name, else of the flags. Raises FindingsError where they make no sense."""
    match = vertex_handle.FULL_NAME.fullmatch(asked.job)
    project = match[1] if match else asked.where.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or ""
    region = match[2] if match else asked.where.region
    for note in errors.refuse(vertex_rules.place(project, region)):
        print(note, file=sys.stderr)
    return vertex_service.location(project, region, asked.service.endpoint)


def _on_vertex(asked: _Asked) -> VertexJob:
    at = _location(asked)
    return vertex_handle.of_name(asked.job, project=at.project, region=at.region, service=asked.service)
