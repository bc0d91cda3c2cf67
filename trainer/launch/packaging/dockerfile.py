"""A Dockerfile for the package: what `package --docker` writes beside the archive."""

from __future__ import annotations

BASE_IMAGE = "python:3.12-slim-bookworm"


def text(archive_name: str, *, base_image: str = BASE_IMAGE, gpu: bool = False) -> str:
    """A Dockerfile that installs the archive, which is in the same folder, and runs one process of a job.

    Args:
      archive_name: the source distribution's file name.
      base_image: has Python 3.11 to 3.13 as `python`.
      gpu: with CUDA, in place of TensorFlow's CPU wheel; both hold the same package, so one has to go.
    """
    swap = ' && pip uninstall --yes tensorflow-cpu && pip install "tensorflow[and-cuda]>=2.21,<2.22"' if gpu else ""
    return f"""\
# One process of a training job: docker build --tag IMAGE . && docker push IMAGE
FROM {base_image}
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY {archive_name} /opt/
RUN pip install /opt/{archive_name}{swap}
RUN useradd --create-home --uid 1000 trainer
USER 1000
WORKDIR /home/trainer
# exec form: the process is number 1 and gets the runner's SIGTERM, after which it saves and exits with 143
ENTRYPOINT ["python", "-m", "trainer.task"]
"""
