"""Paths as people write them: files, and objects as `gs://bucket/name`."""

from __future__ import annotations

import dataclasses
import os
import re

from trainer.job.layout import BUCKET_NAMES, SCHEME, is_bucket_name, is_remote, join, resolved
from trainer.storage.errors import PathError

__all__ = ["SCHEME", "is_remote", "join", "resolved"]  # facts of the job's layout
_MAGIC = re.compile(r"[*?\[]")
_MOST_BYTES, _MOST_SEGMENT_BYTES = 1024, 255


@dataclasses.dataclass(frozen=True)
class ObjectName:
    """An object, or a folder of objects, in a bucket.

    Attributes:
      bucket: its name.
      name: of the object; "" is the bucket itself.
    """

    bucket: str
    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.name}"


def parse(path: str) -> ObjectName:
    """The bucket and the object of a `gs://` path.

    Raises:
      PathError: not such a path, or names that no bucket or object can have.
    """
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not is_remote(path) or not is_bucket_name(bucket):
        shown = f"{SCHEME}…@{bucket.rpartition('@')[2]}" if "@" in bucket else path
        raise PathError(f"The path {shown!r}", f"gs://BUCKET/NAME, BUCKET being {BUCKET_NAMES}", "Change it")
    if len(name.encode("utf-8", "surrogatepass")) > _MOST_BYTES or any(char in name for char in "\0\r\n"):
        raise PathError(
            f"The object name {shortened(name)}",
            f"at most {_MOST_BYTES} bytes, without NUL and line ends",
            "Choose another name",
        )
    return ObjectName(bucket, name)


def is_pattern(path: str) -> bool:
    """Whether a path holds a character that means something in a glob."""
    return _MAGIC.search(path) is not None


def escaped(path: str) -> str:
    """A glob that names this path and no other."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def literal_part(pattern: str) -> str:
    """What every match of a glob begins with."""
    match = _MAGIC.search(pattern)
    return pattern if match is None else pattern[: match.start()]


def matcher(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*` and `?` stay within a folder, `**` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(special.get(part) or _literal_or_set(part) for part in parts), re.DOTALL)


def _literal_or_set(part: str) -> str:
    if len(part) < 3 or not (part.startswith("[") and part.endswith("]")):
        return re.escape(part)
    inside = part[1:-1].replace("\\", r"\\")
    return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"


def below(directory: str, name: str) -> str:
    """The local path of an object's relative name, which stays below `directory` whatever the name is.

    Raises:
      PathError: a name that is no plain relative path: `..`, an absolute one, a NUL, a backslash, a segment that is
        empty or too long for a file system.
    """
    for segment in name.split("/"):
        size = len(segment.encode("utf-8", "surrogatepass"))
        if segment in ("", ".", "..") or size > _MOST_SEGMENT_BYTES or any(char in segment for char in "\0\\"):
            raise PathError(
                f"The object name {shortened(name)} cannot be a file below {directory}",
                f"relative names without '..', '\\' and NUL, of at most {_MOST_SEGMENT_BYTES} bytes a segment",
                "Rename that object, or copy the others one by one",
            )
    return os.path.join(directory, *name.split("/"))


def shortened(name: str) -> str:
    """A name as a message shows it."""
    return repr(name if len(name) <= 80 else f"{name[:60]}…{name[-19:]}")
