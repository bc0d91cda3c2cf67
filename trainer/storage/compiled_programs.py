"""Programs that XLA compiled for the CPU of this machine, kept so that the next process need not compile them again.

TensorFlow writes and reads them, and compares the whole program before it takes one. It does not see damage in the
machine code, nor for what processor that was made. So each kind of machine and of TensorFlow has a folder, which this
user alone may write to; each program has a checksum beside it; and a process begins by deleting whatever does not match
its own::

    <scratch>/compiled-programs/<machine>/xla_compile_cache__….pb            a program
                                          xla_compile_cache__….pb.crc32c     its checksum, written after it
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Iterator, Mapping, MutableMapping

from trainer.storage import checksums, own_directory, scratch
from trainer.storage.errors import StorageError

FOLDER = "compiled-programs"
"""Part of the path of every program, by which an error of writing one is known."""
VARIABLE = "TF_XLA_FLAGS"
_DIRECTORY_FLAG = "--tf_xla_persistent_cache_directory="
_PROGRAM, _CHECKSUM = ".pb", ".crc32c"
_UNFINISHED_SECS = 3600.0
_MOST_BYTES = 64 << 20
_LEAST_FREE_BYTES = 1 << 30
"""TensorFlow ends a call with an error where it cannot write what it compiled."""

log = logging.getLogger("trainer")


class CompiledPrograms:
    """The programs in a directory that is this user's own.

    Args:
      directory: of one kind of machine.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._seen_at = 0

    def clean(self) -> None:
        """Deletes what is damaged, or was not finished, and then the oldest of what is too much."""
        left = _MOST_BYTES
        for path, found in sorted(self._files(), key=lambda each: -each[1].st_mtime):
            with contextlib.suppress(FileNotFoundError):  # others may clean at the same time
                if path.suffix == _PROGRAM:
                    left -= found.st_size
                    if left < 0 or not _is_whole(path):
                        path.unlink()
                elif not path.with_suffix("").exists() and time.time() - found.st_mtime > _UNFINISHED_SECS:
                    path.unlink()  # a checksum alone, or what a process did not live to rename

    def _files(self) -> Iterator[tuple[pathlib.Path, os.stat_result]]:
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()

    def seal(self) -> None:
        """Writes the checksums of programs that have none. Called often, it takes next to no time."""
        try:
            changed_at = self._directory.stat().st_mtime_ns
            if changed_at == self._seen_at:
                return
            for path in self._directory.glob(f"*{_PROGRAM}"):
                if not _checksum_file(path).exists():
                    hidden = path.with_name(f"{path.name}.{os.getpid()}")
                    hidden.write_text(checksums.of_file(str(path)))
                    hidden.replace(_checksum_file(path))
            self._seen_at = changed_at
        except OSError as error:  # what has no checksum is compiled again
            log.debug("Compiled programs in %s are not kept: %s", self._directory, error)


def opened(environ: MutableMapping[str, str]) -> CompiledPrograms | None:
    """Has TensorFlow keep programs, and use those kept before; to be called before it compiles any.

    Args:
      environ: of the process; gets a flag. One that names a directory already is left as it is.

    Returns:
      The programs; None where they are not kept: where there is no safe place or little room for them, where there is a
      GPU, and where the processor is not known.
    """
    machine = _machine(environ)
    if _DIRECTORY_FLAG in environ.get(VARIABLE, "") or machine is None or os.path.exists("/dev/nvidiactl"):
        return None
    directory = pathlib.Path(scratch.root(environ), FOLDER, machine)
    try:
        directory.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (directory.parent.parent, directory.parent, directory):
            own_directory.claim(str(path), "")
        programs = CompiledPrograms(directory)
        programs.clean()
        if shutil.disk_usage(directory).free < _LEAST_FREE_BYTES:
            return None
    except (OSError, StorageError) as error:
        log.debug("XLA's programs are not kept: %s", error)
        return None
    given = environ.get(VARIABLE, "")
    environ[VARIABLE] = f"{given} {_DIRECTORY_FLAG}{directory} --tf_xla_persistent_cache_device_types=CPU".strip()
    return programs


def in_use(environ: Mapping[str, str]) -> CompiledPrograms | None:
    """Those that were opened in this environment; None where none were."""
    for flag in environ.get(VARIABLE, "").split():
        if flag.startswith(_DIRECTORY_FLAG) and FOLDER in pathlib.Path(flag).parts:
            return CompiledPrograms(pathlib.Path(flag.removeprefix(_DIRECTORY_FLAG)))
    return None


def _machine(environ: Mapping[str, str]) -> str | None:
    """A digest of all that machine code depends on beside the program; None where the processor is not known."""
    with contextlib.suppress(OSError):
        fields = (line.partition(":") for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines())
        processor = {name.strip(): value for name, _, value in fields if name.strip() in ("model name", "flags")}
        library = importlib.util.find_spec("tensorflow")
        if "flags" in processor and library is not None and library.origin is not None:
            facts = [
                sorted(processor.items()),
                len(os.sched_getaffinity(0)),  # loops are divided among so many threads
                os.stat(library.origin).st_mtime_ns,
                [environ.get(name, "") for name in ("XLA_FLAGS", VARIABLE)],
            ]
            return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    return None


def _is_whole(path: pathlib.Path) -> bool:
    """Whether a program is as it was when its checksum was written. Raises FileNotFoundError where there is none."""
    checksum = _checksum_file(path)
    return checksum.exists() and checksum.read_bytes() == checksums.of_file(str(path)).encode()


def _checksum_file(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + _CHECKSUM)
