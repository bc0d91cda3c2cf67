"""Makes lists of what Python 2 returned as lists and Python 3 as iterators and views, where a list is needed."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import ParentNodeProvider, QualifiedNameProvider, ScopeProvider

from trainer.migration import imports

_FUNCTIONS = {"builtins.map", "builtins.zip", "builtins.filter"}
_VIEWS = {"keys", "values", "items"}
_LIST_METHODS = {"append", "extend", "insert", "sort", "reverse", "pop", "remove", "index", "count"}
_ARRAYS = ("numpy.", "tensorflow.", "trainer.", "pandas.", "random.", "json.")


class Lists(cst.CSTTransformer):
    """`list(zip(a, b))` for a `zip(a, b)` that is indexed, measured, added, changed, kept, or given to NumPy.

    A name that was given such a value counts too, where something of the kind is done with it in its scope.
    """

    METADATA_DEPENDENCIES = (ParentNodeProvider, QualifiedNameProvider, ScopeProvider)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:  # noqa: N802  (libcst's name)
        """Wraps a call where its value has to be a list."""
        if not self._is_lazy(original_node):
            return updated_node
        target = self._assigned_name(original_node)
        needs = self._is_used_as_list(target) if target is not None else self._must_be_list(original_node)
        return cst.Call(cst.Name("list"), [cst.Arg(updated_node)]) if needs else updated_node

    def _is_lazy(self, call: cst.Call) -> bool:
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in _VIEWS and not call.args:
            return True
        found = self.get_metadata(QualifiedNameProvider, call.func, ())
        return any(each.name in (*_FUNCTIONS, "builtins.range") for each in found)

    def _assigned_name(self, call: cst.Call) -> cst.Name | None:
        """The name that the value gets, of `name = call`."""
        statement = self.get_metadata(ParentNodeProvider, call)
        if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
            return None
        target = statement.targets[0].target
        return target if isinstance(target, cst.Name) else None

    def _is_used_as_list(self, name: cst.Name) -> bool:
        scope = self.get_metadata(ScopeProvider, name, None)
        if scope is None:
            return False
        references = [access.node for assignment in scope[name.value] for access in assignment.references]
        return any(self._must_be_list(node, is_name=True) for node in references)

    def _must_be_list(self, node: cst.CSTNode, is_name: bool = False) -> bool:
        """Whether what stands around the expression fails, or does something else, with an iterator."""
        parent = self.get_metadata(ParentNodeProvider, node)
        is_range = isinstance(node, cst.Call) and imports.dotted(node.func) == "range"
        if isinstance(parent, cst.Subscript):
            return parent.value is node and not is_range
        if isinstance(parent, cst.BinaryOperation):
            return isinstance(parent.operator, cst.Add) and (not is_name or self._adds_list(parent, node))
        if isinstance(parent, cst.Attribute):
            return parent.value is node and parent.attr.value in _LIST_METHODS
        if isinstance(parent, cst.DictElement | cst.Element) or (isinstance(parent, cst.Arg) and parent.keyword):
            return parent.value is node and not is_range  # kept, by whom nobody can see here
        if isinstance(parent, cst.Arg) and parent.star == "":
            return self._takes_list(self.get_metadata(ParentNodeProvider, parent), is_range)
        return False

    def _takes_list(self, call: cst.CSTNode, is_range: bool) -> bool:
        if not isinstance(call, cst.Call):
            return False
        names = [found.name for found in self.get_metadata(QualifiedNameProvider, call.func, ())]
        if is_range:
            return "random.shuffle" in names
        return any(name == "builtins.len" or name.startswith(_ARRAYS) for name in names)

    def _adds_list(self, sum_: cst.BinaryOperation, node: cst.CSTNode) -> bool:
        """Whether the other side of a sum is a list, so that `node` was one in Python 2."""
        other = sum_.right if sum_.left is node else sum_.left
        return isinstance(other, cst.List | cst.ListComp) or (isinstance(other, cst.Call) and self._is_lazy(other))
