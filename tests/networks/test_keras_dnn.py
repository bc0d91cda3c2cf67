from __future__ import annotations

import keras
import numpy as np

from trainer.formats.schema import Schema
from trainer.networks import keras_dnn

SCHEMA = Schema(steps=3, columns=("a", "b"), horizon=2, targets=("b",), mean=(10.0, 100.0), scale=(2.0, 50.0))
VALUES = np.random.default_rng(1).normal((10.0, 100.0), (2.0, 50.0), size=(4, 3, 2)).astype(np.float32)


def compiled(seed: int | None = 1) -> keras.Model:
    return keras_dnn.compiled(SCHEMA, keras_dnn.Settings(keras_units=5), keras.optimizers.SGD(0.1), seed)


def test_values_and_forecasts_are_in_the_units_of_the_files():
    model = compiled()
    for layer in ("hidden", "linear"):
        model.get_layer(layer).kernel.assign(keras.ops.zeros_like(model.get_layer(layer).kernel))
    np.testing.assert_allclose(model(VALUES), np.full((4, 2, 1), 100.0))
    model.get_layer("linear").bias.assign([1.0, -1.0])
    np.testing.assert_allclose(model(VALUES)[0, :, 0], [150.0, 50.0])


def test_the_hidden_layer_sees_standardised_values():
    standardized = compiled().get_layer("standardize")(VALUES)
    np.testing.assert_allclose(standardized, (VALUES - [10.0, 100.0]) / [2.0, 50.0], atol=1e-5)


def test_the_loss_is_the_squared_error_in_standardised_units():
    model = compiled()
    labels = model.predict(VALUES, verbose=0) + 25.0
    np.testing.assert_allclose(model.evaluate(VALUES, labels, verbose=0), 0.25, rtol=1e-5)


def test_input_and_output_bear_the_names_of_the_signature():
    model = compiled()
    assert [tensor.name for tensor in model.inputs] == ["values"]
    assert model.output_names == ["forecast"]


def test_the_same_seed_gives_the_same_weights():
    np.testing.assert_array_equal(compiled(1)(VALUES), compiled(1)(VALUES))
    assert (compiled(1)(VALUES) != compiled(2)(VALUES)).numpy().any()


def test_the_model_is_rebuilt_from_its_config():
    model = compiled()
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(VALUES), model(VALUES))


def test_values_far_from_zero_keep_their_digits_until_the_mean_is_subtracted():
    far = Schema(steps=3, columns=("a",), horizon=1, targets=("a",), mean=(1e9,), scale=(0.5,), dtype="float64")
    model = keras_dnn.compiled(far, keras_dnn.Settings(), keras.optimizers.SGD(0.1), 1)
    near = np.random.default_rng(1).normal(size=(4, 3, 1))
    again = keras.Model.from_config(model.get_config())
    np.testing.assert_allclose(again.get_layer("standardize")(1e9 + 0.5 * near), near, atol=1e-6)
    forecast = model(1e9 + 0.5 * near)
    loss = model.compute_loss(y=forecast + 0.25, y_pred=forecast)
    np.testing.assert_allclose(loss, 0.25, rtol=1e-5)
