from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.formats.schema import Schema
from trainer.networks import rnn_n

SCHEMA = Schema(steps=4, columns=("a", "b"), horizon=2, targets=("b",), mean=(0.0, 0.0), scale=(1.0, 1.0))
# Column b counts 0 to 3, its labels are 4 and 5; column a is far away, so that a mix-up shows.
VALUES = tf.constant([[[90.0, 0.0], [91.0, 1.0], [92.0, 2.0], [93.0, 3.0]]])
LABELS = tf.constant([[[4.0], [5.0]]])


def test_the_labels_of_a_step_are_the_values_that_follow_it():
    labels = rnn_n.labels_of_every_step(VALUES, LABELS, SCHEMA)
    np.testing.assert_array_equal(labels[0, :, :, 0], [[1, 2], [2, 3], [3, 4], [4, 5]])


def test_the_last_steps_labels_are_the_examples():
    np.testing.assert_array_equal(rnn_n.labels_of_every_step(VALUES, LABELS, SCHEMA)[:, -1], LABELS)


def test_only_forecasts_after_the_last_third_of_the_steps_count():
    right = rnn_n.labels_of_every_step(VALUES, LABELS, SCHEMA).numpy()
    early, late = right.copy(), right.copy()
    early[:, 1] += 100.0
    late[:, 2] += 2.0
    assert not rnn_n.errors(tf.constant(early), VALUES, LABELS, SCHEMA).numpy().any()
    np.testing.assert_array_equal(rnn_n.errors(tf.constant(late), VALUES, LABELS, SCHEMA)[0, :, 0, 0], [-2, 0])


def test_one_head_serves_every_step(make_schema, traced):
    network = traced(rnn_n.forecasts, make_schema(steps=12, columns=2, horizon=3, targets=2))
    assert network.weights["hidden_1/kernel"].shape == (6, 6)
    assert network.weights["hidden_2/kernel"].shape == (6, 3)
    assert network.weights["forecast/kernel"].shape == (3, 6)
