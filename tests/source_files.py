"""What is in the source files of a package, counted: functions, classes, lines of code, comments, docstrings."""

from __future__ import annotations

import ast
import dataclasses
import functools
import io
import pathlib
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence

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


def read(files: Sequence[pathlib.Path], package: pathlib.Path) -> list[SourceFile]:
    """Reads the files of a package, of whose folder their names are told."""
    inherited = _Inherited({path: ast.parse(path.read_text(encoding="utf-8")) for path in files})
    return [_file(path, package, inherited) for path in files]


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that stand in a statement or a module, and what holds more: handlers of a try, cases of a match.

    A file has ten times as many expressions as statements, which hold neither definitions nor imports.
    """
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        yield from getattr(node, block, ())


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All of them, in functions and classes too."""
    pending = list(children(tree))
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


class _Inherited:
    """Docstrings that methods take over.

    Args:
      trees: of all files.
    """

    def __init__(self, trees: dict[pathlib.Path, ast.Module]) -> None:
        self.trees = trees
        classes = [node for tree in trees.values() for node in statements(tree) if isinstance(node, ast.ClassDef)]
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
    for node in children(tree):
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
    for node in statements(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            strings |= set(range(node.lineno, _end(node) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return {number for number, line in lines if line.strip() and not line.lstrip().startswith("#")} - strings


def _comments(text: str) -> int:
    """Lines with a comment for people."""
    if "#" not in text:
        return 0
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and not _PRAGMA.match(token.string) for token in tokens)
