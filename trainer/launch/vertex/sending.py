"""Sends a checked job to Vertex AI: image and package first, once for an output directory, elsewhere where it must."""

from __future__ import annotations

import datetime
import functools
import hashlib
import secrets
import sys
import time
from collections.abc import Mapping, Sequence

from trainer.job.errors import UsageError
from trainer.launch.packaging import build, package
from trainer.launch.submission import names
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import cloud_build, models
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.client import VertexClient
from trainer.launch.vertex.handle import VertexJob
from trainer.launch.vertex.prepared import Submission
from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request
from trainer.launch.vertex.sending_options import SendingOptions
from trainer.launch.vertex.service import BUILD, ServiceError

OUTPUT_LABEL = "trainer_output"
_SOON_SECS = 5.0
_OF_GOOGLE = ServiceOptions()


def send(
    submission: Submission,
    service: ServiceOptions = _OF_GOOGLE,
    *,
    same_output: bool = False,
) -> VertexJob:
    """Uploads the package, and creates the job.

    Args:
      submission: checked.
      service: where Cloud Logging is asked later.
      same_output: whether another job may be writing to the same output directory.

    Raises:
      UsageError: another job writes there, or credentials are lacking.
      ServiceError: the service refuses it, or did not answer for long.
      StorageError: the package cannot be uploaded.
    """
    client = vertex_handle.open_client(submission.at)
    labels = _about_output(client, submission.request, same_output=same_output)
    if submission.package:
        path, is_new = package.publish(submission.package, submission.folder)
        _note(f"package: {'uploaded' if is_new else 'is there'}: {path}")
    token = secrets.token_hex(8)
    request = dict(submission.request)
    if submission.is_named_apart:
        request["displayName"] = names.unique(request["displayName"], datetime.datetime.now(), token)
    job = client.create(submission.collection, request, token, labels)
    return VertexJob(client, job, service.logging_endpoint)


def send_and_follow(
    submissions: Sequence[Submission],
    service: ServiceOptions,
    sending: SendingOptions,
    *,
    wait: bool,
    poll_secs: float,
) -> int:
    """Sends the first of them, and where its machines are short the next one; the exit code is the last job's.

    Args:
      submissions: the job as it is tried, one after the other.
      service: where the services are.
      sending: what happens before and after.
      wait: whether to follow it.
      poll_secs: between two looks.
    """
    is_first = True
    for number, submission in enumerate(submissions):
        following = submissions[number + 1] if number + 1 < len(submissions) else None
        try:
            job = send(submission, service, same_output=sending.same_output or not is_first)
        except ServiceError as error:
            if error.status != 429 or following is None:
                raise
            _note(f"{error}\nnext: {following.where}")
            continue
        is_first = False
        print(job.name, flush=True)
        for hint in job.hints:
            _note(hint)
        if not wait:
            return 0
        code = _followed(job, sending, poll_secs, is_last=following is None)
        if code == 0 and sending.upload_model:
            rest = vertex_handle.open_client(submission.at).rest
            wait_a_little = functools.partial(time.sleep, min(poll_secs, _SOON_SECS))
            models.upload_of_job(job.as_last_seen, rest, sending, wait=wait_a_little)
        if following is None or (code is not None and not vertex_jobs.is_shortage(job.as_last_seen)):
            return 1 if code is None else code
        _note(f"no machines for {submission.where}\nnext: {following.where}")
    raise AssertionError("the last of them ends the loop")


def built_image(
    files: Mapping[str, bytes], image: str, submission: Submission, sending: SendingOptions, *, poll_secs: float
) -> str:
    """Builds and pushes the image as `--build` says, and returns it by its digest.

    Args:
      files: the context.
      image: REGISTRY/NAME:TAG.
      submission: says project and bucket.
      sending: docker or the cloud.
      poll_secs: between two looks at the cloud's build.

    Raises:
      UsageError: there is no docker, or no credentials.
      JobError: the build failed.
    """
    if sending.build is build.Builder.DOCKER:
        return build.with_docker(files, image, sys.stderr)
    at = submission.at.of(BUILD, sending.build_endpoint)
    return cloud_build.image_of(
        files,
        image,
        rest=vertex_handle.open_client(at).rest,
        folder=submission.folder,
        stream=sys.stderr,
        wait=lambda: time.sleep(min(poll_secs, _SOON_SECS)),
    )


def _followed(job: VertexJob, sending: SendingOptions, poll_secs: float, *, is_last: bool) -> int | None:
    """The job's exit code; None where it waited too long for machines and was cancelled for the next try."""
    started = time.monotonic()

    def waited_too_long(now: Request) -> bool:
        is_waiting = vertex_jobs.state(now) in vertex_jobs.WAITS
        return is_waiting and not is_last and time.monotonic() - started > sending.fallback_secs

    try:
        code = job.wait(poll_secs=poll_secs, given_up=waited_too_long)
    except ServiceError:
        _note(f"no longer following; {job.name} continues")
        raise
    if code is None:
        _note(f"{job.name} has waited for {sending.fallback_after}, and is cancelled")
        job.cancel()
        job.wait(logs=False, poll_secs=poll_secs)
    return code


def _about_output(client: VertexClient, request: Request, *, same_output: bool) -> dict[str, str]:
    """The label by which a later submission finds this one's output directory, in which no other job may be at work."""
    spec = request.get("jobSpec") or request.get("trialJobSpec") or {}
    directory = (spec.get("baseOutputDirectory") or {}).get("outputUriPrefix")
    if not directory:
        return {}
    digest = hashlib.sha256(directory.rstrip("/").encode()).hexdigest()[:32]
    if not same_output:
        _require_alone(client, directory, digest)
    return {OUTPUT_LABEL: digest}


def _require_alone(client: VertexClient, directory: str, digest: str) -> None:
    try:
        jobs = [
            job
            for collection in (CUSTOM_JOBS, TUNING_JOBS)
            for job in client.listed(collection, f"labels.{OUTPUT_LABEL}={digest}")
        ]
    except ServiceError as error:
        if error.status != 403:
            raise
        _note(f"whether another job writes to {directory} is not known: {error}")
        return
    running = next((job for job in jobs if vertex_jobs.exit_code(job) is None), None)
    if running:
        name = running["name"]
        raise UsageError(
            f"{running.get('displayName')} ({name}) is {vertex_jobs.state(running)} and writes to {directory}",
            "one job at a time in an output directory",
            f"Wait for it, end it (python -m trainer.launch cancel vertex {name}), name another --output_dir, or say "
            "that both are meant (--same_output)",
        )
    if jobs:
        last = max(jobs, key=lambda job: str(job.get("createTime")))
        _note(f"{directory} is that of {last.get('displayName')}, now {vertex_jobs.state(last)}: its run is continued")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
