"""Folders on this machine that one process fills and others use: by a key, seen whole or not at all, of bounded size.

    <root>/<key>      whole: the processes that use it hold a shared lock on it, so that none is deleted under them
    <root>/.<key>     being filled by the process that holds an exclusive lock on it; left over where nobody does

What was not used for the longest time is deleted where a new folder would not fit otherwise.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import weakref

from trainer.storage import own_directory

_FREE_SHARE = 0.1
"""Of a disk, which stays free."""
_IN_MEMORY = ("tmpfs", "ramfs")


class KeptFolder:
    """A folder that is whole, and stays there as long as this object.

    Args:
      path: of it.
      lock: number of the open directory that holds its lock.
    """

    def __init__(self, path: pathlib.Path, lock: int) -> None:
        self.path = path
        self._close = weakref.finalize(self, os.close, lock)

    def discard(self) -> None:
        """Deletes it, whoever uses it: it is damaged."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._close()


class UnfinishedFolder:
    """A folder that this process fills.

    Args:
      path: where files are written.
      target: where it will be.
      lock: number of the open directory that holds its lock.
    """

    def __init__(self, path: pathlib.Path, target: pathlib.Path, lock: int) -> None:
        self.path, self._target, self._lock = path, target, lock

    def publish(self) -> KeptFolder:
        """Makes it seen, whole."""
        os.rename(self.path, self._target)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        return KeptFolder(self._target, self._lock)

    def abandon(self) -> None:
        """Deletes what was written."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


class KeptFolders:
    """The folders of one kind.

    Args:
      root: their directory, which is this user's own; it is made if need be.
      most_bytes: that they may take together.

    Raises:
      RefusedError: the root is not this user's own.
      OSError: it cannot be made.
    """

    def __init__(self, root: pathlib.Path, most_bytes: int) -> None:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (root.parent, root):
            own_directory.claim(str(path), "Set TRAINER_SCRATCH to a directory of your own")
        self._root, self._most_bytes = root, most_bytes

    def find(self, key: str) -> KeptFolder | None:
        """The folder of a key, used now; None where there is none."""
        path = self._root / key
        lock = _locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if lock is None:
            return None
        os.utime(path)
        return KeptFolder(path, lock)

    def await_other(self, key: str) -> KeptFolder | None:
        """As `find`, once the process that is filling the folder, if one is, has ended that."""
        lock = _locked(self._root / f".{key}", fcntl.LOCK_SH)
        if lock is not None:
            os.close(lock)
        return self.find(key)

    def fill(self, key: str, size: int) -> UnfinishedFolder | None:
        """A new folder to fill; None where another process is filling it, or has.

        Args:
          key: of the folder.
          size: bytes that it will take.

        Raises:
          OSError: there is no room for it, even without all those that nobody uses.
        """
        hidden = self._root / f".{key}"
        hidden.mkdir(mode=0o700, exist_ok=True)
        lock = _locked(hidden, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock is None:
            return None
        if (self._root / key).exists():  # since the caller looked for it
            shutil.rmtree(hidden)
            os.close(lock)
            return None
        try:
            for path in hidden.iterdir():  # of a process that did not come to its end
                path.unlink()
            self._make_room(size)
        except OSError:
            shutil.rmtree(hidden, ignore_errors=True)
            os.close(lock)
            raise
        return UnfinishedFolder(hidden, self._root / key, lock)

    def _make_room(self, size: int) -> None:
        if _is_in_memory(self._root):
            raise OSError(f"{self._root} lies in memory")
        for left_over in self._root.glob(".*"):
            _delete_unused(left_over)
        folders = sorted(self._root.iterdir(), key=lambda path: path.stat().st_mtime)
        while (trouble := self._trouble(size)) and folders:
            _delete_unused(folders.pop(0))
        if trouble:
            raise OSError(trouble)

    def _trouble(self, size: int) -> str | None:
        """Why so many bytes do not fit; None where they do."""
        disk = shutil.disk_usage(self._root)
        if disk.free - size < disk.total * _FREE_SHARE:
            return f"{disk.free / 1e9:.1f} GB of the disk are free, of which a tenth of it stays free"
        taken = sum(path.stat().st_size for path in self._root.rglob("*") if path.is_file())
        if taken + size > self._most_bytes:
            return f"there may be {self._most_bytes / 1e9:.1f} GB of them, and others in use take {taken / 1e9:.1f}"
        return None


def _locked(path: pathlib.Path, kind: int) -> int | None:
    """The number of an open directory that is locked; None where it is not there, or held by others."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, kind)
        if os.path.samestat(os.fstat(lock), os.stat(path)):  # not deleted or published meanwhile
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _delete_unused(path: pathlib.Path) -> None:
    """Deletes a folder that no process holds; nobody begins to use it meanwhile."""
    lock = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if lock is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _is_in_memory(path: pathlib.Path) -> bool:
    """Whether files there take memory instead of a disk's space; False where that is not known."""
    try:
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return False
    whole = path.resolve()
    around = [(len(mount[1]), mount[2]) for mount in mounts if whole.is_relative_to(mount[1])]
    return bool(around) and max(around)[1] in _IN_MEMORY
