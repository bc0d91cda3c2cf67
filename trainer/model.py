"""EDIT ME: the settings of the model and the model function.

A field of `Params` is a flag of `trainer.task`, and a parameter that a sweep may search. A structure of your own is a
file in `trainer/networks/`, a name in `Model` and a case in `_forecasts`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

from trainer.job.config import require_positive, setting
from trainer.job.errors import UsageError
from trainer.job.schema import Schema

# TensorFlow is imported inside the functions: --help and every usage error are answered without its three seconds.
if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from trainer.estimator import Estimator, EstimatorSpec, RunConfig


# What evaluations report, and so what a sweep may aim at: `loss`, and the names in `metrics` below.
METRICS = ("rmse", "mae", "loss", "rmse_same_as_last", "mse_standardized", "mae_standardized")


class Model(enum.Enum):
    LSTM = "lstm"
    LINEAR = "linear"
    DNN = "dnn"
    CNN = "cnn"
    RNN = "rnn"
    RNN2 = "rnn2"
    RNN_N = "rnnN"
    KERAS_DNN = "keras_dnn"


class Optimizer(enum.Enum):
    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"
    RMSPROP = "rmsprop"
    ADAGRAD = "adagrad"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    """What a run, or a trial of a sweep, may change about the model."""

    model: Model = setting(Model.LSTM, "the network, a file in trainer/networks")
    learning_rate: float = setting(0.01, "step size of the optimizer")
    optimizer: Optimizer = setting(Optimizer.ADAM, "how a gradient becomes a step")
    momentum: float = setting(0.9, "share of the last step that the momentum optimizer keeps")
    clip_norm: float | None = setting(None, "the whole gradient is shortened to this norm; default: never")
    lstm_units: int = setting(3, "size of the state of lstm")
    first_layer_size: int = setting(10, "units of the first layer of dnn")
    second_layer_size: int = setting(3, "units of the second layer of dnn")
    keras_units: int = setting(32, "units of the hidden layer of keras_dnn")
    schema: Schema | None = dataclasses.field(
        default=None, metadata={"help": "shapes and scales of the data, learned from the files", "flag": False}
    )

    def __post_init__(self) -> None:
        _check_choice("model", self.model, Model)
        _check_choice("optimizer", self.optimizer, Optimizer)
        require_positive("learning_rate", self.learning_rate, "a number above 0")
        require_positive("clip_norm", self.clip_norm, "a number above 0")
        if not 0 <= self.momentum < 1:
            raise UsageError(f"--momentum={self.momentum}", "Accepted: at least 0 and below 1", "Try --momentum=.9")
        for name in ("lstm_units", "first_layer_size", "second_layer_size", "keras_units"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        if self.model is Model.RNN_N and self.schema is not None:
            _check_targets_have_a_past(self.schema)


def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str, params: Params) -> EstimatorSpec:
    """Forecasts of the network that `params.model` names, trained on the mean squared error in standardised units.

    Args:
      features: {"values": float32 [batch, steps, columns]}, in the units of the files.
      labels: float32 [batch, horizon, targets], in the units of the files; None in PREDICT.
      mode: one of ModeKeys.
      params: with its schema.

    Returns:
      A spec whose predictions are {"forecast": float32 [batch, horizon, targets]}, in the units of the files.
    """
    from trainer.estimator import EstimatorSpec, ModeKeys
    from trainer.estimator.contract import export
    from trainer.networks import scaling

    schema = _schema(params)
    values = scaling.standardize_values(features["values"], schema)
    forecasts = _forecasts(values, params)
    last = forecasts[:, -1] if forecasts.shape.rank == 4 else forecasts
    predictions = {"forecast": scaling.restore_targets(last, schema)}
    if mode == ModeKeys.PREDICT:
        outputs = {"serving_default": export.PredictOutput(predictions)}
        return EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
    loss = _loss(forecasts, values, scaling.standardize_targets(labels, schema), schema)
    if mode == ModeKeys.TRAIN:
        return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=_train_op(loss, params))
    measured = metrics(features, labels, predictions, schema)
    return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=measured)


def make_estimator(params: Params, model_dir: str | None, config: RunConfig | None) -> Estimator:
    """The Estimator of `params.model`: of `model_fn`, or of a compiled Keras model.

    Args:
      params: with its schema.
      model_dir: the directory of the run; None takes that of the config, or a temporary one.
      config: of the run; None for the defaults.
    """
    from trainer.estimator import Estimator, add_metrics, model_to_estimator

    if params.model is not Model.KERAS_DNN:
        return Estimator(model_fn, model_dir=model_dir, config=config, params=params)
    from trainer.networks import keras_dnn

    schema = _schema(params)
    seed = None if config is None else config.tf_random_seed
    compiled = keras_dnn.compiled(schema, units=params.keras_units, optimizer=_keras_optimizer(params), seed=seed)

    def metric_fn(
        features: dict[str, tf.Tensor], labels: tf.Tensor, predictions: dict[str, tf.Tensor]
    ) -> dict[str, keras.metrics.Metric]:
        return metrics(features, labels, predictions, schema)

    return add_metrics(model_to_estimator(keras_model=compiled, model_dir=model_dir, config=config), metric_fn)


def metrics(
    features: dict[str, tf.Tensor], labels: tf.Tensor, predictions: dict[str, tf.Tensor], schema: Schema
) -> dict[str, keras.metrics.Metric]:
    """Errors over all examples, steps and targets, updated with this batch.

    Args:
      features: {"values": float32 [batch, steps, columns]}, in the units of the files.
      labels: float32 [batch, horizon, targets], in the units of the files.
      predictions: {"forecast": float32 [batch, horizon, targets]}, in the units of the files.
      schema: says which columns are targets, and their means and scales.

    Returns:
      rmse and mae in the units of the targets; rmse_same_as_last, of repeating the last value of each target, where the
      targets are among the columns; mse_standardized and mae_standardized, where the data are standardised.
    """
    import keras
    import tensorflow as tf

    from trainer.networks import scaling

    forecast = predictions["forecast"]
    measured = {"rmse": keras.metrics.RootMeanSquaredError(), "mae": keras.metrics.MeanAbsoluteError()}
    for metric in measured.values():
        metric.update_state(labels, forecast)
    if schema.target_indices is not None:
        last = tf.gather(features["values"][:, -1:], schema.target_indices, axis=2)
        baseline = measured["rmse_same_as_last"] = keras.metrics.RootMeanSquaredError()
        baseline.update_state(labels, tf.broadcast_to(last, tf.shape(labels)))
    if schema.standardized:
        standardized = [scaling.standardize_targets(tensor, schema) for tensor in (labels, forecast)]
        measured["mse_standardized"] = keras.metrics.MeanSquaredError()
        measured["mae_standardized"] = keras.metrics.MeanAbsoluteError()
        for name in ("mse_standardized", "mae_standardized"):
            measured[name].update_state(*standardized)
    return measured


def _forecasts(values: tf.Tensor, params: Params) -> tf.Tensor:
    """float32 [batch, horizon, targets], or [batch, steps, horizon, targets] where each step has its forecast."""
    from trainer.networks import cnn, dnn, linear, lstm, rnn, rnn2, rnn_n

    schema = _schema(params)
    match params.model:
        case Model.LSTM:
            return lstm.forecast(values, schema, units=params.lstm_units)
        case Model.LINEAR:
            return linear.forecast(values, schema)
        case Model.DNN:
            return dnn.forecast(values, schema, hidden=(params.first_layer_size, params.second_layer_size))
        case Model.CNN:
            return cnn.forecast(values, schema)
        case Model.RNN:
            return rnn.forecast(values, schema)
        case Model.RNN2:
            return rnn2.forecast(values, schema)
        case Model.RNN_N:
            return rnn_n.forecasts(values, schema)
        case Model.KERAS_DNN:
            raise UsageError(
                "model_fn was called for keras_dnn",
                "That model is a compiled Keras model, without a model function",
                "Build it with make_estimator",
            )


def _loss(forecasts: tf.Tensor, values: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Mean squared error, float32 []; all arguments are standardised, and of the shapes that `_forecasts` tells."""
    import tensorflow as tf

    from trainer.networks import rnn_n

    if forecasts.shape.rank == 4:
        return rnn_n.loss(forecasts, values, labels, schema)
    return tf.reduce_mean(tf.square(forecasts - labels))


