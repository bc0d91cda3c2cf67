"""A structure from a paper: DLinear (Zeng et al., AAAI 2023, arXiv 2205.13504), on the data of the forecasting problem.

A series is split into its moving average, the trend, and what is left; each is mapped linearly from the history to the
forecast, with the same weights for all columns:

    trend = average of 25 rows (the ends are repeated);  forecast = (x - trend) W1 + b1 + trend W2 + b2

The paper reports a mean squared error of 0.375 on ETTh1, 336 hours in and 96 out, all columns standardised:

python -m trainer.task --problem=examples/paper.py --output_dir=output/dlinear --train_data_paths=ETTh1.csv \
    --lookback=336 --horizon=96 --split=8640,2880,2880 --train_batch_size=32 --learning_rate=0.0005 --train_steps=2600
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer.formats.schema import Schema
from trainer.model import PROBLEM as FORECASTING

WIDTH = 25


@dataclasses.dataclass(frozen=True)
class Params:
    learning_rate: float = 0.005


def dlinear(history: Any, horizon: int) -> Any:
    """Forecasts, float32 [batch, horizon, columns], of a history, float32 [batch, steps, columns]."""
    import tensorflow as tf

    steps = history.shape[1]
    first, last = tf.repeat(history[:, :1], WIDTH // 2, axis=1), tf.repeat(history[:, -1:], WIDTH // 2, axis=1)
    trend = tf.nn.avg_pool1d(tf.concat([first, history, last], 1), WIDTH, strides=1, padding="VALID")
    forecast = 0.0
    for name, part in (("seasonal", history - trend), ("trend", trend)):
        start = tf.random.uniform([steps, horizon], -(steps**-0.5), steps**-0.5)
        weights, bias = (
            tf.Variable(start, name=f"{name}/weights"),
            tf.Variable(tf.zeros([horizon]), name=f"{name}/bias"),
        )
        forecast += tf.einsum("bsc,sh->bhc", part, weights) + bias[:, None]
    return forecast


def model_fn(features: Any, labels: Any, mode: str, params: Params, schema: Schema) -> Any:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, ModeKeys
    from trainer.networks import scaling
    from trainer.problems import forecasting

    forecast = dlinear(scaling.standardize_values(features["values"], schema), schema.horizon)
    forecast = tf.gather(forecast, schema.target_indices, axis=2)
    predictions = {"forecast": scaling.restore_targets(forecast, schema)}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.square(forecast - scaling.standardize_targets(labels, schema)))
    train_op = tf.compat.v1.train.AdamOptimizer(params.learning_rate).minimize(loss)
    metrics = forecasting.measure(features, labels, predictions, schema) if mode == ModeKeys.EVAL else None
    return EstimatorSpec(mode, predictions, loss, train_op, eval_metric_ops=metrics)


PROBLEM = dataclasses.replace(FORECASTING, model_fn=model_fn, make_estimator=None, params=Params)
