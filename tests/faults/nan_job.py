"""A problem whose training breaks at one row, for jobs of several processes: `--problem=tests/faults/nan_job.py`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from trainer import Problem
from trainer.job.config import DataConfig, setting

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec

ROWS, BAD_ROW = 4000, 2345


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    plant: str = setting("log_of_zero", "a function in tests/estimator/planted_nans.py")


def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str, params: Params) -> EstimatorSpec:
    from tests.estimator import planted_nans
    from trainer.estimator import EstimatorSpec, ModeKeys

    planted = next(one for one in planted_nans.PLANTED if one.name == params.plant)
    if mode == ModeKeys.TRAIN:
        return planted.model_fn(features, labels, mode)
    import tensorflow as tf

    weights = tf.compat.v1.get_variable("w", [planted_nans.COLUMNS, 1])
    loss = tf.reduce_mean(tf.square(features["x"] @ weights - labels))
    return EstimatorSpec(mode, loss=loss, predictions={"y": features["x"] @ weights})


def input_fn(data: DataConfig, bad: int) -> tf.data.Dataset:
    import tensorflow as tf

    from tests.estimator import planted_nans

    values = planted_nans.table(ROWS, bad)
    dataset = tf.data.Dataset.from_tensor_slices(({"x": values}, values[:, :1]))
    return dataset.batch(data.train_batch_size, drop_remainder=True)


def train_input_fn(data: DataConfig) -> Any:
    return input_fn(data, BAD_ROW).repeat()


def eval_input_fn(data: DataConfig) -> Any:
    return input_fn(data, 0).take(2)


PROBLEM = Problem(
    model_fn=model_fn,
    params=Params,
    train_input_fn=train_input_fn,
    eval_input_fn=eval_input_fn,
    metrics={"loss": "min"},
)
