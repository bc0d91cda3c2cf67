"""The commit object: the file that says which files of a folder are whole, and whose turn it is to write them.

It is any text file that allows comments (TensorFlow's `checkpoint` is one) with one comment before it: who owns the
folder, and size and checksum of every file that the text names. Readers that know nothing of this see only their text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from trainer.storage.entry import Entry

_MARK = "# trainer: "


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What a file must be.

    Attributes:
      size: bytes.
      crc32c: base64.
    """

    size: int
    crc32c: str

    @classmethod
    def of(cls, entry: Entry) -> Stamp:
        """The stamp of an object as a listing shows it."""
        return cls(entry.size, entry.crc32c or "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Commit:
    """One state of a folder.

    Attributes:
      owner: token of the process whose turn it is; "" where another program wrote the file.
      files: stamps by relative name.
      text: what other programs read.
    """

    owner: str = ""
    files: Mapping[str, Stamp] = dataclasses.field(default_factory=dict)
    text: str = ""

    def render(self) -> bytes:
        """The content of the commit object."""
        files = {name: [stamp.size, stamp.crc32c] for name, stamp in sorted(self.files.items())}
        return f"{_MARK}{json.dumps({'owner': self.owner, 'files': files})}\n{self.text}".encode()

    def stamps(self, checkpoint: str) -> dict[str, Stamp]:
        """The stamps of one checkpoint's files."""
        return {name: stamp for name, stamp in self.files.items() if name.startswith(f"{checkpoint}.")}

    def undamaged(self, objects: Mapping[str, Entry]) -> dict[str, Entry]:
        """Those objects whose checkpoints are in the bucket as this commit says; all where nobody owned the folder.

        One file that is missing or differs spoils its whole checkpoint.

        Args:
          objects: files of checkpoints in the bucket, by relative name.
        """
        if not self.owner:
            return dict(objects)
        matching = {name for name, entry in objects.items() if self.files.get(name) == Stamp.of(entry)}
        damaged = {_checkpoint_of(name) for name in self.files if name not in matching}
        return {name: objects[name] for name in matching if _checkpoint_of(name) not in damaged}


def _checkpoint_of(file: str) -> str:
    """The checkpoint that a file belongs to: `x.index`, `x.data-00000-of-00001` and `x.manifest` belong to x."""
    return file.removesuffix(".index").removesuffix(".manifest").partition(".data-")[0]


def parse(content: bytes) -> Commit:
    """The commit in a file; one without owner and files where the comment is missing or is not ours."""
    text = content.decode("utf-8", errors="replace")
    first, _, rest = text.partition("\n")
    if not first.startswith(_MARK):
        return Commit(text=text)
    try:
        record = json.loads(first.removeprefix(_MARK))
        files = {name: Stamp(int(size), str(crc32c)) for name, (size, crc32c) in record["files"].items()}
        return Commit(owner=str(record["owner"]), files=files, text=rest)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Commit(text=text)
