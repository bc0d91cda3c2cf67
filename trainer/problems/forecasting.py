"""What a forecast is judged by, and how a network that forecasts becomes an Estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainer.formats.schema import Schema
from trainer.job.config import DataConfig
from trainer.networks import precision
from trainer.networks.registry import NETWORKS
from trainer.problems import optimizers

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from trainer.estimator import Estimator, RunConfig
    from trainer.formats.settings import ForecastData
    from trainer.formats.source import Source
    from trainer.job.errors import JobError
    from trainer.job.report import Summary
    from trainer.reporting.plot import Examples, Plot

METRICS = {
    "rmse": "min",
    "mae": "min",
    "mse": "min",
    "smape": "min",
    "mase": "min",
    "loss": "min",
    "rmse_same_as_last": "min",
    "mse_standardized": "min",
    "mae_standardized": "min",
    "rmse_standardized": "min",
}
"""What evaluations report, the score first; `measure` says of which data each is."""


def measure(
    features: dict[str, tf.Tensor], labels: tf.Tensor, predictions: dict[str, tf.Tensor], schema: Schema
) -> dict[str, keras.metrics.Metric]:
    """Errors over all examples, steps and targets, updated with this batch.

    Args:
      features: {"values": [batch, steps, columns]}, in the units of the files.
      labels: [batch, horizon, targets], in the units of the files.
      predictions: {"forecast": [batch, horizon, targets]}, likewise.
      schema: of the data.

    Returns:
      rmse, mae and mse in the units of the targets; smape, 200 |e| / (|label| + |forecast|), in percent (Makridakis et
      al. 2020), 0 where both are 0; mase, the mean over targets of mae / schema.naive_errors, where those are known;
      rmse_same_as_last, of repeating the last value of each target, where the targets are among the columns; and
      mse_standardized, mae_standardized and rmse_standardized, where the data are standardised.
    """
    import tensorflow as tf

    from trainer.networks import scaling

    errors = scaling.errors(predictions["forecast"], labels, schema)
    measured = _of_errors(errors)
    measured["smape"] = _mean(_percent_errors(errors, predictions["forecast"], labels))
    if schema.naive_errors and any(schema.naive_errors):
        naive = tf.constant(schema.naive_errors, tf.float32)
        weights = tf.cast(naive > 0, tf.float32) * tf.ones_like(errors)  # no error is 0 times that of a constant
        measured["mase"] = _mean(tf.math.divide_no_nan(tf.abs(errors), naive), weights)
    if schema.target_indices is not None:
        last = tf.gather(features["values"][:, -1:], schema.target_indices, axis=2)
        measured["rmse_same_as_last"] = _of_errors(scaling.errors(last, labels, schema), ["rmse"])["rmse"]
    if schema.standardized:
        standardized = errors / tf.constant(scaling.target_mean_and_scale(schema)[1], tf.float32)
        measured |= {f"{name}_standardized": metric for name, metric in _of_errors(standardized).items()}
    return measured


def _of_errors(errors: tf.Tensor, names: Sequence[str] = ("rmse", "mae", "mse")) -> dict[str, keras.metrics.Metric]:
    """Means over all errors, float32 [batch, horizon, targets], and the root of one, by name."""
    import keras
    import tensorflow as tf

    kinds = keras.metrics
    makers = {"rmse": kinds.RootMeanSquaredError, "mae": kinds.MeanAbsoluteError, "mse": kinds.MeanSquaredError}
    metrics = {name: makers[name]() for name in names}
    for metric in metrics.values():
        metric.update_state(tf.zeros_like(errors), errors)
    return metrics


def _mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> keras.metrics.Metric:
    """The mean of values, and of those of later batches, float32 of any shape, with weights of the same."""
    import keras

    metric = keras.metrics.Mean()
    metric.update_state(values, sample_weight=weights)
    return metric


def _percent_errors(errors: tf.Tensor, forecast: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The symmetric percentage error of each forecast, float32 [batch, horizon, targets], as all three arguments."""
    import tensorflow as tf

    size = tf.cast(tf.abs(forecast) + tf.abs(tf.cast(labels, forecast.dtype)), tf.float32)
    return tf.math.divide_no_nan(200.0 * tf.abs(errors), size)


