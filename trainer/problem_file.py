"""Finds the problem that `--problem` names: a module, or a Python file."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Sequence

from trainer.job import early_flags
from trainer.job.config import DEFAULT_PROBLEM, TABLE_PROBLEM
from trainer.job.errors import UsageError
from trainer.problem import Problem

PACKED_IN = "trainer.problems"
"""Where the package holds a problem, and its neighbours, that were packed from files."""


class ProblemNotFoundError(UsageError):
    """There is no such problem on this machine; there may be on another."""


def named_in(argv: Sequence[str]) -> Problem:
    """The problem that the flags name, before anything else of them is looked at.

    Raises:
      UsageError: as `load` does.
    """
    return load(name_in(argv))


def name_in(argv: Sequence[str]) -> str:
    """What the flags call the problem; those of a table choose the one that is shipped for tables.

    Args:
      argv: without the program's name.
    """
    name = early_flags.value(argv, "problem") or DEFAULT_PROBLEM
    return TABLE_PROBLEM if name == DEFAULT_PROBLEM and _is_of_table(argv) else name


def _is_of_table(argv: Sequence[str]) -> bool:
    """Whether the flags say that the data are a table, or name its label."""
    data_format = (early_flags.value(argv, "data_format") or "auto").lower()
    return data_format == "table" or (data_format == "auto" and early_flags.value(argv, "label_column") is not None)


def load(name: str) -> Problem:
    """The `PROBLEM` of a module or of a file.

    Args:
      name: `package.module`, or a path that ends in `.py`. A file can import its neighbours, as a script can. Where
        there is no such file, it is what was packed from one of that name.

    Raises:
      ProblemNotFoundError: there is no such module or file.
      UsageError: it fails while it is imported, or it defines no `PROBLEM`.
    """
    module = _from_file(name) if is_file(name) else _from_module(name)
    problem = getattr(module, "PROBLEM", None)
    if not isinstance(problem, Problem):
        got = "defines no PROBLEM" if problem is None else f"defines PROBLEM={problem!r}"
        raise UsageError(
            f"--problem={name}: {module.__name__} {got}",
            "a module with PROBLEM = Problem(…)",
            "Write it at the end of the file; trainer/model.py is an example",
        )
    return problem


def is_file(name: str) -> bool:
    """Whether a problem is named by its file rather than by its module."""
    return name.endswith(".py") or os.sep in name


def packed_module(path: str) -> str:
    """The module that a file becomes where it is packed."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return f"{PACKED_IN}.{stem.replace('.', '_')}"


def _from_file(path: str) -> types.ModuleType:
    if not os.path.isfile(path):
        if importlib.util.find_spec(packed_module(path)) is not None:
            return _from_module(packed_module(path))
        raise ProblemNotFoundError(f"--problem={path}: there is no such file", None, "Correct the path")
    full = os.path.abspath(path)
    module_name = os.path.splitext(os.path.basename(full))[0]
    loaded = sys.modules.get(module_name)
    if loaded is not None and getattr(loaded, "__file__", None) == full:
        return loaded
    if loaded is not None:
        module_name = f"problem_{module_name}"  # so that a file called `random.py` does not hide another module
    spec = importlib.util.spec_from_file_location(module_name, full)
    if spec is None or spec.loader is None:
        raise UsageError(f"--problem={path} is not a Python file", "a file that ends in .py", "Rename it")
    module = importlib.util.module_from_spec(spec)
    _let_import_neighbours(full)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]
        raise _failed(path, error) from error
    return module


def _from_module(name: str) -> types.ModuleType:
    try:
        if name.startswith(f"{PACKED_IN}."):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                _let_import_neighbours(spec.origin)
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise _failed(name, error) from error
        raise ProblemNotFoundError(
            f"--problem={name}: there is no module {error.name}",
            "a module that can be imported, or the path of a Python file",
            f"Name the file, as --problem={name.replace('.', '/')}.py, or install the package that holds it",
        ) from error
    except Exception as error:
        raise _failed(name, error) from error


def _let_import_neighbours(path: str) -> None:
    """Lets a file import those beside it by name, unless something else is called so."""
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)


def _failed(name: str, error: BaseException) -> BaseException:
    """What to raise for an error while a problem is imported: our own errors and requests to end stay as they are."""
    if isinstance(error, UsageError) or not isinstance(error, Exception):
        return error
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}:{last.lineno}"
    return UsageError(
        f"--problem={name} cannot be imported: {place}: {type(error).__name__}: {error}",
        None,
        "Correct it there; python -c 'import …' shows the whole traceback",
    )
