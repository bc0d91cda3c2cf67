"""A folder in a bucket together with the local directory that stands for it."""

from __future__ import annotations

import dataclasses
import os

from trainer.storage import paths


@dataclasses.dataclass(frozen=True)
class Folder:
    """Names a file on both sides by one relative name, whose parts are separated by slashes.

    Attributes:
      url: of the folder, without a slash at its end.
      directory: the local one.
    """

    url: str
    directory: str

    def local(self, name: str) -> str:
        """Path of the local file."""
        return os.path.join(self.directory, *name.split("/"))

    def remote(self, name: str) -> str:
        """Path of the object."""
        return paths.join(self.url, name)

    def name_of(self, path: str) -> str:
        """The relative name of an object or of a local file."""
        if paths.is_remote(path):
            return path.removeprefix(f"{self.url}/")
        return os.path.relpath(path, self.directory).replace(os.sep, "/")
