"""Sends a checked job to Vertex AI: image and package first, once for an output directory, elsewhere where it must."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import secrets
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from trainer.job.errors import JobError, UsageError
from trainer.launch.packaging import package
from trainer.launch.submission import names
from trainer.launch.submission.attempts import AttemptedJob, Told
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex import images, models
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.client import VertexClient
from trainer.launch.vertex.handle import VertexJob
from trainer.launch.vertex.prepared import Submission
from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request
from trainer.launch.vertex.sending_options import SendingOptions
from trainer.launch.vertex.service import ServiceError

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexAttempt:
    """One way to run the job.

    Attributes:
      submission: checked.
      service: where the services are.
      sending: what happens before and after.
    """

    submission: Submission
    service: ServiceOptions
    sending: SendingOptions

    @property
    def where(self) -> str:
        """Region and kind of machines, in words."""
        return self.submission.where

    def send(self, *, is_first: bool) -> VertexJob:
        """Sends it; what was sent before it has ended."""
        return send(self.submission, self.service, same_output=self.sending.same_output or not is_first)

    def is_shortage(self, error: JobError) -> bool:
        """Whether the quota forbids it."""
        return isinstance(error, ServiceError) and error.status == 429

    def follow(
        self, job: VertexJob, stream: TextIO | None, *, logs: bool, poll_secs: float, is_last: bool
    ) -> int | None:
        """To its end, or until it has waited too long for machines, and is cancelled; then the model is registered.

        Args:
          job: that this attempt sent.
          stream: gets states and log lines; None for standard output.
          logs: whether to show what its processes say.
          poll_secs: between two looks.
          is_last: whether it may wait for ever, since nothing else can be tried.
        """
        code = self._to_the_end(job, stream, logs=logs, poll_secs=poll_secs, is_last=is_last)
        if code == 0 and self.sending.upload_model:
            self._register(job, self.sending.upload_model, poll_secs)
        return None if code == 1 and vertex_jobs.is_shortage(job.as_last_seen) else code

    def _register(self, job: VertexJob, name: str, poll_secs: float) -> None:
        rest = vertex_handle.open_client(self.submission.at).rest
        wait = functools.partial(time.sleep, min(poll_secs, _SOON_SECS))
        model = models.upload_of_job(job.as_last_seen, rest, name, self.sending.serving_image, wait=wait)
        print(f"model: {model}", flush=True)
        _note(f"deploy: python -m trainer.launch deploy vertex {model}")

    def _to_the_end(
        self, job: VertexJob, stream: TextIO | None, *, logs: bool, poll_secs: float, is_last: bool
    ) -> int | None:
        """The job's exit code; None where it waited too long for machines and was cancelled for the next try."""
        started = time.monotonic()

        def waited_too_long(now: Request) -> bool:
            is_waiting = vertex_jobs.state(now) in vertex_jobs.WAITS
            return is_waiting and not is_last and time.monotonic() - started > self.sending.fallback_secs

        try:
            code = job.wait(stream, logs=logs, poll_secs=poll_secs, given_up=waited_too_long)
        except ServiceError:
            _note(f"no longer following; {job.name} continues")
            raise
        if code is None:
            _note(f"{job.name} has waited for {self.sending.fallback_after}, and is cancelled")
            job.cancel()
            job.wait(stream, logs=False, poll_secs=poll_secs)
        return code


def submit(
    submissions: Sequence[Submission],
    service: ServiceOptions,
    sending: SendingOptions,
    *,
    poll_secs: float,
    told: Told[VertexJob] = lambda job: None,
) -> AttemptedJob[VertexJob]:
    """Builds the image where there is one to be made, and sends the job.

    Args:
      submissions: the job as it is tried, one after the other; all have the same image.
      service: where the services are.
      sending: what happens before and after.
      poll_secs: between two looks at what goes on.
      told: hears of each job that is sent.

    Raises:
      UsageError: another job writes to its output directory, or there are no credentials, or there is no docker.
      JobError: the service refuses it, or the image cannot be built.
      StorageError: the package cannot be uploaded.
    """
    first = submissions[0]
    if sending.build:
        image = images.built(
            first.image_files,
            first.image,
            sending.build,
            project=first.at.project,
            folder=first.folder,
            endpoint=sending.build_endpoint,
            poll_secs=poll_secs,
        )
        submissions = [submission.with_image(image) for submission in submissions]
    attempts = [VertexAttempt(submission=each, service=service, sending=sending) for each in submissions]
    return AttemptedJob(attempts, told)


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
