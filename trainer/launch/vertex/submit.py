"""`python -m trainer.launch submit vertex`: options become a request, which is checked, shown or sent, and followed."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence

from trainer.job import errors, flags
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch import command_line, task_flags
from trainer.launch.files import render
from trainer.launch.packaging import archive, build, problem_files
from trainer.launch.packaging.archive import Archive
from trainer.launch.packaging.problem_files import PackedProblem
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.submission import attempts, costs
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.attempts import AttemptedJob
from trainer.launch.submission.options import ServiceOptions, SubmitOptions
from trainer.launch.vertex import client as vertex_client
from trainer.launch.vertex import fallback, request_file
from trainer.launch.vertex import models as vertex_models
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import sending as vertex_sending
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex import study as vertex_study
from trainer.launch.vertex import surroundings as vertex_surroundings
from trainer.launch.vertex.handle import VertexJob
from trainer.launch.vertex.options import VertexOptions
from trainer.launch.vertex.prepared import Submission
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.sending_options import SendingOptions

USAGE = "python -m trainer.launch submit vertex [--flag=value ...] -- [flags of trainer.task]"
CLASSES = (SubmitOptions, VertexOptions, SendingOptions, ServiceOptions)
_CTRL_C = 130  # as a shell counts


def main(argv: Sequence[str]) -> int:
    """Shows or sends the job; the exit code is that of the request, or with --wait of the job."""
    own, task_argv = command_line.halves(argv)
    settings = submit_options.parse(own, USAGE, *CLASSES)
    chosen, sending, service = settings[SubmitOptions], settings[SendingOptions], settings[ServiceOptions]
    if sending.needs_wait and not (chosen.wait or chosen.dry_run):
        got = f"{sending.needs_wait} without --wait"
        raise UsageError(got, "both, since it is done from here", "Add --wait")
    submissions = _prepared(settings, task_argv)
    for note in _notes(submissions, chosen, sending):
        print(note, file=sys.stderr)
    if chosen.dry_run:
        print(render.text([submissions[0].request], chosen.format or render.Format.JSON), end="")
        return 0
    try:
        job = vertex_sending.submit(submissions, service, sending, poll_secs=chosen.poll_secs, told=attempts.announce)
        return job.wait(poll_secs=chosen.poll_secs) if chosen.wait else 0
    except KeyboardInterrupt:
        if not chosen.wait:
            raise
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C


def submitted(own: Sequence[str], task_argv: Sequence[str]) -> AttemptedJob[VertexJob]:
    """Sends the job for a program, which does with it what it likes. Raises UsageError, JobError.

    Args:
      own: flags of `submit vertex`.
      task_argv: flags of the task.
    """
    settings = submit_options.parse(own, USAGE, *CLASSES)
    chosen = settings[SubmitOptions]
    submit_options.require_of_program(chosen)
    submissions = _prepared(settings, task_argv)
    for note in dict.fromkeys(note for submission in submissions for note in submission.notes):
        print(note, file=sys.stderr)
    return vertex_sending.submit(
        submissions, settings[ServiceOptions], settings[SendingOptions], poll_secs=chosen.poll_secs
    )


def _prepared(settings: flags.Settings, task_argv: Sequence[str]) -> list[Submission]:
    """The checked job as it is sent first, and as it is after each word of --fallback."""
    what, sending = settings[VertexOptions], settings[SendingOptions]
    _require_together(sending, what)
    submissions = [
        prepare(option, settings[ServiceOptions], task_argv, os.environ, built_here=sending.build is not None)
        for option in fallback.alternatives(what, sending.fallback)
    ]
    if not sending.build:
        return submissions
    files = build.context(os.environ, submissions[0].problem, gpu=_has_gpu(what), serve=True)
    return [dataclasses.replace(each, image=str(what.image), image_files=files) for each in submissions]


def _require_together(sending: SendingOptions, what: VertexOptions) -> None:
    """Raises UsageError where flags of several classes ask for what cannot be done together."""
    if sending.build and not what.image:
        raise UsageError("--build without --image", "the name of the image to build", "Add --image=REGISTRY/NAME:TAG")
    if sending.upload_model:
        vertex_models.require_id(sending.upload_model)
        if not (sending.serving_image or what.image):
            do = "Name an image of this package (`package --docker --serve`)"
            raise UsageError("--upload_model with a prebuilt image", "--serving_image, or --image", do)


def _has_gpu(what: VertexOptions) -> bool:
    return any(pool.accelerator and pool.accelerator[0].startswith("NVIDIA") for pool in what.pools.values())


def prepare(
    chosen: VertexOptions,
    service: ServiceOptions,
    task_argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    built_here: bool = False,
) -> Submission:
    """Builds the request and checks it offline.

    Args:
      chosen: the job.
      service: where it would be sent.
      task_argv: flags of the task.
      environ: GOOGLE_CLOUD_PROJECT is the default project.
      built_here: whether the image is built from this source, so that a problem of the person's own is in it.

    Raises:
      FindingsError: with everything that is wrong with it.
    """
    project = chosen.project or environ.get("GOOGLE_CLOUD_PROJECT") or ""
    at = vertex_service.location(project, chosen.region, service.endpoint)
    if chosen.request is not None:
        request = _from_file(chosen, task_argv)
        place = [*vertex_rules.place(project, chosen.region), *vertex_surroundings.elsewhere(request, chosen.region)]
        notes = _refuse([*place, *rules(request)])
        return Submission(request=request, at=at, notes=notes, is_named_apart=False)
    problem = problem_files.named_in(task_argv) if _is_task(chosen) and (built_here or _is_packed(chosen)) else None
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
    where = fallback.described(chosen)
    return Submission(request=request, at=at, notes=notes, package=built, folder=folder, problem=problem, where=where)


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


def _is_task(chosen: VertexOptions) -> bool:
    """Whether replicas run the task, whose flags are known here."""
    return chosen.image is not None or chosen.module == task_flags.TASK_MODULE


def _package(chosen: VertexOptions, environ: Mapping[str, str], problem: PackedProblem | None) -> Archive | None:
    if not _is_packed(chosen):
        return None
    return archive.build(archive.source_root(), environ, problem.files if problem else None)


def _notes(submissions: Sequence[Submission], chosen: SubmitOptions, sending: SendingOptions) -> list[str]:
    """What a person wants to know besides the request, for stderr."""
    submission = submissions[0]
    request = submission.request
    spec = request.get("jobSpec") or request.get("trialJobSpec") or {}
    verb = "would POST to" if chosen.dry_run else "POST"
    notes = [*map(str, dict.fromkeys(note for each in submissions for note in each.notes))]
    notes.append(f"{verb} {submission.at.url(submission.collection)}")
    notes += [f"where machines are short, next: {each.where}" for each in submissions[1:]]
    if submission.problem and (submission.package or sending.build):
        notes.append(f"{'package' if submission.package else 'image'}: {submission.problem}")
    if submission.package:
        path = submission.package.path_below(submission.folder)
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