def estimator(
    model_fn: Callable[..., Any], params: Any, config: RunConfig, schema: Schema, data: DataConfig | None = None
) -> Estimator:
    """The Estimator of the network that `params.model` names: of the model function, or of a compiled Keras model.

    Args:
      model_fn: `model_fn(features, labels, mode, params, schema)`, and `rates` where it takes them.
      params: with the settings of networks and optimizers.
      config: of the run, with its model_dir.
      schema: of the data.
      data: says how long an epoch is; None where no setting speaks of epochs.
    """
    import functools

    from trainer.estimator import Estimator, add_metrics, model_to_estimator
    from trainer.estimator.contract.arguments import accepted

    network = NETWORKS[params.model.value]
    network.check(schema)
    examples = getattr(getattr(schema, "train", None), "count", None)  # a stream is not counted before it is read
    rates = optimizers.rates(params, examples, data or DataConfig(), config)
    if network.compiled is None:
        given = accepted(model_fn, {"schema": schema, "rates": rates})
        return Estimator(functools.partial(model_fn, **given), config=config, params=params)
    from trainer.problems.keras_schedule import RateSchedule

    with precision.policy(params):
        compiled = network.compiled(schema, params, optimizers.for_keras(params, rates), config.tf_random_seed)
    own = {RateSchedule.__name__: RateSchedule}

    def metric_fn(
        features: dict[str, tf.Tensor], labels: tf.Tensor, predictions: dict[str, tf.Tensor]
    ) -> dict[str, keras.metrics.Metric]:
        return measure(features, labels, predictions, schema)

    return add_metrics(model_to_estimator(keras_model=compiled, custom_objects=own, config=config), metric_fn)


def baselines(schema: Source) -> dict[str, float]:
    """Root mean squared errors of simple forecasts on the evaluation part: same as last, mean, least squares."""
    from trainer.formats import baselines

    return baselines.score(schema)


def plots(
    examples: Examples, summary: Summary, schema: Source, params: Any, data: DataConfig, config: RunConfig
) -> list[Plot]:
    """What a report draws: windows, errors by horizon and target, residuals; of a Keras model the learning rate too.

    Args:
      examples: of the evaluation, as `trainer.inputs` and `trainer.model` have them.
      summary: of the run.
      schema: of the data.
      params: the settings.
      data: says how long an epoch is.
      config: of the run.
    """
    from trainer.problems import forecast_plots, rate_plot

    drawn = forecast_plots.plots(examples, schema)
    if NETWORKS[params.model.value].compiled is None:
        return drawn  # its events have the learning rate
    count = getattr(getattr(schema, "train", None), "count", None)
    rates = optimizers.rates(params, count, data, config)
    return [*drawn, *rate_plot.plots(rates, summary.global_step)]


def resume_schema(schema: Source, earlier: Mapping[str, Any]) -> Source:
    """The data with the scales that the weights of a run were trained with; raises UsageError for other columns."""
    from trainer.formats import resuming

    return resuming.with_scales_of(schema, earlier)


def locate_rows(
    schema: Source, data: ForecastData, batch: int, rows: tuple[int, ...], pipeline: int, pipelines: int
) -> tuple[str, ...]:
    """File and line of rows of a batch of `trainer.inputs.train_input_fn`: to be changed with it, or not given.

    Args:
      schema: what `describe` returned.
      data: their settings.
      batch: its number in its pipeline, from 0.
      rows: of the batch, from 0.
      pipeline: which of several processes' pipelines, from 0.
      pipelines: how many of them there are.
    """
    from trainer.formats import locating

    wanted = locating.BatchRows(batch=batch, rows=rows, pipeline=pipeline, pipelines=pipelines)
    return locating.places(schema, data, wanted)


def locate_fault(schema: Source, message: str) -> JobError | None:
    """The fault in streamed data behind an InvalidArgumentError of training with this message; None without one."""
    from trainer.formats import reading

    return reading.locate_fault(schema, message)
