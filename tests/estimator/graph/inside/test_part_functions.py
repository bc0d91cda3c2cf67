"""A part of a graph as a function: what a copy of the part would compute, with nothing copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.framework import auto_control_deps_utils

from tests.estimator.graph.inside.test_insides import traced
from trainer.estimator.graph.inside.part_functions import GraphPart, PartFunction
from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.subgraphs import ancestors, in_order

X = tf.TensorSpec([2], name="x")


def of(graph: tf.Graph, outputs: Sequence[tf.Tensor], control_outputs: Sequence[tf.Operation] = ()) -> PartFunction:
    """A function of x, whatever else the graph does."""
    captures = [(outer, inner) for outer, inner in graph.captures]
    inputs = [graph.inputs[0], *(inner for _, inner in captures)]
    needed = ancestors([*(tensor.op for tensor in outputs), *control_outputs], {tensor.op for tensor in inputs})
    ops = in_order(graph, needed - {tensor.op for tensor in inputs})
    return PartFunction(GraphPart(graph, ops, inputs, outputs, control_outputs), [outer for outer, _ in captures])


def two_parts(variable: tf.Variable) -> tuple[tf.Graph, list[tf.Tensor], list[tf.Operation]]:
    """A graph that computes x + variable and a square of that, and then adds 1 to the variable."""
    made: list[Any] = []

    def body(x: tf.Tensor) -> None:
        total = x + variable
        with tf.control_dependencies([total]):
            write = variable.assign_add(1.0, read_value=False)
        made.extend([[total, total * total], [write]])

    graph = traced(body, X)
    return graph, made[0], made[1]


def test_a_part_gives_its_outputs_and_does_what_it_is_told_beside_them_and_nothing_else() -> None:
    variable = tf.Variable(3.0)
    graph, outputs, writes = two_parts(variable)
    assert [part.numpy().tolist() for part in of(graph, outputs)(tf.constant([1.0, 2.0]))] == [[4, 5], [16, 25]]
    assert variable.numpy() == 3.0
    (total,) = of(graph, outputs[:1], writes)(tf.constant([1.0, 2.0]))
    assert variable.numpy() == 4.0 and total.shape == [2]
    assert of(graph, (), writes)(tf.constant([0.0, 0.0])) == [] and variable.numpy() == 5.0


def test_a_tensor_may_be_an_output_twice_and_an_argument_may_be_one() -> None:
    graph, (total, _), _ = two_parts(tf.Variable(3.0))
    results = of(graph, [total, graph.inputs[0], total])(tf.constant([1.0, 2.0]))
    assert [part.numpy().tolist() for part in results] == [[4, 5], [1, 2], [4, 5]]


def test_it_is_called_in_graphs_and_loops_and_has_static_shapes_there() -> None:
    variable = tf.Variable(3.0)
    graph, (total, _), writes = two_parts(variable)
    function = of(graph, [total], writes)

    @tf.function
    def three_times(x: tf.Tensor) -> tf.Tensor:
        assert function(x)[0].shape == [2]
        return tf.while_loop(lambda n, _: n < 2, lambda n, y: (n + 1, function(y)[0]), [0, x])[1]

    assert three_times(tf.zeros([2])).numpy().tolist() == [9, 9] and variable.numpy() == 6.0


def test_a_call_is_known_to_only_read_what_its_own_operations_only_read() -> None:
    variable = tf.Variable(3.0)
    graph, outputs, writes = two_parts(variable)

    def called(*parts: PartFunction) -> list[tuple[int, int]]:
        @tf.function
        def run() -> None:
            for part in parts:
                part(tf.zeros([2]))

        calls = [op for op in run.get_concrete_function().graph.get_operations() if op.type.endswith("PartitionedCall")]
        found = (auto_control_deps_utils.get_read_write_resource_inputs(op) for op in calls)
        return [(len(read), len(written)) for read, written in found]

    assert called(of(graph, outputs), of(graph, outputs, writes)) == [(1, 0), (0, 1)]


def test_functions_that_its_operations_call_come_along() -> None:
    made: list[tf.Tensor] = []
    double = tf.function(lambda x: tf.where(x > 0.0, x * 2.0, x))
    graph = traced(lambda x: made.append(tf.map_fn(double, x)), X)
    assert of(graph, made)(tf.constant([-1.0, 2.0]))[0].numpy().tolist() == [-1, 4]
    in_graph = tf.function(lambda x: of(graph, made)(x)[0])
    assert in_graph(tf.constant([-1.0, 2.0])).numpy().tolist() == [-1, 4]


def test_a_saved_model_answers_what_a_part_does(tmp_path: Any) -> None:
    module = tf.Module()
    module.variable = tf.Variable(3.0)
    graph, outputs, _ = two_parts(module.variable)
    function = of(graph, outputs[1:])
    module.square = tf.function(lambda x: function(x)[0], input_signature=[X])
    tf.saved_model.save(module, str(tmp_path), signatures={"square": module.square})
    answered = tf.saved_model.load(str(tmp_path)).signatures["square"](tf.constant([1.0, 2.0]))
    assert next(iter(answered.values())).numpy().tolist() == [16, 25]


def test_what_fails_in_it_names_the_line_that_made_the_operation() -> None:
    made: list[tf.Tensor] = []
    graph = traced(lambda x: made.append(tf.debugging.check_numerics(x, "wrong here")), X)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)test_part_functions.py.*wrong here"):
        of(graph, made)(tf.constant([1.0, float("nan")]))


def test_a_part_that_waits_for_what_stands_outside_is_a_copy_which_does_not() -> None:
    made: dict[str, Any] = {}

    def body(x: tf.Tensor) -> None:
        made["before"] = tf.print("never")
        with tf.control_dependencies([made["before"]]):
            made["after"] = -x

    graph = traced(body, X)
    edges = {made["after"].op: [made["before"]]}
    function = prune(graph, made["after"], feeds=graph.inputs, without=edges)
    assert function(tf.constant([1.0, 2.0])).numpy().tolist() == [-1, -2]
    assert all(op.graph is not graph for op in function.operations)
