"""One upload to a folder of a bucket, as a record that outlives the process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass(frozen=True)
class File:
    """One file, with the content that it has when its turn comes.

    Attributes:
      name: relative to the folder.
    """

    name: str

    @property
    def key(self) -> str:
        """What another upload that replaces this one has in common with it."""
        return f"file {self.name}"


@dataclasses.dataclass(frozen=True)
class Tree:
    """A directory of files that becomes visible with its last one; the local copy is deleted afterwards.

    Attributes:
      name: of the directory, relative to the folder.
      last: relative name of the file that readers look for.
    """

    name: str
    last: str

    @property
    def key(self) -> str:
        """What another upload that replaces this one has in common with it."""
        return f"tree {self.name}"


@dataclasses.dataclass(frozen=True)
class Removal:
    """An object, or all below a folder, to be deleted.

    Attributes:
      name: relative to the folder.
      first: relative name of what is deleted before the rest, so that readers see none of it; "" for one object.
    """

    name: str
    first: str = ""

    @property
    def key(self) -> str:
        """What another upload that replaces this one has in common with it."""
        return f"file {self.name}"


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """A state of the folder's checkpoints: new files first, then the commit object that names them.

    Attributes:
      text: of the commit object.
      files: all that the text stands for; those that are not in the bucket yet are uploaded.
      newest: what the last one is called, for the log.
    """

    text: str
    files: tuple[str, ...]
    newest: str

    @property
    def key(self) -> str:
        """What another upload that replaces this one has in common with it."""
        return "checkpoints"


Upload = File | Tree | Removal | Checkpoints
_KINDS = {kind.__name__: kind for kind in (File, Tree, Removal, Checkpoints)}


def dumps(uploads: Iterable[Upload]) -> str:
    """As JSON."""
    return json.dumps([{"kind": type(item).__name__, **dataclasses.asdict(item)} for item in uploads])


def loads(text: str) -> list[Upload]:
    """Raises ValueError, KeyError or TypeError where the record is damaged."""
    return [_loaded(dict(record)) for record in json.loads(text)]


def _loaded(record: dict[str, Any]) -> Upload:
    kind: Any = _KINDS[record.pop("kind")]
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in record.items()})
