"""How a package reads, in figures: what issue "The house" sets limits to, and `tests/test_house.py` holds.

    python -m tests.house [TREE]

TREE is a package folder, `trainer` of this checkout if it is left out, or that of an older one to compare with.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import io
import pathlib
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence

from tests import import_graph

PACKAGE = pathlib.Path(__file__).parent.parent / "trainer"
MOST_LINES, MOST_METHODS, MOST_CLASS_LINES = 300, 15, 150
FEWEST_WITH_ARGS = 3
"""From how many parameters on a docstring lists them."""
FOLDERS_EXPLAINED = ("estimator/graph", "estimator/distribution")
"""Where code is hardest to follow, so that comments are counted there."""

_SHAPE = re.compile(r"\[[^\[\]]*\]|\bscalar|\b(any|same) shape")
_TENSOR = re.compile(r"\btf\.Tensor\b")
_PRAGMA = re.compile(r"#\s*(noqa|type:|fmt:|ruff:|!|-\*-)")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Function:
    """A function or method, but for those within functions.

    Attributes:
      name: `folder/file.py:Class.method`.
      lines: of code in its body: neither its docstring, nor comments, nor empty lines.
      public: whether neither it nor its class starts with an underscore.
      over_tensors: whether a parameter or what it returns is annotated with `tf.Tensor`.
      parameters: how many it has beside `self` and `cls`; `*args` and `**kwargs` are not counted.
      docstring: its own; else, of a method, that of the method of that name in a class that it extends or in a
        Protocol of the package; of `__init__`, that of the class.
    """

    name: str
    lines: int
    public: bool
    over_tensors: bool
    parameters: int
    docstring: str


@dataclasses.dataclass(frozen=True)
class Class:
    """A class: its name `folder/file.py:Class`, how many methods it defines, properties included, and its lines."""

    name: str
    methods: int
    lines: int


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file: its name below the package, its lines, those that hold code, its comments, and what it defines."""

    name: str
    lines: int
    code_lines: int
    comments: int
    functions: Sequence[Function]
    classes: Sequence[Class]


@dataclasses.dataclass(frozen=True)
class House:
    """The figures of a package.

    Attributes:
      files: all of its modules.
      module_cycles: modules that import each other.
      folder_cycles: modules and folders of one folder that import each other, a folder at least among them.
    """

    files: Sequence[SourceFile]
    module_cycles: Sequence[Sequence[str]]
    folder_cycles: Sequence[Sequence[str]]

    @functools.cached_property
    def functions(self) -> list[Function]:
        """All of all files."""
        return [function for file in self.files for function in file.functions]

    def body_lines(self, quantile: float) -> int:
        """The lines of the body than which that part of the functions is not longer; 1.0 for the longest."""
        lengths = sorted(function.lines for function in self.functions)
        return lengths[min(int(quantile * len(lengths)), len(lengths) - 1)]

    def long_files(self) -> dict[str, int]:
        """Lines of the files that have more than MOST_LINES."""
        return {file.name: file.lines for file in self.files if file.lines > MOST_LINES}

    def long_classes(self) -> dict[str, tuple[int, int]]:
        """Methods and lines of the classes that have more than MOST_METHODS or MOST_CLASS_LINES."""
        classes = [each for file in self.files for each in file.classes]
        return {c.name: (c.methods, c.lines) for c in classes if c.methods > MOST_METHODS or c.lines > MOST_CLASS_LINES}

    def comments_per_100_lines(self, folder: str) -> float:
        """Comments in 100 lines of code of the files in a folder and in its folders; nan when there are none."""
        files = [file for file in self.files if file.name.startswith(f"{folder}/")]
        code = sum(file.code_lines for file in files)
        return 100 * sum(file.comments for file in files) / code if code else float("nan")

    def over_tensors(self) -> list[Function]:
        """The functions whose tensors have shapes to be told."""
        return [function for function in self.functions if function.over_tensors]

    def without_shapes(self) -> list[str]:
        """Functions over tensors whose docstring names no shape."""
        return [function.name for function in self.over_tensors() if not _SHAPE.search(function.docstring)]

    def public(self) -> list[Function]:
        """The functions that other modules may call."""
        return [function for function in self.functions if function.public]

    def without_args(self) -> list[str]:
        """Public functions of FEWEST_WITH_ARGS parameters or more whose docstring does not list them."""
        many = [function for function in self.public() if function.parameters >= FEWEST_WITH_ARGS]
        return [function.name for function in many if "Args:" not in function.docstring]

    def undocumented(self) -> list[str]:
        """Public functions without a docstring."""
        return [function.name for function in self.public() if not function.docstring]


