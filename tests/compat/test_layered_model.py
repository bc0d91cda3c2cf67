"""A model of TensorFlow 1's layers, one import changed: its numbers and its checkpoint are those of tf.estimator."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import trainer.compat.v1 as tf
from tests.compat import layered_model
from tests.launched import ROOT
from trainer.estimator import RunConfig
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.graph.variables import Role, VariableStore
from trainer.estimator.saving.events import read_scalars

# tf_keras says of each layer that a newer one is to be preferred.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.layers:UserWarning")

# Printed by tests/compat/layered_model.py with tf.estimator 2.15.1: every tenth loss from the first step on, and more.
LOSSES = [4.138145, 0.1940948, 0.052051, 0.0202609, 0.0171949, 0.0130747, 0.0126185, 0.0081466, 0.0115424, 0.0069326]
EVALUATION = {"error": 0.25386852, "loss": 0.08186994}
WEIGHTS = {
    "batch_normalization": ("beta", "gamma", "moving_mean", "moving_variance"),
    "batch_normalization_1": ("beta", "gamma", "moving_mean", "moving_variance"),
    "conv2d": ("bias", "kernel"),
    "dense": ("bias", "kernel"),
    "output": ("bias", "kernel"),
}


def test_a_model_of_layers_trains_and_evaluates_as_in_tf_estimator(tmp_path: Path) -> None:
    config = RunConfig(save_summary_steps=1, save_checkpoints_steps=layered_model.STEPS)
    estimator = tf.estimator.Estimator(layered_model.model_fn(tf), tmp_path, config)
    estimator.train(layered_model.input_fn(tf), steps=layered_model.STEPS)
    losses = [values["loss"] for values in read_scalars(str(tmp_path)).values()]
    np.testing.assert_allclose(losses[::10], LOSSES, atol=1e-6)
    evaluation = estimator.evaluate(layered_model.input_fn(tf, 1))
    assert {key: evaluation[key] for key in EVALUATION} == pytest.approx(EVALUATION, abs=1e-5)
    weights = {f"{layer}/{name}" for layer, names in WEIGHTS.items() for name in names}
    slots = {f"{name}/{slot}" for name in weights if "moving" not in name for slot in ("Adam", "Adam_1")}
    assert set(estimator.get_variable_names()) == weights | slots | {"beta1_power", "beta2_power", "global_step"}


def test_a_directory_of_tf_estimator_is_continued(tmp_path: Path) -> None:
    # What tests/compat/layered_model.py makes with tf.estimator in 48 steps, which are 12 epochs.
    directory = shutil.copytree(ROOT / "tests" / "golden" / "layers", tmp_path / "run")
    config = RunConfig(save_summary_steps=1, save_checkpoints_steps=layered_model.STEPS)
    estimator = tf.estimator.Estimator(layered_model.model_fn(tf), directory, config)
    estimator.train(layered_model.input_fn(tf), max_steps=layered_model.STEPS)
    losses = {step: values["loss"] for step, values in read_scalars(str(directory)).items()}
    np.testing.assert_allclose([losses[step] for step in (51, 61, 71, 81, 91)], LOSSES[5:], atol=1e-6)


def test_the_moving_averages_of_layers_are_state_of_the_model_and_slots_are_not() -> None:
    store = VariableStore()
    function = ModelFunction(layered_model.model_fn(tf), None, RunConfig())
    function.trace("train", layered_model.input_fn(tf)().element_spec, store)
    averages = {name for name in store.by_name if "moving" in name}
    assert set(store.named(Role.STATE)) == averages
    assert len(averages) == 4