def _train_op(loss: tf.Tensor, params: Params) -> tf.Operation:
    """What a step does to the weights for a loss, float32 []."""
    import tensorflow as tf

    variables = tf.compat.v1.trainable_variables()
    gradients = tf.gradients(loss, variables)
    if params.clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, params.clip_norm)
    return _optimizer(params).apply_gradients(zip(gradients, variables, strict=True))


def _optimizer(params: Params) -> tf.compat.v1.train.Optimizer:
    """TensorFlow's own, one op a variable: a step of the course's LSTM takes three quarters of the time of Keras's."""
    import tensorflow as tf

    train, rate = tf.compat.v1.train, params.learning_rate
    match params.optimizer:
        case Optimizer.SGD:
            return train.GradientDescentOptimizer(rate)
        case Optimizer.MOMENTUM:
            return train.MomentumOptimizer(rate, params.momentum)
        case Optimizer.ADAM:
            return train.AdamOptimizer(rate)
        case Optimizer.RMSPROP:
            return train.RMSPropOptimizer(rate)
        case Optimizer.ADAGRAD:
            return train.AdagradOptimizer(rate)


def _keras_optimizer(params: Params) -> keras.optimizers.Optimizer:
    import keras

    settings = {"learning_rate": params.learning_rate, "global_clipnorm": params.clip_norm}
    match params.optimizer:
        case Optimizer.SGD:
            return keras.optimizers.SGD(**settings)
        case Optimizer.MOMENTUM:
            return keras.optimizers.SGD(momentum=params.momentum, **settings)
        case Optimizer.ADAM:
            return keras.optimizers.Adam(**settings)
        case Optimizer.RMSPROP:
            return keras.optimizers.RMSprop(**settings)
        case Optimizer.ADAGRAD:
            return keras.optimizers.Adagrad(**settings)


def _schema(params: Params) -> Schema:
    if params.schema is None:
        raise UsageError(
            "params.schema is None",
            "A model needs the shapes and scales of its data",
            "Give Params(schema=...), as trainer.inputs learns it from the files",
        )
    return params.schema


def _check_choice(flag: str, value: Any, choices: type[enum.Enum]) -> None:
    if not isinstance(value, choices):
        names = ", ".join(str(choice.value) for choice in choices)
        raise UsageError(f"--{flag}={value}", f"It is one of {names}")


def _check_targets_have_a_past(schema: Schema) -> None:
    missing = [target for target in schema.targets if target not in schema.columns]
    if missing:
        raise UsageError(
            f"--model=rnnN, and the target {', '.join(missing)} is not among the feature columns",
            "rnnN learns from what followed each step, so it needs the past of every target",
            "Add it to --feature_columns, or take --model=rnn2",
        )
