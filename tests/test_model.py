"""The settings of the model, its metrics, and the whole model function in an Estimator."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import model
from trainer.estimator import ModeKeys, RunConfig, RunContext, RunValues, TrainingHook
from trainer.estimator.contract import export
from trainer.formats.schema import Schema
from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.model import Params
from trainer.networks.registry import Model
from trainer.problems import forecasting
from trainer.problems.optimizers import Optimizer

SCHEMA = Schema(steps=6, columns=("a", "b"), horizon=2, targets=("b",), mean=(10.0, 100.0), scale=(2.0, 50.0))
WITHOUT_SCALES = dataclasses.replace(SCHEMA, mean=(0.0, 0.0), scale=(1.0, 1.0))
RANDOM = np.random.default_rng(5)
VALUES = RANDOM.normal((10.0, 100.0), (2.0, 50.0), size=(20, 6, 2)).astype(np.float32)
LABELS = RANDOM.normal(100.0, 50.0, size=(20, 2, 1)).astype(np.float32)
OF_SHORT_WINDOWS: dict[str, dict[str, Any]] = {
    "sparsetsf": {"sparse_period": 2},
    "patchtst": {"patch_length": 2, "patch_stride": 2, "patch_layers": 1},
    "nhits": {"hits_units": 16},
}


def input_fn(repeat: int = 1) -> tf.data.Dataset:
    return (
        tf.data.Dataset.from_tensor_slices(({"values": VALUES}, LABELS)).repeat(repeat).batch(10, drop_remainder=True)
    )


def estimator(directory: pathlib.Path, **params: Any) -> Any:
    # What XLA makes of each network is compared in `networks/test_contract.py`; to compile them takes most of the time.
    session_config = tf.compat.v1.ConfigProto()
    session_config.graph_options.optimizer_options.global_jit_level = tf.compat.v1.OptimizerOptions.OFF
    config = RunConfig(str(directory), 1, save_summary_steps=None, session_config=session_config)
    return model.PROBLEM.call("make_estimator", params=Params(**params), config=config, schema=SCHEMA)


def forecasts(trained: Any) -> np.ndarray:
    return np.stack([prediction["forecast"] for prediction in trained.predict(input_fn)])


@dataclasses.dataclass(frozen=True)
class Trained:
    """An Estimator after forty steps, and what it evaluated to before and after them. Do not train it further."""

    estimator: Any
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Model], Trained]:
    """Trains a network when it is first asked for."""

    @functools.cache
    def train(name: Model) -> Trained:
        untrained = estimator(tmp_path_factory.mktemp(name.value), model=name, **OF_SHORT_WINDOWS.get(name.value, {}))
        before = untrained.evaluate(input_fn)
        untrained.train(lambda: input_fn(repeat=20), steps=40)
        return Trained(untrained, before, untrained.evaluate(input_fn))

    return train


class Losses(TrainingHook):
    """Those of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self.seen.extend(run_values.losses.tolist())


# Settings


def test_every_field_is_a_flag():
    argv = ["--model=rnnN", "--learning-rate=.001", "--optimizer=sgd", "--lstm_units=128.0", "--clip_norm=1"]
    params = flags.parse(argv, Params)[Params]
    assert params == Params(
        model=Model("rnnN"), learning_rate=0.001, optimizer=Optimizer.SGD, lstm_units=128, clip_norm=1.0
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": 0.0}, r"--learning_rate=0.0. Accepted: a number above 0"),
        ({"learning_rate": float("nan")}, r"--learning_rate=nan"),
        ({"clip_norm": -1.0}, r"--clip_norm=-1.0. Accepted: a number above 0"),
        ({"momentum": 1.0}, r"--momentum=1.0. Accepted: at least 0 and below 1"),
        ({"lstm_units": 0}, r"--lstm_units=0. Accepted: a whole number from 1 up"),
        ({"keras_units": -3}, r"--keras_units=-3"),
        ({"model": "lstm2"}, r"--model=lstm2. Accepted: one of cnn, dlinear, dnn, fits, keras_dnn, linear, lstm"),
        ({"optimizer": "adamm"}, r"--optimizer=adamm. Accepted: one of sgd, momentum, adam"),
    ],
)
def test_a_setting_that_cannot_be_names_its_flag(setting, message):
    with pytest.raises(UsageError, match=message):
        Params(**setting)


def test_rnn_n_refuses_a_target_whose_past_is_not_given(tmp_path):
    schema = dataclasses.replace(SCHEMA, targets=("b", "c"))
    config = RunConfig(model_dir=str(tmp_path))
    with pytest.raises(UsageError, match="The target c is not among the feature columns"):
        model.PROBLEM.call("make_estimator", params=Params(model=Model("rnnN")), config=config, schema=schema)
    model.PROBLEM.call("make_estimator", params=Params(model=Model("rnn2")), config=config, schema=schema)


def test_params_survive_the_estimators_deep_copy():
    params = Params(lstm_units=5)
    assert copy.deepcopy(params) == params