def measure(package: pathlib.Path) -> House:
    """Reads all modules of a package folder."""
    files = import_graph.modules(package)
    graph = import_graph.of_modules(files)
    inherited = _Inherited({path: ast.parse(path.read_text(encoding="utf-8")) for path in files.values()})
    folders = {name for name, path in files.items() if path.name == "__init__.py"}
    mixed = [group for edges in import_graph.of_siblings(graph).values() for group in import_graph.cycles(edges)]
    return House(
        files=[_file(path, package, inherited) for path in files.values()],
        module_cycles=import_graph.cycles(graph),
        folder_cycles=[group for group in mixed if folders.intersection(group)],
    )


class _Inherited:
    """Docstrings that methods take over.

    Args:
      trees: of all files.
    """

    def __init__(self, trees: dict[pathlib.Path, ast.Module]) -> None:
        self.trees = trees
        classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        self._by_name: dict[str, list[ast.ClassDef]] = {}
        for node in classes:
            self._by_name.setdefault(node.name, []).append(node)
        self._protocols = [node for node in classes if "Protocol" in _bases(node)]

    def docstring(self, owner: ast.ClassDef, method: str, path: pathlib.Path) -> str:
        """The docstring that a method without one takes over.

        Args:
          owner: the class of the method.
          method: its name.
          path: of the file.

        Returns:
          That of a method of this name in a class that `owner` extends, else in a Protocol, one of this file first;
          empty if there is none.
        """
        here = set(self.trees[path].body)
        protocols = sorted(self._protocols, key=lambda node: node not in here)
        pending: list[str] = [*_bases(owner), *(node.name for node in protocols)]
        seen: set[str] = set()
        while pending:
            name = pending.pop(0)
            classes = () if name in seen else self._by_name.get(name, ())
            seen.add(name)
            for item in (item for node in classes for item in node.body):
                if isinstance(item, FunctionNode) and item.name == method and ast.get_docstring(item):
                    return ast.get_docstring(item) or ""
            pending.extend(base for node in classes for base in _bases(node))
        return ""


def _bases(node: ast.ClassDef) -> list[str]:
    """The last names of the classes that a class extends."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in bases]


def _file(path: pathlib.Path, package: pathlib.Path, inherited: _Inherited) -> SourceFile:
    name, text = path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")
    tree, code = inherited.trees[path], _code_lines(text, inherited.trees[path])
    functions: list[Function] = []
    classes: list[Class] = []
    for node, owners in _definitions(tree, ()):
        full_name = f"{name}:{'.'.join(owner.name for owner in (*owners, node))}"
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(item, FunctionNode) for item in node.body)
            classes.append(Class(full_name, methods, _end(node) - node.lineno + 1))
        else:
            functions.append(
                _function(node, full_name, owners, code, functools.partial(inherited.docstring, path=path))
            )
    return SourceFile(name, text.count("\n"), len(code), _comments(text), functions, classes)


def _definitions(
    tree: ast.AST, owners: tuple[ast.ClassDef, ...]
) -> Iterator[tuple[FunctionNode | ast.ClassDef, tuple[ast.ClassDef, ...]]]:
    """Functions and classes with the classes that they stand in; nothing that stands in a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield node, owners
            yield from _definitions(node, (*owners, node))
        elif isinstance(node, FunctionNode):
            yield node, owners
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _definitions(node, owners)


