"""Compiled Keras models as Estimators."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, RunConfig, model_to_estimator
from trainer.estimator.contract import export
from trainer.estimator.contract.xla_use import XlaUse, asked_for

X = np.random.RandomState(0).uniform(-1, 1, (12, 2)).astype(np.float32)
Y = (X @ [[1.0], [-2.0]]).astype(np.float32)


def layers() -> list[keras.layers.Layer]:
    return [keras.layers.Dense(2, activation="tanh", name="hidden"), keras.layers.Dense(1, name="out")]


def sequential(**compiled: Any) -> keras.Model:
    return compile_model(keras.Sequential([keras.Input([2]), *layers()]), **compiled)


def built_late(**compiled: Any) -> keras.Model:
    model = keras.Sequential(layers())
    model.build((None, 2))
    return compile_model(model, **compiled)


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):
    def __init__(self, units: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.units = units
        self.hidden = keras.layers.Dense(units, activation="tanh", name="hidden")
        self.out = keras.layers.Dense(1, name="out")

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(x))

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units}


def subclassed(**compiled: Any) -> keras.Model:
    model = Subclassed(2)
    model(X)
    return compile_model(model, **compiled)


def functional(**compiled: Any) -> keras.Model:
    inputs = keras.Input([2], name="x")
    hidden = keras.layers.Dense(2, activation="tanh", name="hidden")(inputs)
    return compile_model(keras.Model(inputs, keras.layers.Dense(1, name="out")(hidden)), **compiled)


def several(**compiled: Any) -> keras.Model:
    left, right = keras.Input([2], name="left"), keras.Input([2], name="right")
    both = keras.layers.Concatenate(name="both")([left, right])
    outputs = [keras.layers.Dense(1, name=name)(both) for name in ("total", "share")]
    return compile_model(keras.Model([left, right], outputs), **compiled)


def compile_model(model: keras.Model, **compiled: Any) -> keras.Model:
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **compiled})
    return model


def data(key: str = "x", size: int = 4, weights: Any = None) -> Callable[[], tf.data.Dataset]:
    features: Any = {key: X} if key else X
    if weights is not None:
        features = {"features": features, "sample_weights": weights}
    return lambda: tf.data.Dataset.from_tensor_slices((features, Y)).batch(size)


def kernel(estimator: Estimator, name: str = "hidden/kernel") -> np.ndarray:
    return estimator.get_variable_value(name)


# What it takes


def test_a_model_whose_config_says_too_little_is_an_error(tmp_path: Path) -> None:
    class Forgetful(Subclassed):
        def get_config(self) -> dict[str, Any]:
            return {"units": 3}

    model = Forgetful(2, name="forgetful")
    model(X)
    with pytest.raises(ValueError, match="The Keras model forgetful has .* values cannot be carried over"):
        model_to_estimator(compile_model(model), model_dir=tmp_path)


def test_a_model_or_a_path_is_needed_and_not_both(tmp_path: Path) -> None:
    for arguments in ({}, {"keras_model": functional(), "keras_model_path": "model.keras"}):
        with pytest.raises(ValueError, match="takes a keras_model or a keras_model_path, one of them"):
            model_to_estimator(model_dir=tmp_path, **arguments)


def test_an_uncompiled_model_is_an_error(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)], name="plain")
    with pytest.raises(ValueError, match="The Keras model plain is not compiled. Call its compile"):
        model_to_estimator(model, model_dir=tmp_path)


def test_a_model_that_cannot_be_rebuilt_is_an_error(tmp_path: Path) -> None:
    class Own(keras.Model):
        def __init__(self, layer: keras.layers.Layer) -> None:
            super().__init__(name="own")
            self.layer = layer

        def call(self, x: Any) -> Any:
            return self.layer(x)

    with pytest.raises(ValueError, match="The Keras model own cannot be rebuilt.*Give its class get_config"):
        model_to_estimator(compile_model(Own(keras.layers.Dense(1))), model_dir=tmp_path)


def test_a_saved_model_is_loaded_from_its_path(tmp_path: Path) -> None:
    model = functional()
    model.save(tmp_path / "model.keras")
    estimator = model_to_estimator(keras_model_path=tmp_path / "model.keras", model_dir=tmp_path / "run")
    estimator.train(data(), steps=1)
    reader = tf.train.load_checkpoint(str(tmp_path / "run" / "model.ckpt-0"))
    assert reader.get_tensor("hidden/kernel").tolist() == model.get_layer("hidden").kernel.numpy().tolist()
    with pytest.raises(ValueError, match="keras_model_path .*nowhere.keras cannot be loaded"):
        model_to_estimator(keras_model_path=tmp_path / "nowhere.keras", model_dir=tmp_path)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_saved_model_that_holds_python_code_is_refused(tmp_path: Path, name: str) -> None:
    inputs = keras.Input([2], name="x")
    model = compile_model(keras.Model(inputs, keras.layers.Lambda(lambda x: 2 * x)(inputs)))
    model.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"holds Python code, a Lambda layer\. .*safe_mode=False\)"):
        model_to_estimator(keras_model_path=tmp_path / name, model_dir=tmp_path)


def test_functions_of_a_model_in_memory_are_used_as_they_are(tmp_path: Path) -> None:
    factor = tf.constant(2.0)

    def sized(shape: Any) -> Any:
        return shape

    inputs = keras.Input([2], name="x")
    scaled = keras.layers.Lambda(lambda x: tf.multiply(x, factor), output_shape=lambda shape: shape)(inputs)
    inner = keras.Sequential([keras.Input([2]), keras.layers.Lambda(lambda x: X.shape[1] * x), *layers()])
    each = keras.layers.TimeDistributed(keras.layers.Lambda(lambda x: x, output_shape=sized))
    rows = keras.layers.Lambda(lambda x: x[:, None], mask=lambda x, _: None)(inner(scaled))
    model = compile_model(keras.Model(inputs, keras.layers.Reshape([1], name="flat")(each(rows))))
    estimator = model_to_estimator(model, model_dir=tmp_path)
    expected = model(X).numpy()
    found = np.stack([row["flat"] for row in estimator.predict(lambda: tf.data.Dataset.from_tensors({"x": X}))])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class Doubled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2.0 * x


def halved_error(labels: Any, predictions: Any) -> Any:
    return keras.ops.mean(keras.ops.square(labels - predictions), axis=-1) / 2.0


def test_custom_objects_are_known_in_every_graph(tmp_path: Path) -> None:
    inputs = keras.Input([2], name="x")
    model = compile_model(keras.Model(inputs, Doubled()(keras.layers.Dense(1)(inputs))), loss=halved_error)
    model.save(tmp_path / "model.keras")
    objects = {"Doubled": Doubled, "halved_error": halved_error}
    path = tmp_path / "model.keras"
    estimator = model_to_estimator(keras_model_path=path, custom_objects=objects, model_dir=tmp_path / "run")
    expected = np.mean((model(X).numpy() - Y) ** 2) / 2
    assert estimator.evaluate(data(size=12))["loss"] == pytest.approx(expected, rel=1e-5)


# Training


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What Keras makes of weights in an epoch: those of the layer `hidden` after it, and its loss and error then."""

    start: list[np.ndarray]
    kernel: np.ndarray
    loss: float
    mae: float


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    model = functional(metrics=["mae"])
    start = model.get_weights()
    model.fit(X, Y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return Fitted(start, model.get_layer("hidden").kernel.numpy(), *model.evaluate(X, Y, batch_size=12, verbose=0))


@pytest.mark.parametrize(
    ("build", "key"),
    [(functional, "x"), (sequential, "hidden_input"), (built_late, "hidden_input"), (subclassed, "")],
)
def test_training_goes_the_way_of_keras_fit(build: Any, key: str, fitted: Fitted, tmp_path: Path) -> None:
    model = build(metrics=["mae"])
    model.set_weights(fitted.start)
    estimator = model_to_estimator(model, model_dir=tmp_path)
    estimator.train(data(key))
    (name,) = (name for name in estimator.get_variable_names() if name.endswith("hidden/kernel"))
    assert np.array_equal(model.get_layer("hidden").kernel.numpy(), fitted.start[0])
    assert kernel(estimator, name) == pytest.approx(fitted.kernel, abs=1e-6)
    assert not np.array_equal(kernel(estimator, name), fitted.start[0])
    assert estimator.get_variable_value("global_step") == 3
    results = estimator.evaluate(data(key, 12))
    assert (results["loss"], results["mae"]) == pytest.approx((fitted.loss, fitted.mae), rel=1e-5)


def test_adam_in_keras_goes_the_same_way_too_and_is_continued(tmp_path: Path) -> None:
    model = functional(optimizer=keras.optimizers.Adam(0.05, name="adam"))
    for steps in (1, 2):
        # Another Estimator object of the same directory, as after a restart.
        model_to_estimator(model, model_dir=tmp_path).train(data(), steps=steps)
    estimator = model_to_estimator(model, model_dir=tmp_path)
    model.fit(X, Y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    assert kernel(estimator) == pytest.approx(model.get_layer("hidden").kernel.numpy(), abs=1e-6)
    assert estimator.get_variable_value("adam/iteration") == 3


def test_what_was_learned_before_carries_over_but_not_the_metrics_of_it(tmp_path: Path) -> None:
    model = functional(metrics=["mae"])
    model.fit(X, Y, batch_size=4, verbose=0)
    expected = model.evaluate(X, Y, batch_size=12, verbose=0)
    results = model_to_estimator(model, model_dir=tmp_path).evaluate(data(size=12))
    assert [results["loss"], results["mae"]] == pytest.approx(expected, rel=1e-5)


def test_regularizers_and_activity_losses_are_in_the_loss(tmp_path: Path) -> None:
    inputs = keras.Input([2], name="x")
    hidden = keras.layers.Dense(2, kernel_regularizer="l2", name="hidden")(inputs)
    outputs = keras.layers.Dense(1, name="out")(keras.layers.ActivityRegularization(l2=0.1)(hidden))
    model = compile_model(keras.Model(inputs, outputs))
    estimator = model_to_estimator(model, model_dir=tmp_path)
    expected = model.evaluate(X, Y, batch_size=12, verbose=0)
    assert estimator.evaluate(data(size=12))["loss"] == pytest.approx(expected, rel=1e-5)
    estimator.train(data())
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert kernel(estimator) == pytest.approx(model.get_layer("hidden").kernel.numpy(), abs=1e-6)


def test_dropout_and_batch_normalization_follow_the_seed(tmp_path: Path) -> None:
    def noisy() -> keras.Model:
        inputs = keras.Input([2], name="x")
        hidden = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization(name="norm")(inputs))
        ones = keras.initializers.Ones()
        return compile_model(keras.Model(inputs, keras.layers.Dense(1, name="out", kernel_initializer=ones)(hidden)))

    model = noisy()
    runs = []
    for name in ("first", "second"):
        config = RunConfig(tf_random_seed=3)
        estimator = model_to_estimator(model, model_dir=tmp_path / name, config=config).train(data())
        runs.append({key: estimator.get_variable_value(key).tolist() for key in estimator.get_variable_names()})
    assert runs[0] == runs[1]
    assert runs[0]["norm/moving_mean"] != [0.0, 0.0]


def test_sample_weights_weight_the_examples(tmp_path: Path) -> None:
    weights = np.arange(12, dtype=np.float32)
    model = functional(weighted_metrics=["mae"])
    estimator = model_to_estimator(model, model_dir=tmp_path)
    expected = model.evaluate(X, Y, sample_weight=weights, batch_size=12, verbose=0)
    results = estimator.evaluate(data(size=12, weights=weights))
    assert [results["loss"], results["mae"]] == pytest.approx(expected, rel=1e-5)
    estimator.train(data(weights=weights))
    model.fit(X, Y, sample_weight=weights, batch_size=4, shuffle=False, verbose=0)
    assert kernel(estimator) == pytest.approx(model.get_layer("hidden").kernel.numpy(), abs=1e-6)


# Features, labels and names


def test_a_tensor_serves_a_model_of_one_input(tmp_path: Path) -> None:
    assert model_to_estimator(functional(), model_dir=tmp_path).evaluate(data(""), steps=1)["global_step"] == 0


def test_a_missing_feature_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="The model's input 'x' is missing in the features; they have 'other'"):
        model_to_estimator(functional(), model_dir=tmp_path).train(data("other"), steps=1)


