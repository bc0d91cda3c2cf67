"""EDIT ME: the settings of the model, the model function, and the problem that it solves.

A field of `Params` is a flag of `trainer.task`, and a parameter that a sweep may search. A structure of your own is a
file in `trainer/networks/`; the settings that it has there become fields of `Params` by themselves.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from trainer import Problem, inputs
from trainer.formats.schema import Schema
from trainer.formats.settings import ForecastData
from trainer.job.config import setting
from trainer.networks import losses, precision, registry
from trainer.problems import forecasting, optimizers
from trainer.problems.schedules import Rates

# TensorFlow is imported inside the functions: --help and every usage error are answered without its seven seconds.
if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params(*registry.SETTINGS, losses.Settings, precision.Settings, optimizers.Settings):  # type: ignore[misc]
    """What a run, or a trial of a sweep, may change about the model."""

    model: registry.Model = setting(
        registry.Model("lstm"), "the network, a file in trainer/networks", choices=registry.Model
    )


def model_fn(
    features: dict[str, tf.Tensor],
    labels: tf.Tensor | None,
    mode: str,
    params: Params,
    schema: Schema,
    rates: Rates | None = None,
) -> EstimatorSpec:
    """Forecasts of the network that `params.model` names, trained on its loss in standardised units.

    Args:
      features: {"values": [batch, steps, columns]}, in the units of the files.
      labels: [batch, horizon, targets], in the units of the files; None in PREDICT.
      mode: one of ModeKeys.
      params: the settings.
      schema: shapes and scales of the data.
      rates: of learning, at every step; None for those of settings that do not speak of epochs.

    Returns:
      A spec whose predictions are {"forecast": [batch, horizon, targets]}, in the units of the files.
    """
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, ModeKeys
    from trainer.networks import scaling

    network = registry.NETWORKS[params.model.value]
    values = scaling.standardize_values(features["values"], schema)
    outputs = network(
        values, schema, params, training=mode == ModeKeys.TRAIN
    )  # float32 [batch, horizon, targets], or more
    predictions = {"forecast": scaling.restore_targets(network.forecast(outputs), schema)}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    errors = network.errors(outputs, values, scaling.standardize_targets(labels, schema), schema)
    loss = tf.reduce_mean(losses.of_errors(errors, params))
    if mode == ModeKeys.TRAIN:
        return EstimatorSpec(
            mode, predictions=predictions, loss=loss, train_op=optimizers.train_op(loss, params, rates)
        )
    metrics = forecasting.measure(features, labels, predictions, schema)
    return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=metrics)


PROBLEM = Problem(
    make_estimator=functools.partial(forecasting.estimator, model_fn),
    params=Params,
    data=ForecastData,
    describe=inputs.describe,
    train_input_fn=inputs.train_input_fn,
    eval_input_fn=inputs.eval_input_fn,
    test_input_fn=inputs.test_input_fn,
    serving_input_receiver_fn=inputs.serving_input_receiver_fn,
    metrics=forecasting.METRICS,
    baselines=forecasting.baselines,
    locate_fault=forecasting.locate_fault,
    locate_rows=forecasting.locate_rows,  # of the batches of train_input_fn as it is
    resume_schema=forecasting.resume_schema,
    plots=forecasting.plots,
    presets=registry.PRESETS,
)
