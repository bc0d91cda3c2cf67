"""Directories with names that anyone may guess, in places that anyone may write to, as the one for temporary files.

Whoever makes such a directory first could read what is written there, or have it written elsewhere through a link. So
it has to be this user's own, and nobody else may write in it: then nothing below it can be anybody's trap.
"""

from __future__ import annotations

import os
import stat

from trainer.storage.errors import RefusedError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def claim(path: str, instead: str) -> None:
    """Makes a directory for this user alone, or takes the one that is there.

    Args:
      path: of it; the directory around it exists.
      instead: what to do where it is somebody else's, as a sentence.

    Raises:
      RefusedError: it is a link, no directory, another user's, or others may write in it.
    """
    try:
        os.mkdir(path, mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise RefusedError(f"Making {path} failed: {error.strerror}", None, instead) from error
    found = os.lstat(path)
    trouble = _trouble(found.st_mode, found.st_uid)
    if trouble is not None:
        raise RefusedError(f"{path} {trouble}", "a directory of this user's that nobody else may write to", instead)


def _trouble(mode: int, owner: int) -> str | None:
    """Why a directory is not safe to write to, in words; None where it is."""
    if stat.S_ISLNK(mode):
        return "is a link"
    if not stat.S_ISDIR(mode):
        return "is no directory"
    if owner != os.geteuid():
        return f"belongs to user {owner}"
    return "can be written by other users" if mode & _OTHERS_WRITE else None
