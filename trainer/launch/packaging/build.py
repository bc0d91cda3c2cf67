"""An image of this source in one step: the archive and its Dockerfile become an image that is pushed.

By docker on this machine; launch/vertex/cloud_build.py has Cloud Build do it, from the same context.
"""

from __future__ import annotations

import enum
import gzip
import io
import pathlib
import platform
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from typing import TextIO

from trainer.job.errors import JobError, UsageError
from trainer.launch.packaging import archive, dockerfile
from trainer.launch.packaging.archive import DEFAULT_EPOCH, Archive
from trainer.launch.packaging.problem_files import PackedProblem

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class Builder(enum.Enum):
    DOCKER = "docker"
    CLOUD = "cloud"


def context(
    environ: Mapping[str, str], problem: PackedProblem | None, *, gpu: bool = False, serve: bool = False
) -> dict[str, bytes]:
    """The files of an image of this source: the archive, and a Dockerfile.

    Args:
      environ: SOURCE_DATE_EPOCH is the time of every file.
      problem: the person's own, packed too and trained where flags name none.
      gpu: with CUDA.
      serve: with what `trainer.serve` needs.
    """
    built: Archive = archive.build(archive.source_root(), environ, problem.files if problem else None)
    module = problem.module if problem else None
    text = dockerfile.text(built.file_name, gpu=gpu, serve=serve, module=module)
    return {built.file_name: built.content, "Dockerfile": text.encode()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """The context as one .tar.gz, the same bytes for the same files."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), DEFAULT_EPOCH
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def with_docker(files: Mapping[str, bytes], image: str, stream: TextIO, program: str = "docker") -> str:
    """Builds and pushes with docker, and returns the image by its digest, which nobody can change under its tag.

    Args:
      files: the context.
      image: REGISTRY/NAME:TAG.
      stream: gets what docker says.
      program: docker's name or path; podman takes the same words.

    Raises:
      UsageError: there is no docker.
      JobError: it failed, which its last lines say.
    """
    with tempfile.TemporaryDirectory(prefix="trainer-build-") as directory:
        for name, content in files.items():
            pathlib.Path(directory, name).write_bytes(content)
        _run([program, "build", *_for_servers(platform.machine()), "--tag", image, directory], stream)
    pushed = _run([program, "push", image], stream)
    digest = _DIGEST.search(pushed)
    return at_digest(image, digest[1]) if digest else image


def _for_servers(machine: str) -> list[str]:
    """docker's flag by which a machine with another processor builds for those of clusters, as Macs with M chips do."""
    return [] if machine.lower() in ("x86_64", "amd64") else ["--platform=linux/amd64"]


def at_digest(image: str, digest: str) -> str:
    """The image by its digest instead of its tag."""
    head, slash, last = image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{digest}"


def _run(argv: list[str], stream: TextIO) -> str:
    """Runs docker, whose lines are passed on as they come, and returns all of them."""
    try:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    except OSError as error:
        do = "Install docker, or have the cloud build it (--build=cloud)"
        raise UsageError(f"{argv[0]} cannot be run: {error.strerror}", "docker in PATH", do) from error
    said: list[str] = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            stream.write(f"{argv[0]} | {line}")
            stream.flush()
    if process.returncode:
        last = " ".join("".join(said[-3:]).split()) or f"exit code {process.returncode}"
        do = "Correct it and submit again; `gcloud auth configure-docker HOST` lets docker push to Artifact Registry"
        raise JobError(f"{argv[0]} {argv[1]} failed: {last}", None, do)
    return "".join(said)
