"""Errors of the machine rather than of the job: a full disk, no memory, no open files left, in words of ours.

They come as the system's own errors, as those of storage, and as TensorFlow's, which keep the system's words only.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import os
import re
from collections.abc import Iterator

_MOST_CAUSES = 10
_FILE_OPS = re.compile(r"(?:^|[\s:])(\S*/\S+); ")
"""TensorFlow writes `path; No space left on device`."""


class Kind(enum.Enum):
    """What the machine lacks: in words, what to do about it, and whether it may pass while the job continues."""

    FULL = "no room is left on the disk", "Make room there", True
    QUOTA = "the quota of the disk is used up", "Make room there, or have the quota raised", True
    TOO_LARGE = "the file is larger than its limit", "Raise the limit on file sizes (ulimit -f)", True
    READ_ONLY = "its file system is read-only", "Mount it for writing, or choose another directory", True
    PERMISSION = "there is no permission any more", "Give this user the permission to write there", True
    FILES = "too many files are open", "Raise the limit on open files (ulimit -n)", True
    GONE = "the directory is gone", "Find out what deletes it, or choose another directory", True
    DEVICE = "the disk or the network behind it fails", "Look at the disk (dmesg), or choose another directory", True
    MEMORY = "there is no memory left", "Lower the batch size, or take a machine with more memory", False
    THREADS = "no thread can be started", "Raise the limit on processes (ulimit -u)", False

    @property
    def words(self) -> str:
        """What is the matter."""
        return self.value[0]

    @property
    def do(self) -> str:
        """What a person can do about it."""
        return self.value[1]

    @property
    def passes(self) -> bool:
        """Whether a training that cannot save now may be able to later."""
        return self.value[2]


_BY_ERRNO = {
    errno.ENOSPC: Kind.FULL,
    errno.EDQUOT: Kind.QUOTA,
    errno.EFBIG: Kind.TOO_LARGE,
    errno.EROFS: Kind.READ_ONLY,
    errno.EACCES: Kind.PERMISSION,
    errno.EPERM: Kind.PERMISSION,
    errno.EMFILE: Kind.FILES,
    errno.ENFILE: Kind.FILES,
    errno.ENOENT: Kind.GONE,
    errno.ESTALE: Kind.GONE,
    errno.EIO: Kind.DEVICE,
    errno.ENOMEM: Kind.MEMORY,
}
_OF_A_DISK = frozenset({Kind.FULL, Kind.QUOTA, Kind.READ_ONLY})
_OF_THE_JOB = frozenset({Kind.GONE, Kind.PERMISSION, Kind.READ_ONLY})
_BY_WORDS = {os.strerror(number): kind for number, kind in _BY_ERRNO.items()} | {
    "OOM when allocating": Kind.MEMORY,
    "Out of memory": Kind.MEMORY,
    "failed to allocate": Kind.MEMORY,
    "bad_alloc": Kind.MEMORY,
    "can't start new thread": Kind.THREADS,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trouble:
    """What the machine lacks, and where.

    Attributes:
      kind: what it lacks.
      path: of the file or directory; None where it is none, or is not known.
    """

    kind: Kind
    path: str | None

    def __str__(self) -> str:
        if self.path is None:
            return self.kind.words[0].upper() + self.kind.words[1:]
        return f"{os.path.dirname(self.path) if self.kind in _OF_A_DISK else self.path}: {self.kind.words}"


def of(error: BaseException, directory: str) -> Trouble | None:
    """The trouble of the machine behind an error; None where it is another fault.

    Args:
      error: with those that caused it.
      directory: of the job. What is missing or forbidden elsewhere is a fault of the program, or of its settings.
    """
    for cause in _causes(error):
        kind, path = kind_of(cause), _path(cause)
        if kind is not None and (kind not in _OF_THE_JOB or _is_below(path, directory)):
            return Trouble(kind=kind, path=path)
    return None


def _is_below(path: str | None, directory: str) -> bool:
    return path is not None and f"{os.path.abspath(path)}/".startswith(f"{os.path.abspath(directory)}/")


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def kind_of(error: BaseException) -> Kind | None:
    """What an error says that the machine lacks, its causes apart; None where it says something else."""
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        return _BY_ERRNO.get(error.errno or 0)
    if isinstance(error, MemoryError):
        return Kind.MEMORY
    # TensorFlow's errors, which are not imported here, have the op that failed; threads fail with a plain RuntimeError.
    if hasattr(error, "error_code") or type(error) is RuntimeError:
        text = str(error)
        return next((kind for words, kind in _BY_WORDS.items() if words in text), None)
    return None


def _path(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    match = _FILE_OPS.search(str(error))
    return match[1] if match else None
