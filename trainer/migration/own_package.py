"""Renames a program's own package called `trainer`, which would hide ours, in what imports it."""

from __future__ import annotations

import re

import libcst as cst
from libcst.metadata import ParentNodeProvider, QualifiedNameProvider

from trainer.migration import imports

NAME = "trainer"
_MODULE_IN_TEXT = re.compile(r"^(['\"])trainer((?:\.\w+)*)\1$")


class OwnPackage(cst.CSTTransformer):
    """`from own_trainer import model` for `from trainer import model`.

    Args:
      new: the name that the package has in the copy.
    """

    METADATA_DEPENDENCIES = (ParentNodeProvider, QualifiedNameProvider)

    def __init__(self, new: str) -> None:
        super().__init__()
        self._new = new

    def leave_ImportFrom(  # noqa: N802  (libcst's name)
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        """`from trainer.model import x`."""
        if updated_node.relative or updated_node.module is None:
            return updated_node
        return updated_node.with_changes(module=self._renamed(imports.dotted(updated_node.module)))

    def leave_ImportAlias(  # noqa: N802
        self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias
    ) -> cst.ImportAlias:
        """`import trainer.model`, which is used by that name."""
        if not isinstance(self.get_metadata(ParentNodeProvider, original_node), cst.Import):
            return updated_node
        return updated_node.with_changes(name=self._renamed(imports.dotted(updated_node.name)))

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:  # noqa: N802
        """The `trainer` of `trainer.model.f()`, where `import trainer.model` made it."""
        if original_node.value != NAME:
            return updated_node
        found = self.get_metadata(QualifiedNameProvider, original_node, ())
        is_module = any(each.name == NAME and each.source.name == "IMPORT" for each in found)
        return cst.Name(self._new) if is_module else updated_node

    def leave_SimpleString(  # noqa: N802
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        """`packages=["trainer"]`, `"trainer.task"`."""
        return updated_node.with_changes(value=_MODULE_IN_TEXT.sub(rf"\1{self._new}\2\1", updated_node.value))

    def _renamed(self, name: str) -> cst.Name | cst.Attribute:
        first, dot, rest = name.partition(".")
        return imports.expression(f"{self._new}{dot}{rest}" if first == NAME else name)
