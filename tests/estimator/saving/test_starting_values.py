"""What variables start from: a checkpoint before a warm start before what the model function says."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tests.estimator.one_weight import batches, make
from trainer.estimator import EstimatorSpec, ModeKeys, RunConfig
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving.starting_values import StartingValues


def weighted(features: tf.Tensor) -> EstimatorSpec:
    """One weight, of 3 by itself, beside a count that is not trained."""
    weight = tf.Variable(3.0, name="weight")
    tf.Variable(5, name="seen", trainable=False, dtype=tf.int64)
    return EstimatorSpec(ModeKeys.PREDICT, predictions=features * weight)


def started(values: StartingValues) -> VariableStore:
    """The variables of the model, set."""
    store = values.new_store(seed=1)
    ModelFunction(weighted, None, RunConfig()).trace(ModeKeys.PREDICT, tf.TensorSpec([2]), store)
    values.assign(store, {"weight"} if values.checkpoint else None)
    return store


@pytest.fixture
def trained(tmp_path: Path) -> str:
    """A checkpoint of a model with a weight of the same name."""
    checkpoint = make(tmp_path).train(batches(), max_steps=2).latest_checkpoint()
    assert checkpoint is not None
    return checkpoint


def weight_in(checkpoint: str) -> float:
    return float(tf.train.load_variable(checkpoint, "weight"))


def test_without_anything_the_model_function_says_it() -> None:
    assert started(StartingValues()).by_name["weight"].numpy() == 3.0


def test_given_values_take_the_place_of_the_functions_own() -> None:
    assert started(StartingValues(given={"weight": 4.0})).by_name["weight"].numpy() == 4.0


def test_a_checkpoint_counts_before_all_others(trained: str) -> None:
    values = StartingValues.of_model(trained, {"weight": 4.0}).at(trained)
    assert started(values).by_name["weight"].numpy() == pytest.approx(weight_in(trained))


def test_a_warm_start_counts_where_there_is_no_checkpoint(trained: str) -> None:
    store = started(StartingValues.of_model(trained, {"weight": 4.0}))
    assert store.by_name["weight"].numpy() == pytest.approx(weight_in(trained))
    assert (store.global_step.numpy(), store.by_name["seen"].numpy()) == (0, 5)
