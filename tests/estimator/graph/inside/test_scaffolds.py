"""What a Saver was told, read from inside of it."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.graph.inside import scaffolds


def test_the_map_of_a_saver_is_found_and_a_list_is_no_map() -> None:
    with tf.Graph().as_default():
        weight = tf.compat.v1.get_variable("w", [], use_resource=True)
        assert scaffolds.saved_as(tf.compat.v1.train.Saver({"other": weight}))["other"] is weight
        assert scaffolds.saved_as(tf.compat.v1.train.Saver([weight])) == {}
    assert scaffolds.saved_as(None) == {}
