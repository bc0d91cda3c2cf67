"""Rewrites dimensions of shapes, which are numbers now, and names that TensorFlow changed before its 1.0."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ParentNodeProvider, QualifiedNameProvider, ScopeProvider

from trainer.migration import imports, origins
from trainer.migration.known_names import Api

# Before TensorFlow 1.0, and before tf.estimator.
_RENAMED = {
    "mul": "multiply",
    "sub": "subtract",
    "neg": "negative",
    "pack": "stack",
    "unpack": "unstack",
    "select": "where",
    "batch_matmul": "matmul",
    "complex_abs": "abs",
    "scalar_summary": "summary.scalar",
    "histogram_summary": "summary.histogram",
    "image_summary": "summary.image",
    "merge_all_summaries": "summary.merge_all",
    "merge_summary": "summary.merge",
    "train.SummaryWriter": "summary.FileWriter",
    "contrib.learn.ModeKeys": "estimator.ModeKeys",
    "contrib.learn.ModeKeys.INFER": "estimator.ModeKeys.PREDICT",
    "contrib.learn.RunConfig": "estimator.RunConfig",
}
_SHAPE = m.Attribute(attr=m.Name("shape")) | m.Call(func=m.Attribute(attr=m.Name("get_shape")))
_NARROWED = m.Call(func=m.Attribute(value=_SHAPE, attr=m.Name("with_rank") | m.Name("with_rank_at_least")))


class Tensors(cst.CSTTransformer):
    """`x.shape[1]` for `x.shape[1].value`, `tf.multiply` for `tf.mul`.

    Args:
      api: the names of `tf.compat.v1`.
      keeps_dimensions: whether the program asks for the behaviour of TensorFlow 1, which has `.value`.
    """

    METADATA_DEPENDENCIES = (ParentNodeProvider, QualifiedNameProvider, ScopeProvider)

    def __init__(self, api: Api, keeps_dimensions: bool) -> None:
        super().__init__()
        self._api = api
        self._keeps_dimensions = keeps_dimensions

    def leave_Attribute(  # noqa: N802  (libcst's name)
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """A dimension is a number; a name that is gone has its newer one."""
        if original_node.attr.value == "value" and not self._keeps_dimensions and self._is_dimension(original_node):
            return updated_node.value
        name = self._name(original_node)
        new = _RENAMED.get(name)
        is_by_module = imports.dotted(original_node).count(".") == name.count(".") + 1
        if new is None or not is_by_module or not self._api.lacks(name):
            return updated_node
        return imports.expression(f"{imports.dotted(original_node).removesuffix(name)}{new}")

    def _name(self, node: cst.CSTNode) -> str:
        """What of TensorFlow it names; empty for anything else."""
        names = [found.name for found in self.get_metadata(QualifiedNameProvider, node, ())]
        prefixes = ("tensorflow.", "trainer.compat.v1.")
        return next((name.removeprefix(p) for name in names for p in prefixes if name.startswith(p)), "")

    def _is_dimension(self, node: cst.Attribute) -> bool:
        """Whether `node.value` is one dimension of a shape."""
        value = node.value
        if isinstance(value, cst.Subscript):
            return self._is_shape(value.value)
        return isinstance(value, cst.Name) and any(self._gives_dimension(each) for each in origins.of(self, value))

    def _is_shape(self, node: cst.BaseExpression) -> bool:
        if m.matches(node, _SHAPE | _NARROWED):
            return True
        if not isinstance(node, cst.Name):
            return False
        values = origins.of(self, node)
        return "shape" in node.value.lower() or any(m.matches(each, _SHAPE | _NARROWED) for each in values)

    def _gives_dimension(self, node: cst.CSTNode) -> bool:
        """Whether the value that a name gets is an element of a shape."""
        if isinstance(node, cst.Subscript):
            return self._is_shape(node.value)
        if isinstance(node, cst.CompFor | cst.For):
            return isinstance(node.iter, cst.BaseExpression) and self._is_shape(node.iter)
        return False
