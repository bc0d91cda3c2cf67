"""An image of this source, built as `--build` says: by docker here, or by Cloud Build, for whatever runs it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping

from trainer.launch.packaging import build
from trainer.launch.packaging.build import Builder
from trainer.launch.vertex import cloud_build
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex.service import BUILD

_SOON_SECS = 5.0
_OF_GOOGLE = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev/([^/]+)/[^/]+/.+|(?:[a-z]+\.)?gcr\.io/([^/]+)/.+")


def project_of(image: str) -> str | None:
    """The project whose registry an image is in; None where it is in another one than Google's."""
    match = _OF_GOOGLE.fullmatch(image)
    return match and (match[1] or match[2])


def built(
    files: Mapping[str, bytes],
    image: str,
    builder: Builder,
    *,
    project: str,
    folder: str,
    endpoint: str | None,
    poll_secs: float,
) -> str:
    """Builds and pushes the image, and returns it by its digest.

    Args:
      files: the context.
      image: REGISTRY/NAME:TAG.
      builder: docker or the cloud.
      project: whose Cloud Build it is.
      folder: gs://bucket/folder, where Cloud Build finds the context.
      endpoint: another address of Cloud Build; None for its own.
      poll_secs: between two looks at the cloud's build, at most.

    Raises:
      UsageError: there is no docker, or no credentials.
      JobError: the build failed.
    """
    if builder is Builder.DOCKER:
        return build.with_docker(files, image, sys.stderr)
    at = vertex_service.location(project, "global", None).of(BUILD, endpoint)
    return cloud_build.image_of(
        files,
        image,
        rest=vertex_handle.open_client(at).rest,
        folder=folder,
        stream=sys.stderr,
        wait=lambda: time.sleep(min(poll_secs, _SOON_SECS)),
    )
