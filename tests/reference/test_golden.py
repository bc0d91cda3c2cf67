"""Model directories that tf.estimator 2.15 trained, and its losses: we start equal, read them, and go on from them.

`golden/` was made by `make_golden.py` under tensorflow-cpu 2.15.1; nothing of that environment is needed here.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import sines
from benchmarks.estimator_run import BATCH_SIZE, PREDICTED_ROWS, Record, read_records, run
from benchmarks.model_functions import MODEL_FUNCTIONS
from tests.reference.make_golden import CASES, FURTHER_STEPS, GOLDEN, STEPS, plans
from trainer import estimator as tf_estimator

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.layers:UserWarning")

TOLERANCE = 1e-5
EVAL_ROWS = sines.waves(50, seed=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """One case: what the reference recorded, what ours does on the same data, and the directories of both.

    Attributes:
      model_dir: of the reference, 100 steps.
      continued_dir: a copy of it, elsewhere, that ours took 50 steps further.
    """

    name: str
    model_dir: Path
    continued_dir: Path
    trained: Record
    continued: Record
    our_trained: Record
    our_continued: Record

    def estimator(self, model_dir: Path, **arguments: Any) -> tf_estimator.Estimator:
        model, optimizer = CASES[self.name]
        params = {"optimizer": optimizer, "learning_rate": 0.01, "size": 3}
        return tf_estimator.Estimator(MODEL_FUNCTIONS[model], model_dir, params=params, **arguments)

    def copy_to(self, directory: Path) -> Path:
        return Path(shutil.copytree(self.model_dir, directory / "moved"))


@pytest.fixture(scope="module", params=sorted(CASES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model_dir = GOLDEN / request.param / "model_dir"
    trained, continued = read_records(GOLDEN / request.param / "records.json")
    both = plans(request.param, tmp_path_factory.mktemp(request.param), start=model_dir)
    ours = [run(plan) for plan in both]
    return Pair(
        name=request.param,
        model_dir=model_dir,
        continued_dir=Path(both[1].model_dir),
        trained=trained,
        continued=continued,
        our_trained=ours[0],
        our_continued=ours[1],
    )


# What is not trained further does not ask how it was trained: a case of each model is enough.
one_of_each_model = pytest.mark.parametrize("pair", ["course_lstm_adam", "dense_adam", "layers_adam"], indirect=True)


def evaluation_input() -> Any:
    return sines.in_order(EVAL_ROWS, BATCH_SIZE, epochs=1)


def assert_same_variables(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def serving_input() -> Any:
    features = {sines.FEATURE: tf.TensorSpec([None, sines.SEQUENCE_LENGTH - 1], tf.float32, name=sines.FEATURE)}
    return tf_estimator.export.build_raw_serving_input_receiver_fn(features)


def test_each_of_the_first_hundred_losses_is_the_references(pair: Pair) -> None:
    assert sorted(pair.our_trained.losses) == list(range(1, STEPS + 1))
    assert pair.our_trained.losses == pytest.approx(pair.trained.losses, abs=TOLERANCE)


def test_a_run_from_scratch_ends_at_the_references_variables_and_names(pair: Pair) -> None:
    assert_same_variables(pair.our_trained.variables, pair.trained.variables)


def test_a_run_from_scratch_evaluates_and_predicts_as_the_reference(pair: Pair) -> None:
    assert pair.our_trained.metrics == pytest.approx(pair.trained.metrics, abs=TOLERANCE)
    np.testing.assert_allclose(pair.our_trained.predictions, pair.trained.predictions, atol=TOLERANCE)


def test_the_references_model_dir_evaluates_to_its_own_metrics(pair: Pair) -> None:
    assert pair.our_continued.metrics_before == pytest.approx(pair.trained.metrics, rel=1e-6)


def test_the_references_model_dir_is_continued_with_equal_losses(pair: Pair) -> None:
    further = {step: loss for step, loss in pair.continued.losses.items() if step > STEPS}
    assert pair.our_continued.losses == pytest.approx(further, abs=TOLERANCE)


def test_the_continued_run_ends_at_the_references_variables_and_metrics(pair: Pair) -> None:
    assert_same_variables(pair.our_continued.variables, pair.continued.variables)
    assert pair.our_continued.metrics == pytest.approx(pair.continued.metrics, abs=TOLERANCE)
    np.testing.assert_allclose(pair.our_continued.predictions, pair.continued.predictions, atol=TOLERANCE)


@one_of_each_model
def test_evaluation_does_not_train_although_the_train_op_is_built(pair: Pair, tmp_path: Path) -> None:
    estimator = pair.estimator(pair.copy_to(tmp_path))
    before = {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}
    first, second = estimator.evaluate(evaluation_input()), estimator.evaluate(evaluation_input())
    assert first == second
    assert_same_variables({name: estimator.get_variable_value(name) for name in before}, before)


@one_of_each_model
def test_the_references_model_dir_exports_what_it_predicts(pair: Pair, tmp_path: Path) -> None:
    exported = pair.estimator(pair.copy_to(tmp_path)).export_saved_model(str(tmp_path / "export"), serving_input())
    signatures = tf.saved_model.load(exported.decode()).signatures
    assert sorted(signatures) == ["predict_export_outputs", "serving_default"]
    rows = tf.constant(EVAL_ROWS[:PREDICTED_ROWS, : -sines.N_OUTPUTS])
    served = signatures["serving_default"](**{sines.FEATURE: rows})
    np.testing.assert_allclose(served["predicted"], pair.trained.predictions, atol=TOLERANCE)


@one_of_each_model
def test_a_warm_start_takes_the_references_weights_and_not_its_step(pair: Pair, tmp_path: Path) -> None:
    # A list takes what is not trained too, as the averages of layers are.
    settings = tf_estimator.WarmStartSettings(str(pair.model_dir), vars_to_warm_start=[".*"])
    warm = pair.estimator(tmp_path / "new", warm_start_from=settings)
    metrics = warm.evaluate(evaluation_input())
    assert metrics == pytest.approx({**pair.trained.metrics, "global_step": 0}, rel=1e-6)


def test_the_keys_that_we_save_are_the_references(pair: Pair) -> None:
    estimator = pair.estimator(pair.continued_dir)
    saved = tf.train.load_checkpoint(estimator.latest_checkpoint()).get_variable_to_shape_map()
    theirs = tf.train.load_checkpoint(str(pair.model_dir)).get_variable_to_shape_map()
    assert theirs.items() <= saved.items()
    assert estimator.get_variable_names() == sorted(theirs)


def test_the_state_file_keeps_the_references_checkpoints_by_relative_paths(pair: Pair) -> None:
    lines = (pair.continued_dir / "checkpoint").read_text().splitlines()
    for step in (0, STEPS, STEPS + FURTHER_STEPS):
        assert f'all_model_checkpoint_paths: "model.ckpt-{step}"' in lines
    assert f'model_checkpoint_path: "model.ckpt-{STEPS + FURTHER_STEPS}"' in lines
