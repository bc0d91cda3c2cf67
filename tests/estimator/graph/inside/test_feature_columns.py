"""What TensorFlow's feature columns ask of whoever computes with them, below `__internal__`."""

from __future__ import annotations

import keras
import tensorflow as tf
import tf_keras

from trainer.estimator.graph.inside import feature_columns, keras_optimizers

NUMBER = tf.feature_column.numeric_column("x", shape=(2,))
WORD = tf.feature_column.categorical_column_with_identity("word", 3)
EMBEDDING = tf.feature_column.embedding_column(WORD, 2)


def test_columns_say_whether_they_give_numbers_and_take_a_state_manager() -> None:
    assert feature_columns.is_column(WORD) and not feature_columns.is_column("word")
    assert feature_columns.is_dense(NUMBER) and feature_columns.is_dense(EMBEDDING)
    assert not feature_columns.is_dense(WORD)
    with tf.Graph().as_default():
        old = tf.compat.v1.feature_column.shared_embedding_columns([WORD], 2)
    assert feature_columns.all_second([NUMBER, WORD]) and not feature_columns.all_second([NUMBER, *old])


def test_the_kinds_of_columns_are_known_by_their_classes() -> None:
    fc = tf.feature_column
    assert type(WORD) is feature_columns.Identity and type(EMBEDDING) is feature_columns.Embedding
    assert type(fc.bucketized_column(NUMBER, [0.0])) is feature_columns.Bucketized
    assert type(fc.crossed_column(["x", WORD], 3)) is feature_columns.Crossed
    assert type(fc.indicator_column(WORD)) is feature_columns.Indicator
    hashed = fc.categorical_column_with_hash_bucket("x", 3)
    listed = fc.categorical_column_with_vocabulary_list("x", ["a"])
    assert {type(WORD), type(hashed), type(listed)} < set(feature_columns.OF_ONE_FEATURE)


def test_a_column_computes_with_the_variables_that_it_asked_for() -> None:
    with tf.Graph().as_default():
        variables = feature_columns.ColumnVariables()
        EMBEDDING.create_state(variables)
        cache = feature_columns.transformations({"word": tf.constant([[1], [2]], tf.int64)})
        assert EMBEDDING.get_dense_tensor(cache, variables).shape.as_list() == [2, 2]
        (made,) = tf.compat.v1.trainable_variables()
        assert variables.get_variable(EMBEDDING, "embedding_weights") is made


def test_an_optimizer_gives_the_rate_that_it_was_made_with() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert keras_optimizers.learning_rate(keras.optimizers.SGD(schedule)) is schedule
    assert abs(keras_optimizers.learning_rate(keras.optimizers.SGD(0.25)) - 0.25) < 1e-6


def test_an_optimizer_of_another_graph_keeps_its_rate() -> None:
    with tf.Graph().as_default():
        optimizer = keras.optimizers.Adam(0.25)
    assert keras_optimizers.configuration(optimizer)["learning_rate"] == 0.25
    assert optimizer.iterations.numpy() == 0


def test_an_optimizer_of_keras_2_is_known_by_its_class_and_tells_what_it_was_made_with() -> None:
    legacy, schedule = tf_keras.optimizers.legacy, tf_keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    derived = type("Derived", (legacy.SGD,), {})(0.5)
    assert keras_optimizers.is_keras_2(derived) and not keras_optimizers.is_keras_2(keras.optimizers.SGD())
    assert keras_optimizers.is_stock_keras_2(legacy.SGD(), "SGD")
    assert not keras_optimizers.is_stock_keras_2(derived, "Derived")
    assert keras_optimizers.configuration(derived)["learning_rate"] == 0.5
    assert keras_optimizers.configuration(legacy.Adam(schedule))["learning_rate"] is schedule
    counters = [tf.Variable(0, dtype=tf.int64) for _ in range(2)]
    for counter in counters:
        keras_optimizers.show_counter(derived, counter)
        assert derived.iterations is counter
