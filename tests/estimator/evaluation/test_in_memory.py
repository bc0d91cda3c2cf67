"""Evaluation inside of a training: at which steps, of which values, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.estimator.one_weight import SLOPE, batches, make, weight_after
from trainer.estimator import Estimator, EstimatorSpec, RunConfig
from trainer.estimator.experimental import InMemoryEvaluatorHook
from trainer.estimator.saving.events import read_scalars


def loss_after(steps: int) -> float:
    """Of one_weight's model."""
    return (SLOPE - weight_after(steps)) ** 2 / 2


def test_the_weights_of_the_moment_are_evaluated_every_so_many_steps_and_no_checkpoint(tmp_path: Path) -> None:
    estimator = make(tmp_path, save_checkpoints_steps=None, save_checkpoints_secs=None)
    hook = InMemoryEvaluatorHook(estimator, batches(2), name="live", every_n_iter=4)
    estimator.train(batches(10), hooks=[hook])
    losses = {step: scalars["loss"] for step, scalars in read_scalars(estimator.eval_dir("live")).items()}
    assert losses == pytest.approx({step: loss_after(step) for step in (0, 4, 8, 10)})
    assert estimator.latest_checkpoint() is None


def test_a_training_that_goes_on_counts_the_steps_between_evaluations_from_where_it_begins(tmp_path: Path) -> None:
    estimator = make(tmp_path).train(batches(), steps=3)
    hook = InMemoryEvaluatorHook(estimator, batches(1), every_n_iter=5)
    estimator.train(batches(), steps=10, hooks=[hook])
    assert sorted(read_scalars(estimator.eval_dir())) == [3, 8, 13]


@pytest.mark.parametrize("cluster", [{"chief": ["a:1"], "worker": ["b:1"]}, {"chief": ["a:1"], "ps": ["b:1"]}])
def test_a_training_of_several_processes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any]
) -> None:
    task = {"type": "chief", "index": 0}
    monkeypatch.setenv("TF_CONFIG", str({"cluster": cluster, "task": task}).replace("'", '"'))
    with pytest.raises(ValueError, match=r"supports only single machine training.*Use train_and_evaluate"):
        InMemoryEvaluatorHook(make(tmp_path), batches(1))


@pytest.mark.parametrize("every_n_iter", [0, -1, None])
def test_a_number_of_steps_that_is_none_is_refused(tmp_path: Path, every_n_iter: Any) -> None:
    with pytest.raises(ValueError, match="invalid every_n_iter="):
        InMemoryEvaluatorHook(make(tmp_path), batches(1), every_n_iter=every_n_iter)


def of_evaluation(field: str) -> Estimator:
    """A model whose evaluations bring something of their own."""

    def model_fn(features: Any, mode: str) -> EstimatorSpec:
        weight = tf.compat.v1.get_variable("weight", [], initializer=tf.compat.v1.zeros_initializer())
        loss, step = weight * tf.reduce_sum(features["x"]), tf.compat.v1.train.get_global_step()
        scaffold = tf.compat.v1.train.Scaffold()
        if mode == "eval" and field == "variable":
            loss += tf.compat.v1.get_variable("other", [])
        elif mode == "eval":
            brought = {"saver": tf.compat.v1.train.Saver(), "init_fn": lambda scaffold, session: None}
            scaffold = tf.compat.v1.train.Scaffold(**{field: brought[field]})
        train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
        return EstimatorSpec(mode, loss=loss, train_op=train_op, scaffold=scaffold)

    return Estimator(model_fn, config=RunConfig(log_step_count_steps=None))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("saver", "does not support custom saver"),
        ("init_fn", "does not support custom init_fn"),
        ("variable", "The evaluation reads other, which the training does not have"),
    ],
)
def test_values_that_are_not_those_of_the_training_are_refused(field: str, message: str) -> None:
    def features() -> Any:
        return batches(3)().map(lambda features, _: features)

    estimator = of_evaluation(field)
    with pytest.raises(ValueError, match=message):
        estimator.train(features, hooks=[InMemoryEvaluatorHook(estimator, features)])
