"""The files of a person's own problem, which the package takes along: the problem, and what it imports by name."""

from __future__ import annotations

import ast
import dataclasses
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence

import trainer
from trainer import problem_file
from trainer.job import early_flags
from trainer.job.findings import Finding, Level
from trainer.launch.packaging import archive

_PACKAGE = "trainer"
_OWN_FOLDER = pathlib.Path(trainer.__file__).parent
_INSTALLED = ("site-packages", "dist-packages")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackedProblem:
    """A problem that is not of the package, as the package takes it along.

    Attributes:
      named: as the person named it: a file, or a module.
      module: how the task finds it where the package is installed.
      files: where each file lies, by its name in the source distribution, with slashes.
    """

    named: str
    module: str
    files: Mapping[str, pathlib.Path]

    def __str__(self) -> str:
        """A line on what is packed, and under which name."""
        count = len(self.files)
        packed = f"packed ({count} file{'s' if count > 1 else ''})" if count else "is one of the package"
        return f"--problem={self.named} {packed}: the task finds it with --problem={self.module}"

    def flags(self, argv: Sequence[str]) -> list[str]:
        """The flags of the task, with the name that the problem has where the package is installed."""
        return early_flags.replaced(argv, "problem", self.module)


def named_in(argv: Sequence[str]) -> PackedProblem | None:
    """The problem that flags of the task name; None where it is one of the package.

    Raises:
      UsageError: as `of` does.
    """
    name = early_flags.value(argv, "problem")
    return None if name is None else of(name)


def of(name: str) -> PackedProblem | None:
    """The problem of that name, with its files; None where it is one of the package.

    Args:
      name: as `--problem` has it.

    Raises:
      DataError: a file of it is not valid Python.
      UsageError: there is no such problem, it cannot be imported, or it is called like a file of the package.
    """
    if problem_file.is_file(name):
        packed = _of_file(name)
    elif name.partition(".")[0] == _PACKAGE:
        return None
    else:
        packed = _of_module(name)
    problem_file.load(name)
    return packed


def elsewhere(argv: Sequence[str], holder: str) -> Iterator[Finding]:
    """A note where the task's problem has to be in something that was made before.

    Args:
      argv: flags of the task.
      holder: "image" or "package".
    """
    name = early_flags.value(argv, "problem")
    if name is None or name.partition(".")[0] == _PACKAGE:
        return
    docker = " --docker" if holder == "image" else ""
    module = _own_module(pathlib.Path(os.path.abspath(name)))
    do = f"python -m trainer.launch package{docker} --problem={name} puts it there"
    if problem_file.is_file(name) and module is not None:
        do = f"Write --problem={module}, under which the package is found there"
    yield Finding(where=holder, got=f"--problem={name} has to be in it", do=do, level=Level.NOTE)


def _of_file(name: str) -> PackedProblem | None:
    path = pathlib.Path(os.path.abspath(name))
    if not path.is_file():
        problem_file.load(name)  # which says that there is none, or finds what was packed from it
        return None
    if own_module := _own_module(path):
        return PackedProblem(named=name, module=own_module, files={})
    module, folder = problem_file.packed_module(name), problem_file.PACKED_IN.replace(".", "/")
    beside = {f"{folder}/{short}": file for short, file in _neighbours([path], path.parent).items()}
    return PackedProblem(named=name, module=module, files={f"{module.replace('.', '/')}.py": path} | beside)


def _own_module(path: pathlib.Path) -> str | None:
    """The module that a file of the package itself is; None for another file."""
    if not path.is_relative_to(_OWN_FOLDER):
        return None
    return ".".join(path.relative_to(_OWN_FOLDER.parent).with_suffix("").parts)


def _of_module(name: str) -> PackedProblem | None:
    spec = importlib.util.find_spec(name.partition(".")[0])
    found = None if spec is None else _place(spec)
    if found is None:
        problem_file.load(name)  # which says that there is none
        return None
    files = dict(_unit(found))
    if not set(_INSTALLED) & set(found.parts):  # there everything that is installed would be beside it
        files |= _neighbours(list(files.values()), found.parent)
    return PackedProblem(named=name, module=name, files=files)


def _neighbours(paths: list[pathlib.Path], folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Modules and packages of the folder that these files import by name, and those import in turn."""
    collected: dict[str, pathlib.Path] = {}
    pending, seen = list(paths), {path.stem for path in paths if path.parent == folder}
    while pending:
        for top in _imported(pending.pop()):
            if top in seen or top == _PACKAGE or top in sys.stdlib_module_names:
                continue
            seen.add(top)
            found = _found_in(folder, top)
            if found is not None:
                unit = dict(_unit(found))
                collected |= unit
                pending += unit.values()
    return collected


def _imported(path: pathlib.Path) -> Iterator[str]:
    """First parts of what a file imports by name, wherever in it; nothing of what is no Python file."""
    if path.suffix != ".py":
        return
    for node in ast.walk(archive.parsed(str(path), path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def _found_in(folder: pathlib.Path, top: str) -> pathlib.Path | None:
    """The file or the folder there that a top-level name means; None where something else is called so.

    Args:
      folder: that Python looks in after all others, as it does when the problem runs.
      top: the name.
    """
    spec = importlib.machinery.PathFinder.find_spec(top, [*sys.path, str(folder)])
    found = None if spec is None else _place(spec)
    return found if found is not None and found.parent == folder else None


def _place(spec: importlib.machinery.ModuleSpec) -> pathlib.Path | None:
    """Where a module's file, or a package's folder, lies; None where it has none."""
    folders = spec.submodule_search_locations
    place = spec.origin if folders is None else next(iter(folders), None)
    return pathlib.Path(os.path.abspath(place)) if place and os.path.exists(place) else None


def _unit(found: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """Each file of a module or of a package, by its name from the folder that it is imported from."""
    if found.is_file():
        yield found.name, found
        return
    for path in archive.kept(found):
        yield path.relative_to(found.parent).as_posix(), path
