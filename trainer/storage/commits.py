"""The commit object: the file that says which files of a folder are whole, and whose turn it is to write them.

It is any text file that allows comments (TensorFlow's `checkpoint` is one) with one comment before it: who owns the
folder, and size and checksum of every file that the text names. Readers that know nothing of this see only their text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

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
        files = {name: [stamp.size, stamp.crc32c] for name, stamp in sorted(self.files.items())}
        return f"{_MARK}{json.dumps({'owner': self.owner, 'files': files})}\n{self.text}".encode()


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
