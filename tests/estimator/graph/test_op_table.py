"""The one table of ops names ops that TensorFlow has, and what it says of them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph import op_table

TABLES = {
    name: value for name, value in vars(op_table).items() if isinstance(value, frozenset) and not name.startswith("_")
}
NO_TENSORS = {"name", "message", "Truncate", "incompatible_shape_error"}


@pytest.mark.parametrize("table", TABLES)
def test_every_op_that_is_named_is_one_of_tensorflows(table: str) -> None:
    assert {name for name in TABLES[table] if not hasattr(tf.raw_ops, name)} == set()


@pytest.mark.parametrize("prefix", op_table.UPDATE_PREFIXES)
def test_every_family_of_updates_has_members(prefix: str) -> None:
    assert [name for name in dir(tf.raw_ops) if name.startswith(prefix)]


def elementwise(name: str, values: np.ndarray) -> tf.Tensor:
    """An op of all of its inputs the same, [rows, 3], but conditions, which are whether they are large."""
    match name:
        case "AddN":
            return tf.raw_ops.AddN(inputs=[values, values])
        case "Cast":
            return tf.raw_ops.Cast(x=values, DstT=tf.int32)
    inputs = [key for key in inspect.signature(getattr(tf.raw_ops, name)).parameters if key not in NO_TENSORS]
    large = name.startswith("Logical")
    return getattr(tf.raw_ops, name)(
        **{key: tf.constant(values > 0.5 if large or key == "condition" else values) for key in inputs}
    )


@pytest.mark.parametrize("name", sorted(op_table.ELEMENTWISE))
def test_arithmetic_by_elements_gives_for_some_rows_what_it_gives_for_all(name: str) -> None:
    values = np.linspace(0.25, 0.75, 12, dtype=np.float32).reshape(4, 3)
    # Kernels compute some elements in vectors and some alone, which differ in the last bit.
    np.testing.assert_allclose(elementwise(name, values[:2]), elementwise(name, values)[:2], rtol=1e-6)
    with tf.Graph().as_default():
        assert not elementwise(name, values).op.op_def.is_stateful


def test_functions_that_an_op_calls_are_named() -> None:
    def body(x: tf.Tensor) -> tf.Tensor:
        return tf.cond(x > 0.0, lambda: x + 1.0, lambda: x - 1.0)

    graph = tf.function(body, autograph=False).get_concrete_function(tf.constant(1.0)).graph
    (branch,) = (op for op in graph.get_operations() if op.type.endswith("If"))
    assert ["true" in name for name in op_table.calls(branch)].count(True) == 1
    assert len(op_table.calls(branch)) == 2
    assert op_table.calls(graph.inputs[0].op) == []
