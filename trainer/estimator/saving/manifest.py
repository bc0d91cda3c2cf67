"""The manifest of a checkpoint: size and checksum of each of its files, in a file beside them that is written last.

    model.ckpt-100.manifest    {"crc32c": "…",                                         of the rest of this file
                                "manifest": {"facts": {…},                             whatever a run notes
                                             "files": {"model.ckpt-100.index": [312, "yZRlqg=="], …}}}

The files are made durable before it, so that a loss of power cannot leave a manifest of bytes that are not there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.estimator.saving.state_file import write_whole
from trainer.storage import checksums
from trainer.storage.commits import Stamp

SUFFIX = ".manifest"
_MOST_BYTES = 16 << 20
_SAVED = re.compile(r"\.(index|data-\d+-of-\d+)$")


class DamagedManifestError(ValueError):
    """What a manifest says cannot be believed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What belongs to one checkpoint.

    Attributes:
      files: stamps by the names of files, without their directory.
      facts: what the run noted about itself, as JSON holds it; by a key for each who notes something.
    """

    files: Mapping[str, Stamp]
    facts: Mapping[str, Any]

    def render(self) -> bytes:
        """The content of its file."""
        files = {name: [stamp.size, stamp.crc32c] for name, stamp in self.files.items()}
        body = {"facts": self.facts, "files": files}
        record = {"crc32c": checksums.of_bytes(_canonical(body)), "manifest": body}
        return json.dumps(record, indent=1, sort_keys=True).encode()

    def mismatches(self, stamps: Mapping[str, Stamp]) -> Iterator[str]:
        """What differs from files as they are, in words: a file and what it is instead.

        Args:
          stamps: of the files that are there; one whose checksum is "" is compared by its size alone.
        """
        for name, saved in sorted(self.files.items()):
            found = stamps.get(name)
            if found is None:
                yield f"{name} is missing"
            elif found.size != saved.size:
                yield f"{name} has {found.size:,} bytes, where {saved.size:,} were saved"
            elif found.crc32c not in ("", saved.crc32c):
                yield f"{name} has the checksum {found.crc32c}, where {saved.crc32c} was saved"


def parse(content: bytes) -> Manifest:
    """The manifest in the content of a file.

    Raises:
      DamagedManifestError: it is not as it was written.
    """
    try:
        record = json.loads(content)
        body = record["manifest"]
        if record["crc32c"] != checksums.of_bytes(_canonical(body)):
            raise DamagedManifestError("it has another checksum than was saved")
        files = {str(name): Stamp(int(size), str(crc32c)) for name, (size, crc32c) in body["files"].items()}
        return Manifest(files=files, facts=dict(body["facts"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedManifestError("it is not as it was written") from error


def _canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def write(prefix: str, facts: Mapping[str, Any]) -> None:
    """Makes the files of a local checkpoint durable, and writes its manifest.

    Args:
      prefix: of the files.
      facts: to note, as JSON can hold them.
    """
    stamps = {}
    for file in files(prefix):
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
        stamps[os.path.basename(file)] = Stamp(os.path.getsize(file), checksums.of_file(file))
    write_whole(Path(f"{prefix}{SUFFIX}"), Manifest(files=stamps, facts=facts).render())


def files(prefix: str) -> list[str]:
    """The paths of the files of a local checkpoint that TensorFlow wrote, sorted."""
    directory, base = os.path.split(prefix)
    names = sorted(os.listdir(directory or "."))
    return [
        os.path.join(directory, name)
        for name in names
        if name.startswith(f"{base}.") and _SAVED.fullmatch(name, len(base))
    ]


def read(prefix: str) -> Manifest | None:
    """The manifest of a local checkpoint; None where it has none, as those of tf.estimator.

    Raises:
      DamagedManifestError: it is not as it was written.
    """
    try:
        with open(f"{prefix}{SUFFIX}", "rb") as stream:
            return parse(stream.read(_MOST_BYTES))
    except FileNotFoundError:
        return None


def facts(prefix: str) -> Mapping[str, Any]:
    """What the run that wrote a local checkpoint noted; empty where it has no manifest.

    Raises:
      DamagedManifestError: the manifest is not as it was written.
    """
    found = read(prefix)
    return {} if found is None else found.facts
