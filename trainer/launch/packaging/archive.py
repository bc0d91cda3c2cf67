"""The source distribution of this package, with the person's problem in it: the same files, the same bytes.

Nothing of when, where and by whom it was built gets in (https://reproducible-builds.org/docs/archives): names are
sorted, owners are nobody, modes and times fixed. So its hash names it, and an unchanged package is uploaded once.
"""

from __future__ import annotations

import ast
import dataclasses
import gzip
import hashlib
import io
import pathlib
import re
import tarfile
from collections.abc import Iterator, Mapping

from trainer.job.errors import DataError, UsageError

# Zip files, which wheels are, begin with 1980; a day later, so that no time zone leads before it.
DEFAULT_EPOCH = 315619200
_AT_ROOT = ("setup.py", "pyproject.toml", "README.md")
_PACKAGE = "trainer"
_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
_MOST_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archive:
    """A built source distribution.

    Attributes:
      file_name: `trainer-VERSION.tar.gz`, by which pip knows it.
      content: the bytes.
      files: names of what is in it, below its one folder.
    """

    file_name: str
    content: bytes
    files: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def path_below(self, folder: str) -> str:
        """Its place in a bucket: a folder named by its hash, since pip dictates the name of the file."""
        return f"{folder.rstrip('/')}/{self.sha256[:16]}/{self.file_name}"


def build(
    root: pathlib.Path, environ: Mapping[str, str], problem_files: Mapping[str, pathlib.Path] | None = None
) -> Archive:
    """Packs the source at `root`.

    Args:
      root: holds setup.py and trainer/.
      environ: SOURCE_DATE_EPOCH is the time of every file, in seconds since 1970.
      problem_files: those of a person's own problem, by their names in the archive.

    Raises:
      UsageError: there is no such source, or it cannot be packed.
      DataError: a file of it is not valid Python, which is found here before a machine is paid for.
    """
    files = _collected(root, problem_files or {})
    version = _version(files)
    head = f"{_PACKAGE}-{version}"
    files["PKG-INFO"] = f"Metadata-Version: 2.1\nName: {_PACKAGE}\nVersion: {version}\n".encode()
    epoch = _epoch(environ)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            tar.addfile(_member(f"{head}/{name}", len(files[name]), epoch), io.BytesIO(files[name]))
    return Archive(file_name=f"{head}.tar.gz", content=packed.getvalue(), files=tuple(sorted(files)))


def source_root() -> pathlib.Path:
    """The folder of the source that this very code was imported from; where it is installed, the current folder."""
    here = pathlib.Path(__file__).resolve().parents[3]
    return here if (here / "setup.py").is_file() else pathlib.Path.cwd()


def kept(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files below a folder, without hidden ones and what Python and notebooks leave there."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _LEFT_OUT for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield path


def parsed(shown: str, content: bytes) -> ast.Module:
    """The syntax of a Python file. Raises DataError with the line where it is wrong."""
    try:
        return ast.parse(content, filename=shown)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = getattr(error, "msg", str(error))
        raise DataError(f"{shown}:{line}: {reason}", "Python", "Correct it; every machine would fail on it") from None


def _collected(root: pathlib.Path, problem_files: Mapping[str, pathlib.Path]) -> dict[str, bytes]:
    """Content by name with slashes: what setup.py needs, the whole package, and the problem."""
    if not (root / "setup.py").is_file() or not (root / _PACKAGE / "__init__.py").is_file():
        raise UsageError(
            f"{root} does not hold the source of {_PACKAGE}",
            f"a folder with setup.py and {_PACKAGE}/",
            "Run it in the folder of the source, or give it: --source=DIR",
        )
    files = {name: (root / name).read_bytes() for name in _AT_ROOT if (root / name).is_file()}
    for path in kept(root / _PACKAGE):
        name = path.relative_to(root).as_posix()
        files[name] = _checked(name, path.read_bytes())
    for name, path in problem_files.items():
        content = _checked(str(path), path.read_bytes())
        if files.setdefault(name, content) != content:
            accept = "a name that the package does not have"
            raise UsageError(f"{path} would replace {name} of the package", accept, "Rename it")
    total = sum(map(len, files.values()))
    if total > _MOST_BYTES:
        largest = max(files, key=lambda name: len(files[name]))
        raise UsageError(
            f"The package would hold {total >> 20} MB, the largest file of it {largest}",
            f"up to {_MOST_BYTES >> 20} MB of code",
            "Put data and models in a bucket",
        )
    return files


def _checked(shown: str, content: bytes) -> bytes:
    if shown.endswith(".py"):
        parsed(shown, content)
    return content


def _version(files: Mapping[str, bytes]) -> str:
    match = re.search(rb'__version__ = "([\w.+-]+)"', files[f"{_PACKAGE}/__init__.py"])
    if not match:
        got = f"{_PACKAGE}/__init__.py has no __version__"
        raise UsageError(got, '__version__ = "1.2.3"', "Add it")
    return match[1].decode()


def _epoch(environ: Mapping[str, str]) -> int:
    text = environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not text:
        return DEFAULT_EPOCH
    if not text.isdecimal() or int(text) < DEFAULT_EPOCH or int(text) >= 1 << 33:
        raise UsageError(
            f"SOURCE_DATE_EPOCH={text}",
            f"seconds since 1970, from {DEFAULT_EPOCH} (1980, the first year in wheels) up",
            "Correct it, or unset it",
        )
    return int(text)


def _member(name: str, size: int, epoch: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, epoch, 0o644
    return member
