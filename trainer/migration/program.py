"""A whole program: its files, where their copies go, and what is left to do in them."""

from __future__ import annotations

import codecs
import dataclasses
import io
import os
import pathlib
import re
import shutil
import tokenize
from collections.abc import Iterator, Sequence

from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Place
from trainer.migration import known_names, own_package, source_file
from trainer.migration.known_names import Api
from trainer.migration.modules import Generation
from trainer.migration.own_names import OwnNames
from trainer.migration.source_file import Program

_SKIPPED = {".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints"}
_OWN = "own_trainer"
_SAME_IN_BOTH = {"compat", "estimator", "keras", "python"}
_KEEPS_DIMENSIONS = re.compile(r"\bdisable_v2_(behavior|tensorshape)\b")
_COMMAND = re.compile(r"trainer\.\w+|(?:package[-_]path|module[-_]name)\S*\s+\S*trainer\b")
_COMMAND_FILES = {".sh", ".yaml", ".yml", ".cfg", ".toml", "Makefile"}


@dataclasses.dataclass(frozen=True)
class SourceText:
    """A Python file as text.

    Attributes:
      original: where it is.
      copy: the path of its copy below the output directory.
      text: what is in it.
      encoding: how it is written.
    """

    original: pathlib.Path
    copy: pathlib.Path
    text: str
    encoding: str


@dataclasses.dataclass(frozen=True)
class Migrated:
    """A Python file after it was rewritten."""

    source: SourceText
    text: str
    findings: tuple[Finding, ...]


@dataclasses.dataclass
class Files:
    """The files of a program.

    Attributes:
      sources: its Python files.
      others: all others, with the paths of their copies.
      findings: about files that could not be read.
      renamed: the new name of its own package `trainer`; None where it has none.
    """

    sources: list[SourceText]
    others: list[tuple[pathlib.Path, pathlib.Path]]
    findings: list[Finding]
    renamed: str | None


def find(paths: Sequence[str]) -> Files:
    """Reads the program that lies in some files and folders. Raises UsageError where there is none."""
    found = list(dict.fromkeys(pair for path in paths for pair in _below(pathlib.Path(path))))
    _require_apart(found)
    renamed = _OWN if any(_is_own_package(original) for original, _ in found) else None
    files = Files([], [], [], renamed)
    for original, copy in found:
        copy = _renamed(copy) if renamed else copy
        if original.suffix != ".py":
            files.others.append((original, copy))
            continue
        try:
            files.sources.append(_read(original, copy))
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            files.others.append((original, copy))
            do = "Write its encoding into its first line, or save it as UTF-8"
            files.findings.append(Finding(where=Place(path=str(original)), got=f"Not text: {error}", do=do))
    if not files.sources and not files.findings:
        raise UsageError(f"No Python file in {' '.join(paths)}", "files and folders of a program", "Correct the paths")
    return files


def _below(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """All files of a path with the paths of their copies, which begin with its last name."""
    if not root.exists():
        raise UsageError(f"No file {root}", "files and folders of a program", "Correct the path")
    top = pathlib.Path(root.resolve().name)
    if root.is_file():
        yield root, top
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            original = pathlib.Path(folder) / name
            if original.is_file():
                yield original, top / original.relative_to(root)


def _require_apart(found: Sequence[tuple[pathlib.Path, pathlib.Path]]) -> None:
    """Raises UsageError where two files would have one copy, as by two folders of one name."""
    originals: dict[pathlib.Path, pathlib.Path] = {}
    for original, copy in found:
        other = originals.setdefault(copy, original)
        if other.resolve() != original.resolve():
            do = "Name the folder that holds both, or migrate one after the other"
            raise UsageError(f"{other} and {original} would both be copied to {copy}", "paths of different names", do)


def _is_own_package(path: pathlib.Path) -> bool:
    parent = path.resolve().parent.name
    return path.suffix == ".py" and (parent == own_package.NAME or path.stem == own_package.NAME)


def _renamed(copy: pathlib.Path) -> pathlib.Path:
    parts = [_OWN if part == own_package.NAME else part for part in copy.parts]
    parts[-1] = f"{_OWN}.py" if parts[-1] == f"{own_package.NAME}.py" else parts[-1]
    return pathlib.Path(*parts)


def _read(original: pathlib.Path, copy: pathlib.Path) -> SourceText:
    content = original.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return SourceText(original, copy, content.decode(encoding), codecs.lookup(encoding).name)


def migrate(files: Files, folder: str | None) -> list[Migrated]:
    """Rewrites all Python files.

    Args:
      files: of the program.
      folder: where the copies go, as findings name them; None: findings name the originals.
    """
    api = known_names.version_1()
    program = Program(
        generation=_generation(files.sources, api, known_names.version_2()),
        api=api,
        own=OwnNames(),
        keeps_dimensions=any(_KEEPS_DIMENSIONS.search(source.text) for source in files.sources),
        renamed=files.renamed,
    )
    migrated = []
    for source in files.sources:
        path = str(source.original if folder is None else pathlib.Path(folder) / source.copy)
        rewritten = source_file.rewrite(source.text, path, program)
        migrated.append(Migrated(source, rewritten.text, rewritten.findings))
    return migrated


def _generation(sources: Sequence[SourceText], version_1: Api, version_2: Api) -> Generation:
    """Version 2 for a program that uses what only that has, or `tf.compat.v1`, and nothing that it lacks."""
    names = {name for source in sources for name in source_file.names_of_tensorflow(source.text)}
    plain = {name for name in names if name.partition(".")[0] not in _SAME_IN_BOTH}
    if any(version_2.lacks(name) for name in plain):
        return Generation.V1
    is_newer = any(name.startswith("compat.v") for name in names) or any(version_1.lacks(name) for name in plain)
    return Generation.V2 if is_newer and not _only_imports_version_1(names) else Generation.V1


def _only_imports_version_1(names: set[str]) -> bool:
    """Whether all is spelt `tensorflow.compat.v1`, as by `import tensorflow.compat.v1 as tf`."""
    return all(name.startswith(("compat.v1", "python")) or name == "compat" for name in names)


def commands(files: Files) -> Iterator[Finding]:
    """The lines of scripts and settings that name a package `trainer` of the program, which has another name now."""
    for original, copy in files.others if files.renamed else ():
        if original.suffix not in _COMMAND_FILES and original.name not in _COMMAND_FILES:
            continue
        lines = original.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if _COMMAND.search(line):
                got = f"Names the program's own package trainer, which is {files.renamed} in the copy"
                yield Finding(where=Place(path=str(copy), line=number), got=got, do="Write the new name here")


def write(files: Files, migrated: Sequence[Migrated], folder: str) -> None:
    """Writes all copies; nothing is in `folder` before everything is.

    Args:
      files: of the program.
      migrated: its Python files.
      folder: a new one, or an empty one.
    """
    target = pathlib.Path(folder)
    partial = target.parent / f"{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for original, copy in files.others:
        (partial / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, partial / copy)
    for each in migrated:
        (partial / each.source.copy).parent.mkdir(parents=True, exist_ok=True)
        (partial / each.source.copy).write_bytes(each.text.encode(each.source.encoding))
    if target.is_dir():
        target.rmdir()
    os.replace(partial, target)
