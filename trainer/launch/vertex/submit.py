"""`python -m trainer.launch submit vertex`: options become a request, which is checked, shown or sent, and followed."""

from __future__ import annotations

import dataclasses
import os
import random
import secrets
import sys
import time
from collections.abc import Mapping, Sequence

from trainer.job import errors, flags
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch import command_line, task_flags
from trainer.launch.files import render
from trainer.launch.packaging import archive, package, problem_files
from trainer.launch.packaging.archive import Archive
from trainer.launch.packaging.problem_files import PackedProblem
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.submission import costs
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.options import ServiceOptions, SubmitOptions
from trainer.launch.vertex import client as vertex_client
from trainer.launch.vertex import following as vertex_following
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex import request_file
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex import session as google_session
from trainer.launch.vertex import study as vertex_study
from trainer.launch.vertex import surroundings as vertex_surroundings
from trainer.launch.vertex.client import VertexClient
from trainer.launch.vertex.options import VertexOptions
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.service import Location

USAGE = "python -m trainer.launch submit vertex [--flag=value ...] -- [flags of trainer.task]"
_CLASSES = (SubmitOptions, VertexOptions, ServiceOptions)
_CTRL_C = 130  # as a shell counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """A checked request, and what it needs to be sent.

    Attributes:
      request: the body.
      at: where it goes.
      package: what has to be uploaded before; None where nothing has.
      folder: in a bucket, for the package.
      problem: the person's own, in the package; None where there is none in it.
      notes: what is not known here, and left to the service.
    """

    request: Request
    at: Location
    notes: tuple[Finding, ...] = ()
    package: Archive | None = None
    folder: str = ""
    problem: PackedProblem | None = None

    @property
    def collection(self) -> str:
        """Where the request is posted to."""
        return vertex.collection(self.request)


def main(argv: Sequence[str]) -> int:
    """Shows or sends the job; the exit code is that of the request, or with --wait of the job."""
    own, task_argv = command_line.halves(argv)
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen = settings[SubmitOptions]
    submission = prepare(settings[VertexOptions], settings[ServiceOptions], task_argv, os.environ)
    for note in _notes(submission, chosen):
        print(note, file=sys.stderr)
    if chosen.dry_run:
        print(render.text([submission.request], chosen.format or render.Format.JSON), end="")
        return 0
    return _send(submission, chosen)


def prepare(
    chosen: VertexOptions, service: ServiceOptions, task_argv: Sequence[str], environ: Mapping[str, str]
) -> Submission:
    """Builds the request and checks it offline.

    Args:
      chosen: the job.
      service: where it would be sent.
      task_argv: flags of the task.
      environ: GOOGLE_CLOUD_PROJECT is the default project.

    Raises:
      FindingsError: with everything that is wrong with it.
    """
    project = chosen.project or environ.get("GOOGLE_CLOUD_PROJECT") or ""
    at = vertex_service.location(project, chosen.region, service.endpoint)
    if chosen.request is not None:
        request = _from_file(chosen, task_argv)
        place = [*vertex_rules.place(project, chosen.region), *vertex_surroundings.elsewhere(request, chosen.region)]
        notes = _refuse([*place, *rules(request)])
        return Submission(request=request, at=at, notes=notes)
    problem = _packed_problem(chosen, task_argv)
    built = _package(chosen, environ, problem)
    folder = chosen.staging or f"{(chosen.output_dir or 'gs://BUCKET').rstrip('/')}/packages"
    packages = [built.path_below(folder)] if built else list(chosen.package)
    study = _study(chosen, task_argv)
    checked = _built(chosen, task_argv, packages, study)
    place = [*vertex_rules.place(project, chosen.region), *vertex_surroundings.elsewhere(checked, chosen.region)]
    elsewhere = problem_files.elsewhere(task_argv, "image" if chosen.image else "package")
    notes = _refuse([*place, *rules(checked), *(() if problem or not _is_task(chosen) else elsewhere)])
    # The runner finds a packed problem under another name than this machine, whose name was good for the checks.
    request = _built(chosen, problem.flags(task_argv), packages, study) if problem else checked
    return Submission(request=request, at=at, notes=notes, package=built, folder=folder, problem=problem)


def _refuse(findings: list[Finding]) -> tuple[Finding, ...]:
    return errors.refuse(findings, "The request is not accepted; nothing was sent:")


def rules(request: Request) -> list[Finding]:
    """Everything wrong with a request, of either kind."""
    if vertex.collection(request) == vertex.CUSTOM_JOBS:
        return list(vertex_rules.custom_job(request))
    return list(vertex_rules.tuning_job(request))


def _study(chosen: VertexOptions, task_argv: Sequence[str]) -> Study | None:
    """What is to be searched; None where nothing is."""
    return None if chosen.config is None else study_file.read(chosen.config, search_space.of_task(task_argv))


def _built(chosen: VertexOptions, task_argv: Sequence[str], packages: Sequence[str], study: Study | None) -> Request:
    if study is None:
        return vertex.custom_job(chosen, task_argv, packages)
    return vertex.tuning_job(chosen, task_argv, packages, vertex_study.tuning(study))


def _from_file(chosen: VertexOptions, task_argv: Sequence[str]) -> Request:
    """The request of a file, unchanged.

    Raises:
      UsageError: flags that cannot be combined with it are given, or its study is wrong (FindingsError).
    """
    beside = [
        flag
        for flag in flags.to_argv(dataclasses.replace(chosen, request=None))
        if not flag.startswith(("--project=", "--region=", "--name="))
    ]
    if beside or task_argv:
        accept = "--project, --region and --name with it"
        raise UsageError(f"{' '.join([*beside, *task_argv])} together with --request", accept, "Write it into the file")
    assert chosen.request is not None
    request = request_file.read(chosen.request, name=chosen.name)
    if request.get("studySpec"):
        study_file.read(chosen.request, search_space.of_task_if_here(request_file.task_argv(request)))
    return request


def _is_packed(chosen: VertexOptions) -> bool:
    """Whether this source, packed, is what runs."""
    return chosen.image is None and not chosen.package and chosen.executor_image is not None


def _packed_problem(chosen: VertexOptions, task_argv: Sequence[str]) -> PackedProblem | None:
    """The person's own problem, where it is to be packed."""
    return problem_files.named_in(task_argv) if _is_packed(chosen) and _is_task(chosen) else None


