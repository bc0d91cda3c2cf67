"""Local directories that stand for folders in buckets: the same one for the same folder, and for one process at a time.

A process that ends, however it ends, leaves its directory to the next one on this machine that does the same work,
with whatever it could not upload.
"""

from __future__ import annotations

import dataclasses
import fcntl
import getpass
import hashlib
import itertools
import os
import re
import tempfile
import time
from collections.abc import Mapping

from trainer.storage import own_directory

VARIABLE = "TRAINER_SCRATCH"
_INSTEAD = f"Set {VARIABLE} to a directory of your own"


@dataclasses.dataclass(frozen=True)
class Scratch:
    """A directory held by this process.

    Attributes:
      directory: its path.
      lock: number of the open file whose lock holds it.
    """

    directory: str
    lock: int

    def release(self) -> None:
        """Leaves the directory to the next process."""
        os.close(self.lock)

    def set_aside(self) -> str:
        """Moves what is in it out of the way, and returns where it is now."""
        aside = f"{self.directory}-superseded-{time.time_ns()}"
        os.rename(self.directory, aside)
        os.mkdir(self.directory, mode=0o700)
        return aside


def root(environ: Mapping[str, str]) -> str:
    """Where scratch directories are: TRAINER_SCRATCH, else below the system's directory for temporary files."""
    return environ.get(VARIABLE) or os.path.join(tempfile.gettempdir(), f"trainer-scratch-{_user()}")


def _user() -> str:
    """The user's name; the number in a container that has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def claim(root_dir: str, url: str, role: str) -> Scratch:
    """The first directory for a folder and a role that no other process holds; made if need be.

    Args:
      root_dir: of all scratch directories.
      url: of the folder.
      role: of this process; those of one role take up what another left.

    Raises:
      RefusedError: what is there is not this user's.
    """
    readable = re.sub(r"[^\w.-]+", "-", url.removeprefix("gs://")).strip("-")[-60:]
    folder = os.path.join(root_dir, f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}")
    if os.path.dirname(root_dir) == tempfile.gettempdir():  # where anyone may have made it
        own_directory.claim(root_dir, _INSTEAD)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for number in itertools.count():
        directory = os.path.join(folder, f"{role}-{number}")
        lock = os.open(f"{directory}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return Scratch(directory, lock)
    raise AssertionError("numbers have no end")