def pairs(names: Any = ("total", "share")) -> Callable[[], tf.data.Dataset]:
    labels = dict(zip(names, (Y, 0.5 * Y), strict=False)) if names else (Y, 0.5 * Y)
    return lambda: tf.data.Dataset.from_tensor_slices(({"right": X, "left": -X}, labels)).batch(4)


def test_several_inputs_and_outputs_are_keyed_by_name(tmp_path: Path) -> None:
    losses = {"total": "mse", "share": "mae"}
    settings = {"loss": losses, "loss_weights": {"total": 1.0, "share": 3.0}, "metrics": {"share": ["mae"]}}
    model = several(**settings)
    estimator = model_to_estimator(model, model_dir=tmp_path)
    results = estimator.evaluate(pairs())
    predicted = [np.asarray(output) for output in model([-X, X])]
    expected = np.mean((predicted[0] - Y) ** 2) + 3.0 * np.mean(abs(predicted[1] - 0.5 * Y))
    assert results["loss"] == pytest.approx(expected, rel=1e-5)
    assert results["share_mae"] == pytest.approx(np.mean(abs(predicted[1] - 0.5 * Y)), rel=1e-5)
    assert set(next(iter(estimator.predict(pairs())))) == {"total", "share"}
    estimator.train(pairs())
    model.fit([-X, X], [Y, 0.5 * Y], batch_size=4, shuffle=False, verbose=0)
    assert kernel(estimator, "share/kernel") == pytest.approx(model.get_layer("share").kernel.numpy(), abs=1e-6)


