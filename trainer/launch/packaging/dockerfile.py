"""A Dockerfile for the package: what `package --docker` writes beside the archive."""

from __future__ import annotations

import json

BASE_IMAGE = "python:3.12-slim-bookworm"


def text(
    archive_name: str,
    *,
    base_image: str = BASE_IMAGE,
    gpu: bool = False,
    serve: bool = False,
    module: str | None = None,
) -> str:
    """A Dockerfile that installs the archive, which lies beside it, and runs one process of a job.

    Args:
      archive_name: the source distribution's file name.
      base_image: has Python 3.11 to 3.13 as `python`.
      gpu: with CUDA.
      serve: with what `trainer.serve` needs, so that the image may serve the model too.
      module: the problem that is trained where the flags of a process name none; None for the package's default.
    """
    # Without a GPU TensorFlow's wheel for CPUs does, a third of the size. Another image may have the other one, beside
    # which it must not be installed: that image's own is left alone.
    small = "ENV TRAINER_TENSORFLOW=tensorflow-cpu\n" if base_image == BASE_IMAGE and not gpu else ""
    extras = ",".join(name for name, is_asked in (("gpu", gpu), ("serve", serve)) if is_asked)
    extra = f"[{extras}]" if extras else ""
    command = ["python", "-m", "trainer.task", *([f"--problem={module}"] if module else [])]
    return f"""\
# One process of a training job: docker build --tag IMAGE . && docker push IMAGE
FROM {base_image}
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
{small}COPY {archive_name} /opt/
RUN pip install "/opt/{archive_name}{extra}"
RUN useradd --create-home --uid 1000 trainer
USER 1000
WORKDIR /home/trainer
# exec form: the process is number 1 and gets the runner's SIGTERM, after which it saves and exits with 143
ENTRYPOINT {json.dumps(command)}
"""
