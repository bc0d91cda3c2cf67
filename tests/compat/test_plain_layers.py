"""Layers of `tf.contrib.layers` without weights, beside each other and behind each other."""

from __future__ import annotations

import numpy as np
import tensorflow

import trainer.compat.v1 as tf

LAYERS = tf.contrib.layers


def test_pools_take_the_largest_and_the_mean_of_windows() -> None:
    image = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1)
    with tf.contrib.framework.arg_scope([LAYERS.avg_pool2d], stride=1):
        mean = LAYERS.avg_pool2d(image, [4, 4])
    np.testing.assert_array_equal(np.reshape(mean, [-1]), [7.5])
    np.testing.assert_array_equal(np.reshape(LAYERS.max_pool2d(image, 2), [-1]), [5.0, 7.0, 13.0, 15.0])


def test_layers_behind_each_other_are_numbered_under_their_scopes() -> None:
    with tensorflow.Graph().as_default() as graph:
        image = tf.zeros([1, 8, 8, 1])
        net = LAYERS.repeat(image, 2, LAYERS.conv2d, 2, 3, scope="conv")
        net = LAYERS.repeat(net, 2, LAYERS.avg_pool2d, 2)
        LAYERS.stack(LAYERS.flatten(net), LAYERS.fully_connected, [3, [2]])
        names = {variable.op.name for variable in tf.global_variables() if "weights" in variable.op.name}
        pools = {operation.name for operation in graph.get_operations() if operation.type == "AvgPool"}
    assert names == {
        "conv/conv_1/weights",
        "conv/conv_2/weights",
        "Stack/fully_connected_1/weights",
        "Stack/fully_connected_2/weights",
    }
    assert pools == {"Repeat/avg_pool2d_1/AvgPool2D", "Repeat/avg_pool2d_2/AvgPool2D"}
