"""Sends a checked job to a cluster: its image or its package first, and otherwise where its nodes are short."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from trainer.job.errors import JobError
from trainer.launch.kubernetes import plan
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.plan import Submission
from trainer.launch.kubernetes.sending_options import SendingOptions
from trainer.launch.packaging import package
from trainer.launch.submission.attempts import AttemptedJob, Told
from trainer.launch.vertex import images

_GONE_POLL_SECS = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class KubernetesAttempt:
    """One way to run the job.

    Attributes:
      submission: checked.
      where: on which nodes, in words.
      patience_secs: how long its pods may wait for nodes where something else can be tried.
    """

    submission: Submission
    where: str
    patience_secs: float

    def send(self, *, is_first: bool) -> KubernetesJob:
        """Creates it."""
        client = Kubectl(context=self.submission.context)
        return KubernetesJob(client, client.create(self.submission.manifests, self.submission.namespace))

    def is_shortage(self, error: JobError) -> bool:
        """Never: a cluster creates what it has no nodes for, and has it wait."""
        return False

    def follow(
        self, job: KubernetesJob, stream: TextIO | None, *, logs: bool, poll_secs: float, is_last: bool
    ) -> int | None:
        """To its end, or until its pods have waited too long, and it has been removed.

        Args:
          job: that this attempt sent.
          stream: gets states and log lines; None for standard output.
          logs: whether to show what its processes say.
          poll_secs: between two looks.
          is_last: whether it may wait for ever, since nothing else can be tried.
        """
        patience = None if is_last else self.patience_secs
        code = job.wait(stream, logs=logs, poll_secs=poll_secs, patience_secs=patience)
        if code is None:
            _note(f"{job.name} found no nodes in {patience:g} s, and is ended")
            job.cancel()
            # Two jobs must not write to one output directory.
            while job.has_pods:
                time.sleep(min(poll_secs, _GONE_POLL_SECS))
        return code


def submit(
    submissions: Sequence[tuple[str, Submission]],
    how: SendingOptions,
    *,
    poll_secs: float,
    told: Told[KubernetesJob] = lambda job: None,
) -> AttemptedJob[KubernetesJob]:
    """Uploads the package or builds the image where there is one to be made, and creates the job.

    Args:
      submissions: the ways to run it, in the order in which they are tried, each with its nodes in words. All have the
        same package, or the same image.
      how: builder, and patience.
      poll_secs: between two looks at what goes on in the cloud.
      told: hears of each job that is created.

    Raises:
      JobError: the cluster refuses it, or the image cannot be built.
      StorageError: the package cannot be uploaded.
    """
    first = submissions[0][1]
    if first.package is not None:
        path, is_new = package.publish(first.package, first.folder)
        _note(f"package: {'uploaded' if is_new else 'is there'}: {path}")
    if first.image is not None:
        built = _built(first, how, poll_secs)
        submissions = [(where, plan.with_image(each, built)) for where, each in submissions]
    attempts = [
        KubernetesAttempt(submission=each, where=where, patience_secs=how.fallback_secs) for where, each in submissions
    ]
    return AttemptedJob(attempts, told)


def _built(submission: Submission, how: SendingOptions, poll_secs: float) -> str:
    assert submission.image is not None and how.build is not None
    return images.built(
        submission.image_files,
        submission.image,
        how.build,
        project=submission.build_project,
        folder=submission.folder,
        endpoint=how.build_endpoint,
        poll_secs=poll_secs,
    )


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
