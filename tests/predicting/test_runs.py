"""Predictions of a real run: equal to the Estimator's, from its export and from its checkpoints."""

from __future__ import annotations

import csv
import os
import pathlib
import signal

import numpy as np
import pytest
import tensorflow as tf

from tests.launched import Launched
from trainer import model, predict, task
from trainer.bound_problem import BoundProblem
from trainer.estimator import RunConfig
from trainer.formats.settings import ForecastData

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = ("--model=dnn", "--seed=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The directory of a short run."""
    root = tmp_path_factory.mktemp("run")
    flags = ["--train_steps=20", "--save_checkpoints_steps=10", "--eval_batch_size=4000", "--noreport"]
    assert task.main([f"--output_dir={root}", *FLAGS, *flags]) == 0
    return root


@pytest.fixture
def histories(tmp_path: pathlib.Path) -> np.ndarray:
    """Rows of `in.csv`, float32 [rows, 9]."""
    made = np.random.default_rng(3).normal(size=(300, 9)).astype(np.float32)
    text = "".join(",".join(map(repr, row)) + "\n" for row in made.tolist())
    (tmp_path / "in.csv").write_text(text)
    return made


def predicted(run: pathlib.Path, place: pathlib.Path, *flags: str) -> np.ndarray:
    """The forecasts in a file of predictions."""
    target = place / "out.csv"
    words = [f"--model_dir={run}", f"--input={place / 'in.csv'}", f"--output={target}", "--overwrite", *flags]
    assert predict.main(words) == 0
    with target.open(newline="") as file:
        return np.array([float(row["forecast"]) for row in csv.DictReader(file)], np.float32)


def by_estimator(run: pathlib.Path, histories: np.ndarray, checkpoint: str) -> np.ndarray:
    """What `Estimator.predict` gives."""
    data, params = ForecastData(seed=1), model.Params(model=model.registry.Model("dnn"))
    schema = model.PROBLEM.call("describe", data=data)
    bound = BoundProblem(problem=model.PROBLEM, data=data, params=params, schema=schema)
    estimator = bound.estimator(RunConfig(model_dir=str(run)))
    features = {"values": histories[:, :, np.newaxis]}
    rows = estimator.predict(
        lambda: tf.data.Dataset.from_tensor_slices(features).batch(64), checkpoint_path=str(run / checkpoint)
    )
    return np.array([row["forecast"].item() for row in rows], np.float32)


def test_an_export_predicts_what_the_estimator_does(
    run: pathlib.Path, tmp_path: pathlib.Path, histories: np.ndarray
) -> None:
    expected = by_estimator(run, histories, "model.ckpt-20")
    np.testing.assert_allclose(predicted(run, tmp_path), expected, rtol=0, atol=1e-6)
    # The dense signature, asked by places.
    dense = predicted(run, tmp_path, "--signature=serving_default")
    np.testing.assert_allclose(dense, expected, rtol=0, atol=1e-6)


def test_a_checkpoint_predicts_what_the_estimator_does(
    run: pathlib.Path, tmp_path: pathlib.Path, histories: np.ndarray
) -> None:
    before = sorted(path.name for path in run.rglob("*"))
    for name, checkpoint in (("latest", "model.ckpt-20"), ("model.ckpt-10", "model.ckpt-10")):
        found = predicted(run, tmp_path, f"--checkpoint={name}", *FLAGS)
        np.testing.assert_allclose(found, by_estimator(run, histories, checkpoint), rtol=0, atol=1e-6)
    assert sorted(path.name for path in run.rglob("*")) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--checkpoint=latest"], "was trained with other settings: --model=lstm; dnn before"),
        (["--checkpoint=model.ckpt-7", *FLAGS], "has no such checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    run: pathlib.Path,
    tmp_path: pathlib.Path,
    histories: np.ndarray,
    flags: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words_of = [f"--model_dir={run}", f"--input={tmp_path / 'in.csv'}", f"--output={tmp_path / 'out.csv'}"]
    assert predict.main([*words_of, *flags]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.process
def test_a_signal_ends_a_prediction_and_leaves_nothing(
    run: pathlib.Path, tmp_path: pathlib.Path, forking_python: pathlib.Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"values": [[0],[0],[0],[0],[0],[0],[0],[0],[0]]}\n' * 200_000)
    flags = [f"--model_dir={run}", f"--input={tmp_path / 'a.jsonl'}", f"--output={tmp_path / 'out.csv'}"]
    program = {"module": "trainer.predict", "own_python": forking_python}
    asked = Launched([*flags, "--batch_size=1"], cwd=ROOT, environ=os.environ, secs=300, **program)
    asked.until("asked through the signature")
    asked.send(signal.SIGTERM)
    assert asked.end() == 143
    assert "trainer.predict: Asked to end; nothing was written. Run the same command again." in asked.text
    asked.close()
    assert not [path for path in tmp_path.iterdir() if "out.csv" in path.name]
