"""`python -m trainer.launch package`: the source distribution that runners install, and a Dockerfile for images."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from trainer import storage
from trainer.job import flags
from trainer.job.config import setting
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.packaging import archive, dockerfile, problem_files
from trainer.launch.packaging.archive import Archive
from trainer.storage import checksums

USAGE = "python -m trainer.launch package [--flag=value ...] [-- flags of trainer.task]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """The source distribution of this package:"""  # the heading of --help

    directory: str = setting("dist", "local folder for it")
    source: str | None = setting(None, "the folder with setup.py; default: the source of this program")
    problem: str | None = setting(
        None,
        "a problem of your own to pack too: a Python file, or a module; may also stand after --",
    )
    bucket: str | None = setting(None, "gs://bucket/folder to upload it to, under a name made from its content")
    docker: bool = setting(False, "write a Dockerfile beside it")
    gpu: bool = setting(False, "a Dockerfile with CUDA")
    serve: bool = setting(False, "a Dockerfile of an image that can serve the model too (trainer.serve)")
    base_image: str = setting(dockerfile.BASE_IMAGE, "image that the Dockerfile begins with")

    def __post_init__(self) -> None:
        if self.bucket is not None and not self.bucket.startswith("gs://"):
            raise UsageError(f"--bucket={self.bucket}", "gs://bucket/folder", "Add gs://")
        for name in ("gpu", "serve"):
            if getattr(self, name) and not self.docker:
                raise UsageError(f"--{name} without --docker", "both", "Add --docker")


def main(argv: Sequence[str]) -> int:
    """Builds what was asked for and prints where it is."""
    own, task_argv = command_line.halves(argv)
    try:
        chosen = flags.parse(own, PackageOptions)[PackageOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(command_line.help_text(USAGE, PackageOptions)) from request
    root = pathlib.Path(chosen.source).expanduser() if chosen.source else archive.source_root()
    problem = problem_files.of(chosen.problem) if chosen.problem else problem_files.named_in(task_argv)
    built = archive.build(root, os.environ, problem.files if problem else None)
    folder = pathlib.Path(chosen.directory)
    _write(folder / built.file_name, built.content)
    print(f"{folder / built.file_name}: {len(built.files)} files, {len(built.content) // 1024 + 1} KB")
    print(f"sha256 {built.sha256}")
    if problem is not None:
        print(problem)
    if chosen.docker:
        module = problem.module if problem else None
        text = dockerfile.text(
            built.file_name, base_image=chosen.base_image, gpu=chosen.gpu, serve=chosen.serve, module=module
        )
        _write(folder / "Dockerfile", text.encode())
        print(f"{folder / 'Dockerfile'}: docker build --tag IMAGE {folder} && docker push IMAGE")
    if chosen.bucket is not None:
        path, is_new = publish(built, chosen.bucket)
        print(f"{path} {'uploaded' if is_new else 'was already there'}")
    return 0


def publish(built: Archive, folder: str) -> tuple[str, bool]:
    """Puts the archive below `folder` in a bucket, if the same is not there yet.

    Returns:
      Its path, and whether it was uploaded now.

    Raises:
      StorageError: the bucket cannot be written.
    """
    path = built.path_below(folder)
    there = storage.stat(path)
    if _is_same(there, built):
        return path, False
    try:
        storage.write(path, built.content, if_generation=there.generation if there else storage.ABSENT)
    except storage.ConflictError:  # another process has just uploaded it
        if not _is_same(storage.stat(path), built):
            raise
        return path, False
    return path, True


def _is_same(there: storage.Entry | None, built: Archive) -> bool:
    return there is not None and (there.size, there.crc32c) == (len(built.content), checksums.of_bytes(built.content))


def _write(path: pathlib.Path, content: bytes) -> None:
    """A new file takes the place of the old one as a whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", None, "Name another --directory") from error