def test_the_label_of_every_output_is_needed(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="The labels lack 'share'; they have 'total'. Key them by output"):
        model_to_estimator(several(), model_dir=tmp_path).train(pairs(("total",)), steps=1)


def test_metrics_are_renamed_by_the_map(tmp_path: Path) -> None:
    model = functional(metrics=["mae", keras.metrics.RootMeanSquaredError(name="rms")])
    names = {"mae": "mean_error"}
    results = model_to_estimator(model, model_dir=tmp_path, metric_names_map=names).evaluate(data())
    assert set(results) == {"loss", "mean_error", "rms", "global_step"}
    wrong = model_to_estimator(model, model_dir=tmp_path, metric_names_map={"mae": "mean_error", "rmse": "rms"})
    with pytest.raises(ValueError, match="metric_names_map names rmse. The model's metrics are mae, rms. Correct"):
        wrong.evaluate(data())


def test_a_model_that_was_never_trained_is_exported_with_its_own_weights(tmp_path: Path) -> None:
    model = functional()
    receiver = export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 2])})
    path = model_to_estimator(model, model_dir=tmp_path / "run").export_saved_model(str(tmp_path / "out"), receiver)
    served = tf.saved_model.load(path.decode()).signatures["serving_default"](x=X)
    assert served["out"].numpy() == pytest.approx(np.asarray(model(X)), abs=1e-6)


