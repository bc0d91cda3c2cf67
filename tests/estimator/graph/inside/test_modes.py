"""What runs eagerly whatever mode the program is in, and what a person's functions find there."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from trainer.estimator.graph.inside.modes import as_the_program, eagerly


@eagerly
def size_eagerly(in_program: bool) -> tuple[bool, type]:
    if not in_program:
        return tf.executing_eagerly(), type(tf.TensorShape([1])[0])
    with as_the_program():
        return tf.executing_eagerly(), type(tf.TensorShape([1])[0])


@eagerly
def modes() -> Iterator[bool]:
    for _ in range(2):
        yield tf.executing_eagerly()


def test_functions_and_generators_run_eagerly_inside_of_a_graph() -> None:
    with tf.Graph().as_default():
        assert size_eagerly(in_program=False) == size_eagerly(in_program=True) == (True, int)
        assert not tf.executing_eagerly()
        for eager in modes():
            assert eager and not tf.executing_eagerly()


def test_only_a_persons_functions_find_the_shapes_of_version_1() -> None:
    tf.compat.v1.disable_v2_tensorshape()
    try:
        assert size_eagerly(in_program=False) == (True, int)
        assert size_eagerly(in_program=True) == (True, tf.compat.v1.Dimension)
        assert isinstance(tf.TensorShape([1])[0], tf.compat.v1.Dimension)
    finally:
        tf.compat.v1.enable_v2_tensorshape()
    assert size_eagerly(in_program=True) == (True, int)
