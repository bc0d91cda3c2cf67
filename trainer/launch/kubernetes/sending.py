"""Sends a checked job to a cluster: its package first, and a second try without spot nodes where these are short."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from trainer.launch.kubernetes import plan
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.plan import Submission
from trainer.launch.packaging import build, package

_GONE_POLL_SECS = 1.0


def send(submission: Submission) -> KubernetesJob:
    """Uploads the package or builds the image where there is one to be made, and creates the job.

    Raises:
      JobError: the cluster refuses it, or the image cannot be built.
      StorageError: the package cannot be uploaded.
    """
    if submission.package is not None:
        path, is_new = package.publish(submission.package, submission.folder)
        _note(f"package: {'uploaded' if is_new else 'is there'}: {path}")
    documents = submission.manifests
    if submission.image is not None:
        built = build.with_docker(submission.image_files, submission.image, sys.stderr)
        documents = plan.with_image(documents, submission.image, built)
    client = Kubectl(context=submission.context)
    return KubernetesJob(client, client.create(documents, submission.namespace))


def send_and_follow(
    submission: Submission,
    *,
    wait: bool,
    poll_secs: float,
    patience_secs: float | None = None,
    otherwise: Callable[[], Submission] | None = None,
) -> int:
    """Sends it and says how to look at it; with `wait` the exit code is the job's.

    Args:
      submission: checked.
      wait: whether to follow it.
      poll_secs: between two looks.
      patience_secs: how long its pods may wait for nodes; None for ever.
      otherwise: what is sent instead, after that.
    """
    job = send(submission)
    print(job.name, flush=True)
    for hint in job.hints:
        _note(hint)
    if not wait:
        return 0
    code = job.wait(poll_secs=poll_secs, patience_secs=patience_secs if otherwise else None)
    if code is not None or otherwise is None:
        return 1 if code is None else code
    _note(f"{job.name} found no nodes in {patience_secs:g} s, and is ended; next: the same on other nodes")
    job.cancel()
    # Two jobs must not write to one output directory.
    while job.has_pods:
        time.sleep(min(poll_secs, _GONE_POLL_SECS))
    return send_and_follow(otherwise(), wait=True, poll_secs=poll_secs)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