def test_the_format_of_checkpoints_is_the_sixth_argument_and_changes_nothing(tmp_path: Path) -> None:
    estimator = model_to_estimator(functional(), None, None, tmp_path, RunConfig(), "saver").train(data(), steps=1)
    assert "hidden/kernel" in estimator.get_variable_names()
    with pytest.raises(ValueError, match="checkpoint_format is 'object'. It takes checkpoint or saver"):
        model_to_estimator(functional(), checkpoint_format="object")


def test_the_outputs_of_a_subclassed_model_are_numbered(tmp_path: Path) -> None:
    estimator = model_to_estimator(subclassed(), model_dir=tmp_path)
    assert next(estimator.predict(lambda: tf.data.Dataset.from_tensors(X))).keys() == {"output_1"}


def test_labels_are_keyed_as_the_outputs_where_these_are_a_dict(tmp_path: Path) -> None:
    inputs = keras.Input([2], name="x")
    outputs = {"b": keras.layers.Dense(1, name="b")(inputs), "a": keras.layers.Dense(1, name="a")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"b": "mse", "a": "mae"})
    labels = {"a": Y, "b": 5 * Y}
    estimator = model_to_estimator(model, model_dir=tmp_path)
    results = estimator.evaluate(lambda: tf.data.Dataset.from_tensors(({"x": X}, labels)))
    by_hand = np.mean((model(X)["b"] - labels["b"]) ** 2) + np.mean(abs(model(X)["a"] - labels["a"]))
    assert results["loss"] == pytest.approx(float(by_hand), rel=1e-5)


