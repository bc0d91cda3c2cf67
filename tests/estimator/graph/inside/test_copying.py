"""Canaries: what copying takes of TensorFlow's insides is there and does what we take it for."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.graph.inside import copying


def test_an_op_is_created_in_another_graph_with_a_device_and_attributes_of_its_own() -> None:
    with tf.Graph().as_default():
        product = tf.matmul(tf.ones([2, 3]), tf.ones([3, 4]))
    with tf.Graph().as_default() as graph, tf.device("/job:worker"):
        attributes = {**product.op.node_def.attr, "transpose_b": tf.compat.v1.AttrValue(b=True)}
        inputs = [tf.ones([5, 3]), tf.ones([4, 3])]
        here = copying.create(graph, product.op, inputs, attributes, "/job:ps")
        there = copying.create(graph, product.op, inputs, attributes, "")
    assert (here.graph, here.type, here.outputs[0].shape) == (graph, "MatMul", [5, 4])
    assert (here.device, there.device) == ("/job:ps", "/job:worker")
    assert product.op.get_attr("transpose_b") is False


def test_functions_of_one_graph_are_known_to_another() -> None:
    twice = tf.function(lambda x: x * 2.0)

    def source_of(x: tf.Tensor) -> tf.Tensor:
        return twice(x)

    source = tf.function(source_of).get_concrete_function(tf.constant(1.0)).graph
    (call,) = (op for op in source.get_operations() if "PartitionedCall" in op.type)
    target = copying.FuncGraph("target")
    copying.add_functions(source, target)
    name = call.get_attr("f").name
    assert copying.is_function(target, name) and not copying.is_function(target, "MatMul")
    assert name in {function.signature.name for function in target.as_graph_def().library.function}


def test_a_handle_is_known_to_be_of_a_shape_and_a_type() -> None:
    def read(handle: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

    variable = tf.Variable(tf.ones([2, 3]))
    with tf.Graph().as_default():
        bare, copied, told = (tf.compat.v1.placeholder(tf.resource, []) for _ in range(3))
        copying.copy_handle_data(variable.handle, copied)
        copying.set_handle_data(told, tf.TensorShape([None, 3]), tf.float32)
        assert read(bare).shape.rank is None
        assert read(copied).shape == [2, 3]
        assert read(told).shape.as_list() == [None, 3]
        assert copying.variable_shape(bare).rank is None
        assert copying.variable_shape(copied) == [2, 3]


def test_what_is_initialised_outside_of_a_function_graph_is_outside_of_it() -> None:
    with copying.FuncGraph("inner").as_default() as graph:
        assert tf.constant(1.0).graph is graph
        with tf.init_scope():
            assert tf.executing_eagerly()