def _is_task(chosen: VertexOptions) -> bool:
    """Whether replicas run the task, whose flags are known here."""
    return chosen.image is not None or chosen.module == task_flags.TASK_MODULE


def _package(chosen: VertexOptions, environ: Mapping[str, str], problem: PackedProblem | None) -> Archive | None:
    if not _is_packed(chosen):
        return None
    return archive.build(archive.source_root(), environ, problem.files if problem else None)


def _notes(submission: Submission, chosen: SubmitOptions) -> list[str]:
    """What a person wants to know besides the request, for stderr."""
    request = submission.request
    spec = request.get("jobSpec") or request.get("trialJobSpec") or {}
    verb = "would POST to" if chosen.dry_run else "POST"
    notes = [*map(str, submission.notes), f"{verb} {submission.at.url(submission.collection)}"]
    if submission.package:
        path = submission.package.path_below(submission.folder)
        if submission.problem:
            notes.append(f"package: {submission.problem}")
        notes.append(f"package: {path} ({len(submission.package.files)} files, uploaded unless it is there)")
    prices = costs.require(chosen.prices)
    if prices:
        longest = costs.seconds((spec.get("scheduling") or {}).get("timeout"))
        at_once = int(request.get("parallelTrialCount", 1))
        notes.append(costs.line(prices, costs.of_vertex(spec), at_once=at_once, longest_secs=longest))
    if chosen.dry_run:
        label = vertex_client.SUBMISSION_LABEL
        notes.append(f"checked; nothing was sent. The label {label} makes sure that it is created only once")
    return notes


def open_client(at: Location) -> VertexClient:
    """A client with this machine's credentials."""
    return VertexClient(
        google_session.open_session(at.endpoint),
        at,
        wait=time.sleep,
        chance=random.random,
        broken=google_session.broken_connections(),
        denied=google_session.lost_credentials(),
    )


def _send(submission: Submission, chosen: SubmitOptions) -> int:
    client = open_client(submission.at)
    if submission.package:
        path, is_new = package.publish(submission.package, submission.folder)
        print(f"package: {'uploaded' if is_new else 'is there'}: {path}", file=sys.stderr)
    job = client.create(submission.collection, submission.request, secrets.token_hex(8))
    print(job["name"])
    for hint in vertex_jobs.hints(job["name"], region=submission.at.region, project=submission.at.project):
        print(hint, file=sys.stderr)
    if not chosen.wait:
        return 0
    try:
        return vertex_following.follow(client, job["name"], sys.stdout, wait=lambda: time.sleep(chosen.poll_secs))
    except KeyboardInterrupt:
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C
