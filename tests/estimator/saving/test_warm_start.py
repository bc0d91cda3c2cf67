"""Starting from another model's values: which variables, from where, and when."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.estimator.one_weight import batches, make, receiver, weight_after
from trainer.estimator import Estimator, WarmStartSettings
from trainer.estimator.graph.variables import Role
from trainer.estimator.saving.warm_start import chosen, settings_of

ROLES = {
    "global_step": Role.STEP,
    "layer/kernel": Role.WEIGHT,
    "layer/bias": Role.WEIGHT,
    "layer/kernel/Momentum": Role.OPTIMIZER,
    "norm/moving_mean": Role.STATE,
    "mean/total": Role.METRIC,
}
STEPS = 3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """Trained for a few steps with momentum."""
    estimator = make(tmp_path_factory.mktemp("source"), {"momentum": 0.5})
    return estimator.train(batches(), steps=STEPS)


def values(estimator: Estimator, step: int = 0) -> dict[str, Any]:
    """Trains on nothing, so that the checkpoint holds what training would start with."""
    estimator.train(batches(0), max_steps=step + 1)
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (".*", ["layer/kernel", "layer/bias"]),
        ("layer/k", ["layer/kernel"]),
        ("kernel", []),
        ([".*"], ["layer/kernel", "layer/bias", "layer/kernel/Momentum", "norm/moving_mean"]),
        (["layer/kernel", "norm"], ["layer/kernel", "layer/kernel/Momentum", "norm/moving_mean"]),
        (["global_step"], []),
        ([], []),
        (None, []),
    ],
)
def test_a_string_chooses_weights_and_a_list_any_variable_but_the_step(wanted: Any, names: list[str]) -> None:
    assert chosen(WarmStartSettings("somewhere", wanted), ROLES) == names


def test_a_path_stands_for_settings() -> None:
    assert settings_of(None) is None
    assert settings_of("a") == WarmStartSettings("a")
    assert settings_of(Path("a")) == WarmStartSettings(Path("a"))
    assert settings_of(WarmStartSettings("a", None)) == WarmStartSettings("a", None)
    with pytest.raises(ValueError, match="warm_start_from is 3. It takes a path, or WarmStartSettings"):
        settings_of(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "ckpt_to_initialize_from=''. It takes the path of a checkpoint, of a directory with"),
        (("a", "("), "vars_to_warm_start with '(': missing ), unterminated subpattern"),
        (("a", [3]), "vars_to_warm_start with 3: "),
        (("a", ".*", {"words": object()}), "> for words. It takes tf.train.VocabInfo objects. Give one"),
    ],
)
def test_invalid_settings_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        WarmStartSettings(*arguments)
    assert message in str(raised.value)


def test_a_directory_gives_the_weights_and_neither_slots_nor_the_step(source: Estimator, tmp_path: Path) -> None:
    warm = values(make(tmp_path, {"momentum": 0.5}, warm_start_from=source.model_dir))
    assert warm["weight"] == source.get_variable_value("weight") != 0
    assert (warm["weight/Momentum"], warm["global_step"]) == (0, 0)


def test_a_list_of_expressions_gives_slots_too_and_never_the_step(source: Estimator, tmp_path: Path) -> None:
    warm = values(make(tmp_path, {"momentum": 0.5}, warm_start_from=WarmStartSettings(source.model_dir, [".*"])))
    expected = {name: source.get_variable_value(name) for name in source.get_variable_names()} | {"global_step": 0}
    assert warm == expected
    assert warm["weight/Momentum"] != 0


def test_a_checkpoint_of_a_step_gives_the_values_of_that_step(source: Estimator, tmp_path: Path) -> None:
    estimator = make(tmp_path, warm_start_from=f"{source.model_dir}/model.ckpt-0")
    assert values(estimator) == {"weight": 0, "global_step": 0}


def test_a_saved_model_gives_its_variables(source: Estimator, tmp_path: Path) -> None:
    exported = source.export_saved_model(str(tmp_path / "export"), receiver)
    estimator = make(tmp_path / "new", warm_start_from=exported.decode())
    assert values(estimator)["weight"] == source.get_variable_value("weight")


def test_paths_may_be_bytes_as_an_export_returns_them(source: Estimator, tmp_path: Path) -> None:
    exported = source.export_saved_model(os.fsencode(tmp_path / "export"), receiver)
    for number, start in enumerate((exported, WarmStartSettings(exported + b"/variables/variables"))):
        estimator = make(tmp_path / str(number), warm_start_from=start)
        assert values(estimator)["weight"] == source.get_variable_value("weight")
    checkpoint = os.fsencode(source.latest_checkpoint() or "")
    assert source.evaluate(batches(1), checkpoint_path=checkpoint)["global_step"] == STEPS


def test_only_a_directory_without_checkpoints_is_warm_started(source: Estimator, tmp_path: Path) -> None:
    make(tmp_path).train(batches(), steps=1)
    again = make(tmp_path, warm_start_from=source.model_dir)
    assert again.evaluate(batches(1))["global_step"] == 1
    again.train(batches(), max_steps=2)
    np.testing.assert_allclose(again.get_variable_value("weight"), weight_after(2), rtol=1e-6)


def test_evaluation_and_export_without_a_checkpoint_use_the_warm_start(source: Estimator, tmp_path: Path) -> None:
    warm = make(tmp_path / "new", {"momentum": 0.5}, warm_start_from=source.model_dir)
    metrics = warm.evaluate(batches(1))
    assert metrics == {**source.evaluate(batches(1)), "global_step": 0}
    assert warm.export_saved_model(str(tmp_path / "export"), receiver)


def test_renamed_variables_are_found_under_their_former_names(source: Estimator, tmp_path: Path) -> None:
    renamed = WarmStartSettings(source.model_dir, "weight", var_name_to_prev_var_name={"weight": "weight/Momentum"})
    assert values(make(tmp_path, warm_start_from=renamed))["weight"] == source.get_variable_value("weight/Momentum")


def test_a_new_name_that_no_variable_has_is_refused(source: Estimator, tmp_path: Path) -> None:
    wrong = WarmStartSettings(source.model_dir, var_name_to_prev_var_name={"wieght": "weight"})
    with pytest.raises(
        ValueError, match="var_name_to_prev_var_name has wieght. .* that are warm-started. Choose from weight"
    ):
        make(tmp_path, warm_start_from=wrong).train(batches(), steps=1)


def test_an_expression_that_matches_nothing_is_refused(source: Estimator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vars_to_warm_start='kernel' matches no variable of the model"):
        make(tmp_path, warm_start_from=WarmStartSettings(source.model_dir, "kernel")).train(batches(), steps=1)


def test_a_source_that_lacks_a_variable_is_refused(source: Estimator, tmp_path: Path) -> None:
    bare = make(tmp_path / "bare").train(batches(), steps=1)
    warm = make(tmp_path / "new", {"momentum": 0.5}, warm_start_from=WarmStartSettings(bare.model_dir, [".*"]))
    with pytest.raises(ValueError, match="model.ckpt-1 lacks weight/Momentum; it has global_step, weight") as raised:
        warm.train(batches(), steps=1)
    advice = "Leave what is new or other out of vars_to_warm_start, as r'(?!weight/Momentum$)' leaves out weight/Mom"
    assert advice in str(raised.value)


def test_what_the_source_lacks_can_be_left_out_as_the_error_advises(source: Estimator, tmp_path: Path) -> None:
    settings = WarmStartSettings(source.model_dir, r"(?!weight/Momentum$)")
    assert chosen(settings, {"weight": Role.WEIGHT, "weight/Momentum": Role.WEIGHT}) == ["weight"]


def test_without_an_expression_no_variable_is_warm_started(source: Estimator, tmp_path: Path) -> None:
    assert values(make(tmp_path, warm_start_from=WarmStartSettings(source.model_dir, None)))["weight"] == 0


def test_a_source_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent cannot be read as a checkpoint"):
        make(tmp_path, warm_start_from=str(tmp_path / "absent")).train(batches(), steps=1)
