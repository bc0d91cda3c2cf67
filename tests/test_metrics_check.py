"""When it is looked whether evaluations report the score: before training, or after the first step of a restart."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import metrics_check
from trainer.bound_problem import BoundProblem
from trainer.estimator import EstimatorSpec, RunConfig
from trainer.estimator.saving.tuner import TunerFile
from trainer.job.config import DataConfig
from trainer.job.errors import UsageError
from trainer.metrics_check import MetricsCheck
from trainer.problem import Problem

TUNER = TunerFile(tag="mae", metric="mae")
OF_OTHER_SCORE = TunerFile(tag="rmse", metric="rmse")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    """No settings."""


def batches() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(({"x": np.ones([2, 1], np.float32)}, np.ones([2, 1], np.float32))).repeat(3)


def bound(modes: list[str], metric: str = "mae") -> BoundProblem:
    """A problem that notes in which modes its model function was traced, and whose evaluations report a metric."""

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        modes.append(mode)
        weight = tf.Variable(0.0)
        loss = tf.reduce_mean(tf.abs(labels - features["x"] * weight))
        train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        metrics = {metric: tf.compat.v1.metrics.mean(loss)}
        return EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)

    problem = Problem(
        params=Params, metrics={"mae": "min"}, model_fn=model_fn, train_input_fn=batches, eval_input_fn=batches
    )
    return BoundProblem(problem=problem, data=DataConfig(), params=Params(), schema=None)


def trained(check_of: BoundProblem, tuner_file: TunerFile, model_dir: pathlib.Path) -> None:
    estimator = check_of.estimator(RunConfig(model_dir=str(model_dir)))
    check = MetricsCheck(check_of, estimator, tuner_file)
    check.look_unless_known()
    estimator.train(check_of.input_fn("train_input_fn"), hooks=[check], max_steps=2)


def known(problem: BoundProblem) -> BoundProblem:
    return dataclasses.replace(problem, known_metrics=metrics_check.looked_for(problem, TUNER))


@pytest.mark.parametrize(
    ("as_it_is", "order"), [(lambda problem: problem, ["eval", "train"]), (known, ["train", "eval"])]
)
def test_a_run_whose_checkpoints_note_it_makes_its_first_step_before(
    as_it_is: Callable[[BoundProblem], BoundProblem], order: list[str], tmp_path: pathlib.Path
) -> None:
    modes: list[str] = []
    trained(as_it_is(bound(modes)), TUNER, tmp_path)
    assert modes == order


def test_another_metric_for_the_tuner_is_looked_for_before_training(tmp_path: pathlib.Path) -> None:
    modes: list[str] = []
    with pytest.raises(UsageError, match="to be told rmse, which evaluations do not report. Accepted: mae, loss"):
        trained(known(bound(modes)), OF_OTHER_SCORE, tmp_path)
    assert modes == ["eval"]


def test_evaluations_that_no_longer_report_it_end_a_restart_at_its_first_step(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="PROBLEM is scored by 'mae', but its evaluation reports other, loss"):
        trained(known(bound([], metric="other")), TUNER, tmp_path)
    assert [path.name for path in tmp_path.glob("*.index")] == ["model.ckpt-0.index"]


def test_checkpoints_note_what_was_looked_for() -> None:
    noting = metrics_check.noting(dataclasses.replace(bound([]), facts={"run": {}}), OF_OTHER_SCORE)
    assert noting.facts == {"run": {}, "metrics": ["mae", "rmse"]}
