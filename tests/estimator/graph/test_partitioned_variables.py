"""`get_variable` with a partitioner in one process: trained, evaluated, exported and taken over, in any parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, WarmStartSettings
from trainer.estimator.contract.export import build_raw_serving_input_receiver_fn

V1 = tf.compat.v1
IDS = np.random.default_rng(2).integers(0, 11, [4, 7])


def model_fn(features: dict[str, tf.Tensor], labels: Any, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    partitioner = V1.fixed_size_partitioner(params["parts"]) if params["parts"] else None
    start = V1.constant_initializer(0.5)
    table = V1.get_variable(params.get("name", "table"), [11, 3], initializer=start, partitioner=partitioner)
    rows = V1.nn.embedding_lookup(table, features["ids"], partition_strategy="div")
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"rows": rows})
    loss = tf.reduce_mean((rows - tf.cast(features["ids"], tf.float32)[:, None]) ** 2)
    train_op = V1.train.AdamOptimizer(0.1).minimize(loss) if mode == ModeKeys.TRAIN else None
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"ids": IDS}).repeat()


def make(directory: Path, parts: int, warm_start_from: Any = None, **params: Any) -> Estimator:
    config = RunConfig(tf_random_seed=1, save_summary_steps=None)
    return Estimator(model_fn, str(directory), config, {"parts": parts, **params}, warm_start_from)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    return make(tmp_path_factory.mktemp("parts"), 2).train(input_fn, steps=4)


def test_a_checkpoint_names_the_whole_and_its_slots_as_tf_estimator_did(trained: Estimator, tmp_path: Path) -> None:
    whole = make(tmp_path, 0).train(input_fn, steps=4)
    assert trained.get_variable_names() == whole.get_variable_names()
    assert [name for name in trained.get_variable_names() if "table" in name] == ["table", "table/Adam", "table/Adam_1"]
    for name in trained.get_variable_names():
        assert trained.get_variable_value(name) == pytest.approx(whole.get_variable_value(name), abs=1e-7)


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_another_number_of_parts_evaluates_predicts_and_goes_on(trained: Estimator, tmp_path: Path, parts: int) -> None:
    other, path = make(tmp_path, parts), trained.latest_checkpoint()
    expected = trained.evaluate(input_fn, steps=2)
    assert other.evaluate(input_fn, steps=2, checkpoint_path=path) == pytest.approx(expected)
    table = trained.get_variable_value("table")
    predicted = next(other.predict(input_fn, checkpoint_path=path, yield_single_examples=False))
    assert np.array_equal(predicted["rows"], table[IDS[0]])


@pytest.mark.parametrize("parts", [0, 3])
def test_a_warm_start_takes_parts_over_under_another_name(trained: Estimator, tmp_path: Path, parts: int) -> None:
    settings = WarmStartSettings(trained.model_dir, var_name_to_prev_var_name={"other": "table"})
    started = make(tmp_path, parts, settings, name="other").train(input_fn, steps=1)
    before = Estimator.get_variable_value(trained, "table")
    untouched = np.setdiff1d(np.arange(11), IDS[0])
    assert np.array_equal(started.get_variable_value("other")[untouched], before[untouched])


def test_an_export_serves_all_parts(trained: Estimator, tmp_path: Path) -> None:
    receiver = build_raw_serving_input_receiver_fn({"ids": V1.placeholder_with_default(np.zeros([7], np.int64), [7])})
    path = trained.export_saved_model(str(tmp_path), receiver).decode()
    serve = tf.saved_model.load(path).signatures["serving_default"]
    assert np.array_equal(serve(ids=tf.constant(IDS[0]))["rows"], trained.get_variable_value("table")[IDS[0]])
