"""Rewrites imports of TensorFlow, in all their forms, so that what TensorFlow lost comes from this package."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import QualifiedNameProvider

from trainer.migration import modules
from trainer.migration.modules import ESTIMATOR, V1, Generation

_ESTIMATOR_ALIAS, _V1_ALIAS = "tf_estimator", "tf_v1"
_ROOTS = ("tensorflow", "tensorflow_estimator")


class Imports(cst.CSTTransformer):
    """Imports from our modules what the file imports from those that are gone.

    A program for TensorFlow 1 gets `import trainer.compat.v1 as tf`; one for TensorFlow 2 keeps its `tf`, and gets
    `import trainer.estimator as tf_estimator` beside it for what it calls `tf.estimator`.

    Args:
      generation: that of the program.
    """

    METADATA_DEPENDENCIES = (QualifiedNameProvider,)

    def __init__(self, generation: Generation) -> None:
        super().__init__()
        self._generation = generation
        self._wanted: dict[str, str] = {}

    def leave_Import(  # noqa: N802  (libcst's name)
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import | cst.ImportFrom:
        """`import tensorflow as tf`, and modules of it."""
        if len(updated_node.names) > 1:
            return updated_node.with_changes(names=[self._alias(alias) for alias in updated_node.names])
        name = dotted(updated_node.names[0].name)
        own = modules.counterpart(name, self._generation)
        asname = updated_node.names[0].asname
        if own is None or own == V1 or asname is None:
            return updated_node.with_changes(names=[self._alias(updated_node.names[0])])
        parent, _, last = own.rpartition(".")
        parent = modules.place(parent)
        alias = cst.ImportAlias(cst.Name(last), None if dotted(asname.name) == last else asname)
        return cst.ImportFrom(expression(parent), [alias])

    def _alias(self, alias: cst.ImportAlias) -> cst.ImportAlias:
        """An entry of `import a, b`: what is used as `tensorflow.…` keeps its first name."""
        name = dotted(alias.name)
        own = modules.counterpart(name, self._generation) if name.split(".")[0] in _ROOTS else None
        if own is None:
            return alias
        asname = alias.asname or as_name(name.split(".")[0])
        return alias.with_changes(name=expression(own if alias.asname else V1), asname=asname)

    def leave_ImportFrom(  # noqa: N802
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.ImportFrom]:
        """`from tensorflow import estimator`, and from modules of it."""
        module = dotted(updated_node.module) if updated_node.module and not updated_node.relative else ""
        if module.split(".")[0] not in _ROOTS or isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        groups: dict[str, list[cst.ImportAlias]] = {}
        for alias in updated_node.names:
            target, renamed = self._target(module, alias)
            groups.setdefault(target, []).append(renamed)
        if list(groups) == [module]:
            return updated_node
        made = [self._from(updated_node, target, aliases, len(groups)) for target, aliases in groups.items()]
        return made[0] if len(made) == 1 else cst.FlattenSentinel(made)

    def _from(
        self, node: cst.ImportFrom, target: str, aliases: Sequence[cst.ImportAlias], groups: int
    ) -> cst.ImportFrom:
        if groups > 1:
            aliases = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]
        return node.with_changes(module=expression(target), names=aliases)

    def _target(self, module: str, alias: cst.ImportAlias) -> tuple[str, cst.ImportAlias]:
        """The module from which a name comes now, and the entry of the import for it."""
        name = dotted(alias.name)
        whole = modules.counterpart(f"{module}.{name}", self._generation)
        if whole is not None and modules.holds_module(module, name):
            parent, _, last = whole.rpartition(".")
            asname = alias.asname or (None if last == name else as_name(name))
            return modules.place(parent), alias.with_changes(name=cst.Name(last), asname=asname)
        own = modules.counterpart(module, self._generation)
        return (module if own is None or name == "python" else modules.place(own)), alias

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        """An import that became several has a line for each."""
        made = updated_node.body
        if len(original_node.body) != 1 or len(made) < 2:
            return updated_node
        bare = [cst.SimpleStatementLine([each.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)]) for each in made]
        first = bare[0].with_changes(leading_lines=updated_node.leading_lines)
        last = bare[-1].with_changes(trailing_whitespace=updated_node.trailing_whitespace)
        return cst.FlattenSentinel([first, *bare[1:-1], last])

    def leave_Attribute(  # noqa: N802
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """`tf.compat.v1` is `tf` in a program for TensorFlow 1, `tf.estimator` is ours in one for TensorFlow 2."""
        names = [found.name for found in self.get_metadata(QualifiedNameProvider, original_node, ())]
        if len(names) != 1 or get_full_name_for_node(original_node) is None:
            return updated_node
        if self._generation is Generation.V1:
            is_v1 = names[0] == "tensorflow.compat.v1"
            return updated_node.value.value if is_v1 and isinstance(updated_node.value, cst.Attribute) else updated_node
        return self._of_version_2(names[0], original_node) or updated_node

    def _of_version_2(self, name: str, node: cst.Attribute) -> cst.BaseExpression | None:
        if name in ("tensorflow.estimator", "tensorflow.keras.estimator"):
            return self._want(ESTIMATOR, _ESTIMATOR_ALIAS)
        lost = name.removeprefix("tensorflow.compat.v1.")
        is_spelt_out = ".compat.v1." in dotted(node)  # not so in a file that imports tensorflow.compat.v1 itself
        if is_spelt_out and lost in ("estimator", "layers", "nn.rnn_cell", "keras.estimator"):
            return expression(f"{dotted(self._want(V1, _V1_ALIAS))}.{lost}")
        if name == "tensorflow.contrib":
            return expression(f"{dotted(self._want(V1, _V1_ALIAS))}.contrib")
        return None

    def _want(self, module: str, alias: str) -> cst.Name:
        self._wanted[module] = alias
        return cst.Name(alias)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:  # noqa: N802
        """Puts what a program for TensorFlow 2 needs beside its `tf` after the import of that."""
        if not self._wanted:
            return updated_node
        body: list[cst.BaseStatement] = list(updated_node.body)
        at = next((index for index, line in enumerate(body) if _imports_tensorflow(line)), None)
        added = [
            cst.SimpleStatementLine([cst.Import([cst.ImportAlias(expression(module), as_name(alias))])])
            for module, alias in sorted(self._wanted.items())
        ]
        place = _after_docstring_and_future(body) if at is None else at + 1
        return updated_node.with_changes(body=[*body[:place], *added, *body[place:]])


def _imports_tensorflow(line: cst.BaseStatement) -> bool:
    if not isinstance(line, cst.SimpleStatementLine):
        return False
    return any(
        isinstance(statement, cst.Import)
        and any(dotted(alias.name).split(".")[0] == "tensorflow" for alias in statement.names)
        for statement in line.body
    )


def _after_docstring_and_future(body: Sequence[cst.BaseStatement]) -> int:
    for index, line in enumerate(body):
        first = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        is_future = isinstance(first, cst.ImportFrom) and first.module and dotted(first.module) == "__future__"
        is_docstring = isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString)
        if not is_future and not is_docstring:
            return index
    return len(body)


def as_name(name: str) -> cst.AsName:
    """The `as NAME` of an import."""
    return cst.AsName(cst.Name(name))


def dotted(node: cst.CSTNode) -> str:
    """The text of a dotted name; empty for another expression."""
    return get_full_name_for_node(node) or ""


def expression(name: str) -> cst.Name | cst.Attribute:
    """The syntax tree of a dotted name."""
    first, *rest = name.split(".")
    node: cst.Name | cst.Attribute = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node