# Export


def test_an_export_answers_as_the_model(tmp_path: Path) -> None:
    model = functional()
    estimator = model_to_estimator(model, model_dir=tmp_path / "run").train(data(), steps=1)
    receiver = export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 2])})
    path = estimator.export_saved_model(str(tmp_path / "out"), receiver).decode()
    served = tf.saved_model.load(path).signatures["serving_default"](x=X)
    (predicted,) = estimator.predict(data(size=12), yield_single_examples=False)
    assert served["out"].numpy() == pytest.approx(predicted["out"], abs=1e-6)


def test_outputs_may_be_answered_in_another_way(tmp_path: Path) -> None:
    outputs = {"out": export.RegressionOutput}
    estimator = model_to_estimator(functional(), model_dir=tmp_path / "run", export_outputs=outputs)
    estimator.train(data(), steps=1)
    receiver = export.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([2], tf.float32)})
    path = estimator.export_saved_model(str(tmp_path / "out"), receiver).decode()
    assert set(tf.saved_model.load(path).signatures) == {"out", "serving_default"}
    wrong = model_to_estimator(functional(), model_dir=tmp_path / "run", export_outputs={"nope": export.PredictOutput})
    with pytest.raises(KeyError, match="export_outputs names nope. The model's outputs are out"):
        wrong.export_saved_model(str(tmp_path / "wrong"), receiver)


def test_a_model_that_is_compiled_again_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    model = sequential()
    for steps in (3, 5):
        model.compile(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), loss="mse")
        estimator = model_to_estimator(model, model_dir=tmp_path)
        estimator.train(lambda: tf.data.Dataset.from_tensors((X, Y)).repeat(), max_steps=steps)
        assert estimator.get_variable_value("sgd/iteration") == steps
    model.compile(optimizer=keras.optimizers.SGD(0.1, name="mine"), loss="mse")
    mine = model_to_estimator(model, model_dir=tmp_path / "mine")
    mine.train(lambda: tf.data.Dataset.from_tensors((X, Y)), steps=1)
    assert "mine/iteration" in mine.get_variable_names()


