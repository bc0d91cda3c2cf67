"""The file of predictions: written under a hidden name, and seen when it is whole."""

from __future__ import annotations

import gzip
import os
import tempfile
import uuid
from types import TracebackType
from typing import BinaryIO

from trainer import storage
from trainer.job.errors import UsageError

_GZIP_LEVEL = 4  # half the time of the default for a tenth more bytes


class OutputFile:
    """A file in the making. Left by an exception, or without `publish`, it leaves nothing.

    Args:
      path: local or in a bucket; compressed where it ends in `.gz`.
      overwrite: whether what is there may be replaced.

    Raises:
      UsageError: there is something already, or the folder cannot be written.
    """

    def __init__(self, path: str, *, overwrite: bool) -> None:
        self._path, self._overwrite = storage.resolved(path), overwrite
        if not overwrite and (storage.exists(self._path) or os.path.isdir(self._path)):
            raise _exists(path)
        self._hidden = self._new_name()
        try:
            self._raw: BinaryIO = open(self._hidden, "xb")  # noqa: SIM115  (closed by `__exit__`)
        except OSError as error:
            got = f"--output={path}: {error.strerror}"
            raise UsageError(got, "a path in a directory that can be written", "Change it") from error
        self._file: BinaryIO = self._raw
        if path.endswith(".gz"):
            self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=_GZIP_LEVEL, mtime=0)  # type: ignore[assignment]

    def _new_name(self) -> str:
        if storage.is_remote(self._path):
            return os.path.join(tempfile.gettempdir(), f"trainer-predict-{uuid.uuid4().hex}")
        folder, name = os.path.split(os.path.abspath(self._path))
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            got = f"--output={self._path}: {error.strerror}"
            raise UsageError(got, "a path in a folder that can be made", "Change it") from error
        return os.path.join(folder, f".{name}.{uuid.uuid4().hex}")

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()
        if os.path.exists(self._hidden):
            os.unlink(self._hidden)

    def write(self, data: bytes) -> None:
        """Adds to the end."""
        self._file.write(data)

    def publish(self) -> None:
        """Makes the file seen, whole.

        Raises:
          UsageError: somebody else has written there meanwhile.
        """
        if self._file is not self._raw:
            self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        if storage.is_remote(self._path):
            generation = None if self._overwrite else storage.ABSENT
            try:
                storage.upload(self._hidden, self._path, if_generation=generation)
            except storage.ConflictError as error:
                raise _exists(self._path) from error
        elif self._overwrite:
            os.replace(self._hidden, self._path)
        else:
            self._link()

    def _link(self) -> None:
        """Publishes only where there is nothing, even if another process does the same now."""
        try:
            os.link(self._hidden, self._path)
        except FileExistsError as error:
            raise _exists(self._path) from error
        except OSError:  # a file system without links
            if os.path.exists(self._path):
                raise _exists(self._path) from None
            os.replace(self._hidden, self._path)


def _exists(path: str) -> UsageError:
    return UsageError(f"--output={path} is there already", "a new file", "Name another one, or add --overwrite")