def _function(
    node: FunctionNode,
    name: str,
    owners: tuple[ast.ClassDef, ...],
    code: set[int],
    inherited: Callable[[ast.ClassDef, str], str],
) -> Function:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    annotations = [node.returns, *(argument.annotation for argument in arguments if argument)]
    named = [argument.arg for argument in arguments[:-2] if argument and argument.arg not in ("self", "cls")]
    docstring = ast.get_docstring(node) or ""
    if owners and not docstring:
        own = ast.get_docstring(owners[-1]) if node.name == "__init__" else None
        docstring = own or inherited(owners[-1], node.name)
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return Function(
        name=name,
        lines=len(code.intersection(range(body[0].lineno, _end(node) + 1))) if body else 0,
        public=not any(part.startswith("_") for part in [node.name, *(owner.name for owner in owners)]),
        over_tensors=any(_TENSOR.search(ast.unparse(annotation)) for annotation in annotations if annotation),
        parameters=len(named),
        docstring=docstring,
    )


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _code_lines(text: str, tree: ast.Module) -> set[int]:
    """The numbers of the lines that hold code: not those of strings that stand alone, as docstrings do."""
    strings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            strings |= set(range(node.lineno, _end(node) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return {number for number, line in lines if line.strip() and not line.lstrip().startswith("#")} - strings


def _comments(text: str) -> int:
    """Lines with a comment for people."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and not _PRAGMA.match(token.string) for token in tokens)


def report(house: House) -> str:
    """A table in Markdown, and below it what is over a limit."""
    rows = {
        "files": len(house.files),
        "lines; of code": f"{sum(f.lines for f in house.files)}; {sum(f.code_lines for f in house.files)}",
        "body of functions, lines, p50 / p90 / max": " / ".join(str(house.body_lines(q)) for q in (0.5, 0.9, 1.0)),
        f"files over {MOST_LINES} lines": len(house.long_files()),
        f"classes over {MOST_METHODS} methods or {MOST_CLASS_LINES} lines": len(house.long_classes()),
        "cycles between modules; between folders": f"{len(house.module_cycles)}; {len(house.folder_cycles)}",
        **{f"comments in 100 lines, {f}": f"{house.comments_per_100_lines(f):.1f}" for f in FOLDERS_EXPLAINED},
        "functions over tensors; without shapes": f"{len(house.over_tensors())}; {len(house.without_shapes())}",
        "public functions; without a docstring": f"{len(house.public())}; {len(house.undocumented())}",
        f"public functions of {FEWEST_WITH_ARGS} parameters and more without Args": len(house.without_args()),
    }
    table = ["| figure | |", "|---|---|", *(f"| {title} | {value} |" for title, value in rows.items())]
    over = {
        "Long files": [f"{name} {lines}" for name, lines in house.long_files().items()],
        "Long classes": [
            f"{name} {methods} methods, {lines} lines" for name, (methods, lines) in house.long_classes().items()
        ],
        "Cycles": [" - ".join(group) for group in (*house.module_cycles, *house.folder_cycles)],
        "Without shapes": house.without_shapes(),
        "Undocumented": house.undocumented(),
        "Without Args": house.without_args(),
        "Longest functions": _longest(house.functions, 15),
    }
    return "\n".join([*table, *(f"\n{title}:\n  " + "\n  ".join(names) for title, names in over.items() if names)])


def _longest(functions: Sequence[Function], count: int) -> list[str]:
    longest = sorted(functions, key=lambda function: -function.lines)[:count]
    return [f"{function.name} {function.lines}" for function in longest]


if __name__ == "__main__":
    print(report(measure(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PACKAGE)))
