"""Which module of a package imports which, read from the sources."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Collection, Iterator, Mapping

from tests import source_files

Graph = Mapping[str, Collection[str]]
"""What each node points at; every node is a key."""


def modules(package: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files of a package by dotted name; a folder's own file has the folder's name."""
    files: dict[str, pathlib.Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports(path: pathlib.Path, known: Collection[str], *, everywhere: bool) -> Iterator[str]:
    """The names that a module imports, but for those that only type checkers import.

    Args:
      path: of the module.
      known: the modules of its own package, to tell `from package import module` from `from package import name`.
      everywhere: in its functions too; else only what its own import imports.
    """
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in submodules if name in known)
            if not set(submodules) <= set(known):
                yield node.module
        pending.extend(source_files.children(node))


def of_modules(files: Mapping[str, pathlib.Path]) -> dict[str, set[str]]:
    """The modules of the package that each of them imports, at any time."""
    return {name: set(imports(path, files, everywhere=True)) & set(files) - {name} for name, path in files.items()}


def of_siblings(graph: Graph) -> dict[str, dict[str, set[str]]]:
    """For each folder, what its modules and folders import of each other, a folder being all that is in it.

    `a.b.c` importing `a.d.e` is an edge from `b` to `d` in the folder `a`. A folder's own file is no part of it here.
    """
    edges: dict[str, dict[str, set[str]]] = {}
    for name, imported in graph.items():
        for other in imported:
            shared = _shared_folder(name, other)
            if shared in (name, other):
                continue
            ends = [".".join(module.split(".")[: shared.count(".") + 2]) for module in (name, other)]
            siblings = edges.setdefault(shared, {})
            siblings.setdefault(ends[0], set()).add(ends[1])
            siblings.setdefault(ends[1], set())
    return edges


def _shared_folder(name: str, other: str) -> str:
    shared = []
    for mine, its in zip(name.split("."), other.split("."), strict=False):
        if mine != its:
            break
        shared.append(mine)
    return ".".join(shared)


def cycles(graph: Graph) -> list[list[str]]:
    """Groups of two nodes or more that all reach each other, each sorted: none when the graph has an order."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {tuple(sorted({name} | {o for o in reached[name] if name in reached[o]})) for name in graph}
    return sorted(list(group) for group in groups if len(group) > 1)


def _reached(graph: Graph, start: str) -> set[str]:
    reached: set[str] = set()
    pending = [start]
    while pending:
        fresh = set(graph[pending.pop()]) - reached
        reached |= fresh
        pending.extend(fresh)
    return reached