@pytest.mark.process
def test_settings_are_read_without_tensorflow():
    code = (
        "import sys, trainer.model, trainer.networks; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    root = pathlib.Path(model.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# Metrics


def test_metrics_are_means_over_all_examples_steps_and_targets():
    schema = dataclasses.replace(SCHEMA, naive_errors=(25.0,))
    forecast = LABELS + RANDOM.normal(size=LABELS.shape).astype(np.float32) * 10
    measured = forecasting.measure({"values": VALUES}, LABELS, {"forecast": tf.constant(forecast)}, schema)
    errors = forecast.astype(np.float64) - LABELS
    expected = {
        "rmse": np.sqrt(np.mean(errors**2)),
        "mae": np.mean(np.abs(errors)),
        "mse": np.mean(errors**2),
        "smape": np.mean(200 * np.abs(errors) / (np.abs(forecast) + np.abs(LABELS))),
        "mase": np.mean(np.abs(errors)) / 25.0,
        "rmse_same_as_last": np.sqrt(np.mean((VALUES[:, -1:, 1:] - LABELS.astype(np.float64)) ** 2)),
        "mse_standardized": np.mean((errors / 50) ** 2),
        "mae_standardized": np.mean(np.abs(errors / 50)),
        "rmse_standardized": np.sqrt(np.mean((errors / 50) ** 2)),
    }
    assert {name: pytest.approx(float(metric.result()), rel=1e-5) for name, metric in measured.items()} == expected


def test_data_that_are_not_standardised_have_no_standardised_metrics():
    measured = forecasting.measure({"values": VALUES}, LABELS, {"forecast": tf.constant(LABELS)}, WITHOUT_SCALES)
    assert set(measured) == {"rmse", "mae", "mse", "smape", "rmse_same_as_last"}


def test_a_target_that_is_no_column_has_no_last_value_to_compare_with():
    schema = dataclasses.replace(WITHOUT_SCALES, targets=("c",))
    measured = forecasting.measure({"values": VALUES}, LABELS, {"forecast": tf.constant(LABELS)}, schema)
    assert set(measured) == {"rmse", "mae", "mse", "smape"}


def test_a_target_that_never_changed_in_training_is_left_out_of_the_scaled_error():
    schema = dataclasses.replace(SCHEMA, targets=("a", "b"), naive_errors=(0.0, 2.0))
    labels = np.zeros((3, 2, 2), np.float32)
    forecast = np.stack([np.full((3, 2), 9.0), np.full((3, 2), 4.0)], axis=2).astype(np.float32)
    measured = forecasting.measure({"values": VALUES[:3]}, labels, {"forecast": tf.constant(forecast)}, schema)
    assert float(measured["mase"].result()) == pytest.approx(2.0)
    assert float(measured["smape"].result()) == pytest.approx(200.0)


# The model function in an Estimator


@pytest.mark.parametrize("name", list(Model), ids=lambda name: name.value)
def test_training_brings_the_error_down_in_the_units_of_the_files(name, trained):
    after = trained(name).after
    assert after["loss"] < trained(name).before["loss"]
    expected = float(np.sqrt(np.mean((forecasts(trained(name).estimator).astype(np.float64) - LABELS) ** 2)))
    assert after["rmse"] == pytest.approx(expected, rel=1e-5)
    assert set(after) == {
        *["rmse", "mae", "mse", "smape", "rmse_same_as_last", "loss", "global_step"],
        *["mse_standardized", "mae_standardized", "rmse_standardized"],
    }
    assert set(after) == {*model.PROBLEM.metrics, "global_step"} - {"mase"}  # of series alone


@pytest.mark.parametrize("name", [Model("linear"), Model("keras_dnn")], ids=lambda name: name.value)
def test_the_loss_is_the_squared_error_in_standardised_units(name, trained):
    for result in (trained(name).before, trained(name).after):
        assert result["loss"] == pytest.approx(result["mse_standardized"], rel=1e-5)


@pytest.mark.parametrize("name", [Model("linear"), Model("keras_dnn")], ids=lambda name: name.value)
@pytest.mark.parametrize("optimizer", list(Optimizer), ids=lambda optimizer: optimizer.value)
def test_every_optimizer_trains(name, optimizer, tmp_path):
    losses = Losses()
    another = estimator(tmp_path, model=name, optimizer=optimizer, clip_norm=1.0)
    another.train(lambda: input_fn(repeat=10), hooks=[losses], steps=20)
    first, second, *_, same_as_first, same_as_second = losses.seen  # of two batches in turn
    assert same_as_first < first and same_as_second < second


def test_a_clipped_gradient_makes_a_step_of_the_norm_asked_for(tmp_path):
    trained = estimator(tmp_path, model=Model("linear"), optimizer=Optimizer.SGD, learning_rate=1.0, clip_norm=1e-3)
    names = ("forecast/kernel", "forecast/bias")
    trained.train(input_fn, steps=1)
    first = [trained.get_variable_value(name) for name in names]
    trained.train(input_fn, steps=1)
    moved = [trained.get_variable_value(name) - start for name, start in zip(names, first, strict=True)]
    assert np.sqrt(sum(float(np.sum(part**2)) for part in moved)) == pytest.approx(1e-3, rel=1e-2)


def test_keras_dnn_starts_from_the_same_weights_with_the_same_seed(tmp_path):
    once, again = (estimator(tmp_path / name, model=Model("keras_dnn")) for name in ("once", "again"))
    np.testing.assert_array_equal(forecasts(once), forecasts(again))


def test_keras_dnn_has_no_model_function():
    with pytest.raises(UsageError, match="Build its Estimator with make_estimator"):
        model.model_fn(
            {"values": tf.constant(VALUES)}, None, ModeKeys.PREDICT, Params(model=Model("keras_dnn")), SCHEMA
        )


@pytest.mark.parametrize("name", [Model("lstm"), Model("keras_dnn")], ids=lambda name: name.value)
def test_an_export_forecasts_as_the_estimator_does(name, trained, tmp_path):
    receiver_fn = export.build_raw_serving_input_receiver_fn({"values": tf.TensorSpec([None, 6, 2], tf.float32)})
    path = trained(name).estimator.export_saved_model(str(tmp_path / "export"), receiver_fn)
    signature = tf.saved_model.load(path.decode()).signatures["serving_default"]
    forecast = signature(values=tf.constant(VALUES))["forecast"]
    np.testing.assert_allclose(forecast, forecasts(trained(name).estimator), rtol=1e-5)
