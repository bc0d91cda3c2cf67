"""Canaries: the graphs of loops and branches are there as they were traced, with the lines that made their ops."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.graph.inside import bodies


def traced() -> tf.Graph:
    def looped(x: tf.Tensor) -> tf.Tensor:
        doubled = tf.while_loop(lambda x: x < 9.0, lambda x: [tf.multiply(x, 2.0, name="doubled")], [x])
        return tf.gradients(doubled, x)[0]

    return tf.function(looped, autograph=False).get_concrete_function(tf.TensorSpec([])).graph


def loop_of(graph: tf.Graph) -> tf.Operation:
    return next(op for op in graph.get_operations() if op.type.endswith("While"))


def test_the_body_of_a_loop_is_a_graph_whose_ops_know_their_lines() -> None:
    loop = loop_of(traced())
    body = bodies.body(loop, loop.get_attr("body").name)
    assert body is not None
    doubled = next(op for op in body.get_operations() if op.type == "Mul")
    assert any(frame.filename == __file__ for frame in doubled.traceback)
    assert [tensor.dtype for tensor in body.inputs] == [tensor.dtype for tensor in loop.inputs]


def test_a_function_that_is_not_there_has_no_body() -> None:
    assert bodies.body(loop_of(traced()), "no_such_function") is None


def test_the_body_of_a_loop_is_related_to_the_graph_around_it() -> None:
    graph = traced()
    loop = loop_of(graph)
    body = bodies.body(loop, loop.get_attr("body").name)
    assert body in bodies.related(graph)
    assert body is not None and graph in bodies.related(body)


def test_an_attribute_names_other_functions() -> None:
    loop = loop_of(traced())
    stop = tf.function(lambda x: x < 1.0, autograph=False).get_concrete_function(tf.TensorSpec([]))
    target = tf.Graph()
    value = bodies.attribute(loop, "cond", [stop], target)
    assert value.func.name == stop.name.decode() and value.func.name in {
        function.signature.name for function in target.as_graph_def().library.function
    }
    assert bodies.attribute(loop, "cond", ["known"], target).func.name == "known"
