"""Cloud Build over REST: it builds the context of an image, which goes through a bucket, and pushes the image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from trainer import storage
from trainer.job.errors import JobError
from trainer.launch.packaging import build
from trainer.launch.vertex.rest import Rest

_DOCKER = "gcr.io/cloud-builders/docker"
_UNDER_WAY = ("STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING")
_LONGEST = "3600s"


def request(image: str, source: str) -> dict[str, Any]:
    """The body of `projects.builds.create`.

    Args:
      image: REGISTRY/NAME:TAG, which is pushed when it is built.
      source: gs://bucket/object of the context.
    """
    bucket, _, name = source.removeprefix("gs://").partition("/")
    return {
        "source": {"storageSource": {"bucket": bucket, "object": name}},
        "steps": [{"name": _DOCKER, "args": ["build", "--tag", image, "."]}],
        "images": [image],
        "tags": ["trainer"],
        "timeout": _LONGEST,
        "options": {"logging": "CLOUD_LOGGING_ONLY"},  # needs no bucket for logs
    }


def image_of(
    files: Mapping[str, bytes],
    image: str,
    *,
    rest: Rest,
    folder: str,
    stream: TextIO,
    wait: Callable[[], object],
) -> str:
    """Has the image built and pushed, and returns it by its digest.

    Args:
      files: the context.
      image: REGISTRY/NAME:TAG.
      rest: asks Cloud Build.
      folder: gs://bucket/folder for the context.
      stream: gets what changes.
      wait: waits until the next look.

    Raises:
      ServiceError: the service refuses it.
      JobError: the build failed.
      StorageError: the bucket cannot be written.
    """
    packed = build.packed(files)
    source = f"{folder.rstrip('/')}/image-{hashlib.sha256(packed).hexdigest()[:16]}.tar.gz"
    if not storage.exists(source):
        storage.write(source, packed)
    builds = f"v1/projects/{rest.at.project}/builds"
    made = rest.post(builds, request(image, source))["metadata"]["build"]
    print(f"build {made['id']} of {image}: {made.get('logUrl', '')}", file=stream, flush=True)
    now = made
    while now.get("status", "QUEUED") in _UNDER_WAY:
        wait()
        now, before = rest.get(f"{builds}/{made['id']}"), now
        if now.get("status") != before.get("status"):
            print(f"build {made['id']}: {str(now.get('status')).lower()}", file=stream, flush=True)
    if now["status"] != "SUCCESS":
        raise _failure(now)
    pushed = (now.get("results") or {}).get("images") or [{}]
    digest = pushed[0].get("digest")
    return build.at_digest(image, digest) if digest else image


def _failure(made: Mapping[str, Any]) -> JobError:
    detail = (made.get("failureInfo") or {}).get("detail") or made.get("statusDetail") or "no reason is given"
    got = f"Cloud Build ended with {made['status']}: {' '.join(str(detail).split())}"
    return JobError(got, None, f"Its log says more: {made.get('logUrl', 'gcloud builds log ' + str(made['id']))}")
