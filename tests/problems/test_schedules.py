"""Learning rates by flags: what they are at each step, and that both kinds of optimizers take steps of that size."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from trainer.estimator.contract.run_config import RunConfig as Config
from trainer.estimator.distribution import devices
from trainer.estimator.saving import events
from trainer.job.cluster import from_environment
from trainer.job.errors import UsageError
from trainer.problems import optimizers, schedules
from trainer.problems.keras_schedule import RateSchedule
from trainer.problems.optimizers import Optimizer
from trainer.problems.schedules import Epochs, Schedule, Settings
from trainer.reporting import curves


def rate_at(steps: list[int], epochs: Epochs | None = None, **settings: Any) -> list[float]:
    """The rates of some steps, of a largest rate of 1."""
    made = schedules.rates(Settings(learning_rate=1.0, **settings), epochs or Epochs(steps=10.0))
    return [float(made.at(tf.constant(step, tf.int64))) for step in steps]


def test_a_step_schedule_halves_the_rate_after_each_epoch():
    assert rate_at([0, 9, 10, 19, 20], learning_rate_schedule=Schedule.STEP) == [1, 1, 0.5, 0.5, 0.25]


def test_the_recipe_of_the_long_term_forecasting_papers_halves_from_the_third_epoch_on():
    rates = rate_at([0, 19, 20, 29, 30, 99], learning_rate_schedule=Schedule.STEP, constant_epochs=1)
    assert rates == [1, 1, 0.5, 0.5, 0.25, 1 / 256]


def test_an_epoch_may_end_within_a_step():
    rates = rate_at([2, 3, 4, 7], Epochs(steps=3.5), learning_rate_schedule=Schedule.STEP, decay_rate=0.1)
    assert rates == pytest.approx([1, 1, 0.1, 0.01])


def test_a_cosine_ends_at_zero_with_the_last_epoch():
    rates = rate_at([0, 10, 20, 40, 50], Epochs(steps=10.0, count=4), learning_rate_schedule=Schedule.COSINE)
    assert rates == pytest.approx([1, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0, 0], abs=1e-7)


def test_a_cosine_in_steps_needs_no_epochs():
    rates = rate_at([0, 50, 100], Epochs(), learning_rate_schedule=Schedule.COSINE, decay_steps=100)
    assert rates == pytest.approx([1, 0.5, 0], abs=1e-7)


def test_a_warm_up_rises_in_a_line_and_multiplies_what_the_schedule_says():
    assert rate_at([0, 1, 3, 4, 100], Epochs(), warmup_steps=4) == [0.25, 0.5, 1, 1, 1]
    rates = rate_at([0, 10], learning_rate_schedule=Schedule.STEP, warmup_steps=20)
    assert rates == pytest.approx([1 / 20, 0.5 * 11 / 20])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay_rate": 0.5}, "--decay_rate=0.5 with --learning_rate_schedule=constant, which has no use for it"),
        ({"learning_rate_schedule": Schedule.COSINE, "decay_rate": 0.5}, "--decay_rate=0.5 with .*=cosine, which has"),
        (
            {"learning_rate_schedule": Schedule.STEP, "decay_epochs": 1.0, "decay_steps": 5},
            "--decay_epochs=1 together with --decay_steps=5. Accepted: one of the two",
        ),
        ({"warmup_steps": -1}, "--warmup_steps=-1. Accepted: 0 or more"),
        ({"learning_rate_schedule": Schedule.STEP, "constant_epochs": -1.0}, "--constant_epochs=-1.0. Accepted: 0"),
        ({"learning_rate_schedule": Schedule.STEP, "decay_rate": 0.0}, "--decay_rate=0.0. Accepted: a number above 0"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


def test_epochs_of_examples_that_are_not_counted_are_refused():
    with pytest.raises(UsageError, match="--decay_epochs counts passes .* Set --decay_steps"):
        rate_at([0], Epochs(), learning_rate_schedule=Schedule.STEP, decay_epochs=2.0)


def test_a_cosine_without_an_end_is_refused():
    with pytest.raises(UsageError, match="cosine does not say when the rate is at 0.*Set --decay_steps to the steps"):
        rate_at([0], learning_rate_schedule=Schedule.COSINE)


def test_an_epoch_has_fewer_steps_where_several_processes_train_in_step():
    environ = {"TF_CONFIG": '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}'}
    assert devices.batches_per_step(Config(cluster=from_environment(environ))) == 2
    assert devices.batches_per_step(Config()) == 1


def moved(directory: pathlib.Path, steps: int, rates: schedules.Rates, **settings: Any) -> float:
    """Where a weight that began at 1 is after some steps on the loss of the same value."""
    params = optimizers.Settings(optimizer=Optimizer.SGD, **settings)

    def model_fn(features: tf.Tensor, labels: Any, mode: str) -> EstimatorSpec:
        loss = tf.reduce_sum(tf.Variable(1.0, name="weight")) + 0.0 * tf.reduce_sum(features)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=optimizers.train_op(loss, params, rates))

    trained = Estimator(model_fn, config=RunConfig(model_dir=str(directory), save_summary_steps=1))
    trained.train(lambda: tf.data.Dataset.from_tensors(([1.0], [1.0])).repeat(), steps=steps)
    return float(trained.get_variable_value("weight"))


def test_the_rate_of_each_step_is_the_schedule_s_and_survives_a_restart(tmp_path):
    params = {"learning_rate": 0.4, "learning_rate_schedule": Schedule.STEP, "decay_steps": 2}
    rates = schedules.rates(Settings(**params), Epochs())
    assert moved(tmp_path, 3, rates, **params) == pytest.approx(0.0, abs=1e-6)
    assert moved(tmp_path, 2, rates, **params) == pytest.approx(-0.3, abs=1e-6)
    told = curves.curve(events.read_scalars(str(tmp_path)), "learning_rate")
    assert told[0].tolist() == [1, 2, 3, 4, 5] and told[1] == pytest.approx([0.4, 0.4, 0.2, 0.2, 0.1])


def test_weight_decay_takes_its_share_of_the_weight_before_the_gradient_does(tmp_path):
    rates = schedules.rates(Settings(learning_rate=0.5), Epochs())
    by_hand = 1.0
    for _ in range(3):
        by_hand = by_hand * (1 - 0.5 * 0.1) - 0.5
    assert moved(tmp_path, 3, rates, learning_rate=0.5, weight_decay=0.1) == pytest.approx(by_hand)


def test_an_optimizer_of_keras_takes_the_same_steps():
    params = optimizers.Settings(optimizer=Optimizer.SGD, learning_rate=0.4, weight_decay=0.1, warmup_steps=2)
    optimizer = optimizers.for_keras(params)
    weight = tf.Variable(1.0)
    by_hand = 1.0
    for rate in (0.2, 0.4, 0.4):
        optimizer.apply_gradients([(tf.constant(1.0), weight)])
        by_hand = by_hand * (1 - rate * 0.1) - rate
    np.testing.assert_allclose(weight.numpy(), by_hand, rtol=1e-6)


def test_a_schedule_of_keras_can_be_rebuilt_from_its_config():
    rates = schedules.rates(Settings(learning_rate_schedule=Schedule.STEP, decay_steps=3), Epochs())
    rebuilt = RateSchedule.from_config(RateSchedule(**vars(rates)).get_config())
    assert float(rebuilt(tf.constant(7))) == pytest.approx(0.01 / 4)
