"""Rewrites the placeholders that raw receivers are made of: outside a graph there are none, and specs serve as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ParentNodeProvider, QualifiedNameProvider, ScopeProvider

from trainer.migration import imports, origins

_NAME = "build_raw_serving_input_receiver_fn"
_PARAMETERS = ("dtype", "shape", "name")


class Receivers(cst.CSTTransformer):
    """`tf.TensorSpec(shape, dtype)` for each `tf.placeholder(dtype, shape)` given to a raw receiver."""

    METADATA_DEPENDENCIES = (ParentNodeProvider, QualifiedNameProvider, ScopeProvider)

    def __init__(self) -> None:
        super().__init__()
        self._placeholders: set[cst.CSTNode] = set()

    def visit_Module(self, node: cst.Module) -> None:  # noqa: N802  (libcst's name)
        """Finds them: the call may stand after them."""
        function = m.Name(_NAME) | m.Attribute(attr=m.Name(_NAME))
        for call in m.findall(node, m.Call(func=function)):
            arguments = call.args if isinstance(call, cst.Call) else ()
            for features in (each.value for each in arguments[:1]):
                self._placeholders.update(self._within(features))

    def _within(self, features: cst.BaseExpression) -> Iterator[cst.CSTNode]:
        """The placeholders in an expression, and in what the names in it were assigned."""
        values: list[cst.CSTNode] = [features]
        if isinstance(features, cst.Name):
            values += origins.of(self, features)
        for value in list(values):
            for name in m.findall(value, m.Name()):
                values += origins.of(self, name) if isinstance(name, cst.Name) else []
        for value in values:
            yield from (call for call in m.findall(value, m.Call()) if self._is_placeholder(call))

    def _is_placeholder(self, call: cst.CSTNode) -> bool:
        names = self.get_metadata(QualifiedNameProvider, call.func, ()) if isinstance(call, cst.Call) else ()
        return any(
            each.name.startswith(("tensorflow.", "trainer.")) and each.name.endswith(".placeholder") for each in names
        )

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:  # noqa: N802
        """Rewrites those that were found."""
        if original_node not in self._placeholders or not isinstance(updated_node.func, cst.Attribute):
            return updated_node
        given = _by_name(updated_node.args)
        arguments = [
            cst.Arg(given.get("shape", cst.Name("None"))),
            *([cst.Arg(given["dtype"])] if "dtype" in given else []),
            *([cst.Arg(given["name"], cst.Name("name"), equal=_tight())] if "name" in given else []),
        ]
        function = _module_of(updated_node.func)
        return updated_node.with_changes(func=function.with_changes(attr=cst.Name("TensorSpec")), args=arguments)


def _by_name(arguments: Sequence[cst.Arg]) -> dict[str, cst.BaseExpression]:
    """The arguments of a placeholder by the names of its parameters."""
    return {
        argument.keyword.value if argument.keyword else name: argument.value
        for argument, name in zip(arguments, (*_PARAMETERS, *("",) * len(arguments)), strict=False)
    }


def _module_of(function: cst.Attribute) -> cst.Attribute:
    """`tf.placeholder` of `tf.compat.v1.placeholder`: `TensorSpec` is a name of `tf` in both."""
    text = imports.dotted(function)
    shorter = imports.expression(text.replace(".compat.v1.", "."))
    return shorter if isinstance(shorter, cst.Attribute) else function


def _tight() -> cst.AssignEqual:
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