def words() -> keras.Model:
    """Words are looked up in a vocabulary that a layer of a model inside has learnt, numbers scaled as one has seen."""
    vectorization = keras.layers.TextVectorization(output_sequence_length=2, name="tokens")
    vectorization.adapt(tf.constant(["good bad", "fine"]))
    scaling = keras.layers.Normalization(name="scaling")
    scaling.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
    text, numbers = keras.Input([1], dtype="string", name="text"), keras.Input([2], name="numbers")
    inner = keras.Model(text, keras.layers.Embedding(9, 3)(vectorization(text)), name="inner")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(inner(text)), scaling(numbers)])
    return compile_model(keras.Model([text, numbers], keras.layers.Dense(1)(joined)))


def test_what_layers_have_learnt_in_adapt_is_trained_evaluated_and_exported_with(tmp_path: Path) -> None:
    model = words()
    features = {
        "text": tf.constant([["good bad"], ["unknown"]]),
        "numbers": tf.constant([[1.0, 30.0], [2.0, 20.0]]),
    }
    estimator = model_to_estimator(model, model_dir=tmp_path)
    expected = model.predict([features["text"], features["numbers"]], verbose=0)
    estimator.train(lambda: tf.data.Dataset.from_tensors((features, [[0.0], [1.0]])), steps=1)
    first = estimator.model_dir + "/model.ckpt-0"
    predicted = estimator.predict(lambda: tf.data.Dataset.from_tensors(features), checkpoint_path=first)
    assert [list(one.values())[0] for one in predicted] == pytest.approx(expected, abs=1e-5)
    specs = {name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in features.items()}
    path = estimator.export_saved_model(str(tmp_path / "exports"), export.build_raw_serving_input_receiver_fn(specs))
    served = tf.saved_model.load(path.decode()).signatures["serving_default"](**features)
    assert next(iter(served.values())).shape == [2, 1]


def test_a_layer_that_cannot_be_rebuilt_with_what_it_has_learnt_is_refused() -> None:
    lookup = keras.layers.StringLookup(output_mode="tf_idf", name="weighted")
    lookup.adapt(tf.constant([["good", "bad"]]))
    text = keras.Input([1], dtype="string")
    model = compile_model(keras.Model(text, keras.layers.Dense(1)(lookup(text))))
    with pytest.raises(ValueError, match="layer weighted of .* learnt its vocabulary .* Give the layer its vocabulary"):
        model_to_estimator(model)


@pytest.mark.parametrize(
    ("given", "level", "use"),
    [
        ({}, 0, XlaUse.WHERE_IT_PAYS),
        ({"jit_compile": "auto"}, 0, XlaUse.WHERE_IT_PAYS),
        ({"jit_compile": False}, 0, XlaUse.NEVER),
        ({"jit_compile": True}, 0, XlaUse.AT_ONCE),
        ({"jit_compile": True}, -1, XlaUse.NEVER),
    ],
    ids=["nothing said", "auto", "no", "yes", "no by the config"],
)
def test_what_compile_says_of_xla_holds_where_the_config_leaves_it_open(
    given: dict[str, Any], level: int, use: XlaUse, tmp_path: Path
) -> None:
    session_config = tf.compat.v1.ConfigProto()
    session_config.graph_options.optimizer_options.global_jit_level = level
    estimator = model_to_estimator(
        sequential(**given), model_dir=tmp_path, config=RunConfig(session_config=session_config)
    )
    assert asked_for(estimator.config.session_config) is use
    if level == 0:
        plain = model_to_estimator(sequential(**given), model_dir=tmp_path)
        assert asked_for(plain.config.session_config) is use


def test_a_model_that_is_loaded_does_not_say_that_xla_is_kept_out(tmp_path: Path) -> None:
    sequential().save(tmp_path / "model.keras")  # where "auto" is written as what it came to on this machine
    estimator = model_to_estimator(keras_model_path=tmp_path / "model.keras", model_dir=tmp_path / "run")
    assert asked_for(estimator.config.session_config) is XlaUse.WHERE_IT_PAYS
