"""The optimizers of canned Estimators: what is taken, and that it does what tf.estimator's did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from trainer import estimator as tf2
from trainer.compat.v1 import estimator as tf1

X = tf.feature_column.numeric_column("x")
EMBEDDING = "dnn/input_from_feature_columns/input_layer/word_embedding/embedding_weights"
WORD = tf.feature_column.categorical_column_with_identity("word", 3)


def rows() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(({"x": [[1.0], [2.0]]}, [[1.0], [3.0]])).repeat()


def words() -> tf.data.Dataset:
    """The first of three words, and never another."""
    return tf.data.Dataset.from_tensors(({"word": np.int64([[0], [0]])}, [[1.0], [1.0]])).repeat()


def weight_after(optimizer: Any, steps: int = 3) -> float:
    """The weight of a linear model of x, which begins at 0."""
    model = tf2.LinearRegressor([X], optimizer=optimizer).train(rows, steps=steps)
    return model.get_variable_value("linear/linear_model/x/weights").item()


def scaled(learning_rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(learning_rate))


# What tf.estimator 2.15.1 gave for `LinearRegressor([X], optimizer=name)` on these rows after three steps.
REFERENCE = {
    "Adagrad": 0.4115035831928253,
    "Adam": 0.587548017501831,
    "Ftrl": 0.4115035831928253,
    "RMSProp": 0.8716367483139038,
    "SGD": 1.1359999179840088,
}


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_an_optimizer_by_name_steps_as_that_of_keras_2(name: str) -> None:
    assert weight_after(name) == pytest.approx(REFERENCE[name], rel=1e-6)


def test_an_optimizer_of_keras_3_steps_as_that_of_keras_2_with_its_values() -> None:
    # The gradient of the mean of (w - 1)² and (2w - 3)² at 0 is -7.
    assert weight_after(keras.optimizers.SGD(0.1), steps=1) == pytest.approx(0.7)
    assert weight_after(lambda: keras.optimizers.SGD(0.1, clipvalue=0.5), steps=1) == pytest.approx(0.05)
    assert weight_after(keras.optimizers.SGD(0.1, global_clipnorm=1e-3), steps=1) < 1e-4


def test_a_schedule_follows_the_global_step() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
    short, long = (weight_after(keras.optimizers.SGD(schedule), steps) for steps in (2, 9))
    assert short == long != 0.0


def test_an_optimizer_of_tf_keras_steps_as_it_did_in_keras_2() -> None:
    legacy = tf_keras.optimizers.legacy
    for name, reference in REFERENCE.items():
        optimizer = getattr(legacy, name.replace("Prop", "prop"))(0.2)  # the rate that names have in a linear model
        assert weight_after(optimizer) == pytest.approx(reference, rel=1e-6), name
    # Of the second step the gradient is -2.3, for the bias has moved too, and the rate 0.1 / (1 + 1).
    assert weight_after(legacy.SGD(0.1, decay=1.0), steps=2) == pytest.approx(0.7 + 0.05 * 2.3)
    assert weight_after(lambda: legacy.SGD(lambda: tf.constant(0.1)), steps=1) == pytest.approx(0.7)
    schedule = tf_keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.0])
    assert weight_after(legacy.SGD(schedule), steps=5) == pytest.approx(0.7)


class CountsItsSteps(tf_keras.optimizers.legacy.SGD):
    """Moves every variable up by the number of the step."""

    def get_updates(self, loss: tf.Tensor, params: Any) -> list[Any]:
        step = tf.cast(self.iterations + 1, tf.float32)
        moved = [variable.assign_add(tf.fill(variable.shape, step)) for variable in params]
        with tf.control_dependencies(moved):
            return [self.iterations.assign_add(1).op]


def test_an_optimizer_derived_from_that_of_tf_keras_makes_its_own_step() -> None:
    assert weight_after(CountsItsSteps(0.1), steps=3) == 1 + 2 + 3
    shown = CountsItsSteps(0.1)
    assert tf2.BaselineRegressor(optimizer=shown).train(rows, steps=2).get_variable_value(shown.iterations.name) == 2
    # Nadam is one that Keras 3 steps otherwise with; what is asked for is what runs.
    nadam = tf_keras.optimizers.legacy.Nadam(0.1)
    assert weight_after(nadam) == weight_after(nadam) != 0.0


def test_one_optimizer_serves_several_estimators(tmp_path: Path) -> None:
    adam = keras.optimizers.Adam(0.1)
    assert weight_after(adam) == weight_after(adam) != 0.0
    # So does one that Keras 2 did not have.
    lion = keras.optimizers.Lion(0.1)
    assert weight_after(lion) == weight_after(lion) != 0.0


@pytest.mark.parametrize("kind", [keras.optimizers.SGD, keras.optimizers.Lion, scaled])
def test_an_optimizer_may_be_made_in_a_graph_of_its_own(kind: Any) -> None:
    with tf.Graph().as_default():
        optimizer = kind(0.1)
    assert weight_after(optimizer) == weight_after(optimizer) == weight_after(kind(0.1)) != 0.0


@pytest.mark.parametrize("name", ["Adagrad", "Ftrl", "RMSProp", "SGD"])
def test_rows_of_an_embedding_that_no_batch_looks_up_stay(name: str) -> None:
    embedding = tf.feature_column.embedding_column(WORD, 2)
    # Without an activation and with a seed, or a unit that happens to be dead would leave its row too.
    config = tf2.RunConfig(tf_random_seed=1, save_checkpoints_steps=1, save_summary_steps=None)
    model = tf2.DNNRegressor([2], [embedding], optimizer=name, activation_fn=None, config=config)
    model.train(words, steps=4)
    first, last = (tf.train.load_variable(f"{model.model_dir}/model.ckpt-{step}", EMBEDDING) for step in (1, 4))
    np.testing.assert_array_equal(first[1:], last[1:])
    assert np.all(first[0] != last[0])


@pytest.mark.parametrize(
    ("module", "optimizer"),
    [
        (tf1, keras.optimizers.SGD(0.1)),
        (tf2, tf.compat.v1.train.GradientDescentOptimizer(0.1)),
        (tf2, 0.1),
    ],
)
def test_an_optimizer_of_the_other_version_is_refused_with_where_it_goes(module: Any, optimizer: Any) -> None:
    with pytest.raises(ValueError, match=r"canned Estimator of TensorFlow \d was given the optimizer .* go to the"):
        module.LinearRegressor([X], optimizer=optimizer).train(rows, steps=1)


@pytest.mark.parametrize("module", [tf1, tf2])
def test_an_unknown_name_is_refused_with_those_that_are_known(module: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported optimizer name: 'Adamm'.*Adagrad, Adam, Ftrl, RMSProp, SGD"):
        module.LinearRegressor([X], optimizer="Adamm").train(rows, steps=1)


def test_optimizers_of_a_combined_model_are_counted_apart(tmp_path: Path) -> None:
    model = tf2.DNNLinearCombinedRegressor(
        tmp_path, linear_feature_columns=[X], dnn_feature_columns=[X], dnn_hidden_units=[2], dnn_optimizer="Adam"
    ).train(rows, steps=3)
    assert model.get_variable_value("training/Ftrl/iter") == model.get_variable_value("global_step") == 3
