"""A used directory: the same run goes on, another one is refused by name or begun where a flag says so."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from trainer import continuing, inputs, model, problem_file, task
from trainer.bound_problem import BoundProblem
from trainer.estimator.saving import checkpoints, manifest
from trainer.formats.settings import ForecastData
from trainer.job.cluster import Cluster
from trainer.job.config import DataConfig, RunSettings
from trainer.networks import registry

CLASSIFICATION = "--problem=examples/classification.py"
STEPS = 20


def series(path: pathlib.Path, factor: float = 1.0, rows: int = 400) -> pathlib.Path:
    values = factor * (15000 + 6000 * np.sin(np.arange(rows) / 7.0))
    lines = [f"2024-01-01 {row // 60:02d}:{row % 60:02d},{value:.2f}" for row, value in enumerate(values)]
    path.write_text("\n".join(["date,value", *lines]) + "\n")
    return path


@dataclasses.dataclass(frozen=True)
class Used:
    """A directory with a run in it, and how to start another one there."""

    root: pathlib.Path
    data: pathlib.Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *argv: str, steps: int = STEPS, data: pathlib.Path | None = None) -> int:
        paths = [f"--train_data_paths={data or self.data}"] if not self._names_problem(argv) else []
        return task.main(
            [
                f"--output_dir={self.root}",
                f"--train_steps={steps}",
                "--seed=3",
                "--exporter=",
                "--noreport",
                *paths,
                *argv,
            ]
        )

    def said(self) -> str:
        return self.capsys.readouterr().err

    def fact(self) -> Any:
        """What the newest checkpoint notes of the run."""
        newest = max(self.root.glob("model.ckpt-*.index"), key=lambda file: checkpoints.step_of(str(file)[:-6]))
        return manifest.facts(str(newest)[:-6])["run"]

    def loss(self) -> float:
        metrics = json.loads((self.root / "summary.json").read_text())["metrics"]
        return float(metrics["loss"])

    @staticmethod
    def _names_problem(argv: Sequence[str]) -> bool:
        return any(word.startswith("--problem") for word in argv)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("trained")
    argv = [
        f"--train_data_paths={series(folder / 'series.csv')}",
        "--model=linear",
        "--seed=3",
        "--exporter=",
        "--noreport",
    ]
    assert task.main([f"--output_dir={folder / 'run'}", f"--train_steps={STEPS}", *argv]) == 0
    return folder


@pytest.fixture
def used(trained: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Used:
    shutil.copytree(trained / "run", tmp_path / "run")
    capsys.readouterr()
    return Used(tmp_path / "run", trained / "series.csv", capsys)


# Data


def test_other_data_are_refused_by_file_and_size(used: Used, tmp_path: pathlib.Path) -> None:
    assert used.run("--model=linear", steps=40, data=series(tmp_path / "tenfold.csv", 10.0)) == 2
    said = used.said()
    assert f"{used.root} holds another run: --train_data_paths: tenfold.csv (" in said
    assert "bytes); series.csv (" in said and "bytes) before. Accepted: the data and the settings that" in said
    assert (
        "Take another --output_dir, or the values of before; to train its weights further with what is new, add "
        in (said)
    )
    assert "add --new_data." in said
    assert used.fact()["files"]["train_data_paths"][0][0] == "series.csv"


def test_one_other_byte_is_other_data(used: Used, tmp_path: pathlib.Path) -> None:
    changed = tmp_path / "series.csv"
    changed.write_text(used.data.read_text().replace("15000.00", "15000.01", 1))
    assert used.run("--model=linear", steps=40, data=changed) == 2
    assert "bytes, of other content); series.csv (" in used.said()


def test_the_same_data_elsewhere_and_under_another_name_are_the_same(used: Used, tmp_path: pathlib.Path) -> None:
    moved = tmp_path / "moved" / "renamed.csv"
    moved.parent.mkdir()
    shutil.copyfile(used.data, moved)
    assert used.run("--model=linear", steps=40, data=moved) == 0
    assert "before" not in used.said()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--train_batch_size=50", "--train_batch_size=50; 100 before"),
        ("--lookback=5", "--lookback=5; none before"),
        ("--split=0.5,0.5", "--split=0.5,0.5; 0.7,0.1,0.2 before"),
        ("--seed=4", "--seed=4; 3 before"),
    ],
)
def test_another_cut_of_the_same_data_is_refused(used: Used, flag: str, words: str) -> None:
    assert used.run("--model=linear", flag, steps=40) == 2
    assert words in used.said()


def test_new_data_are_begun_afresh_with_the_scales_that_the_weights_know(used: Used, tmp_path: pathlib.Path) -> None:
    scales = used.fact()["schema"]["scale"]
    tenfold = series(tmp_path / "tenfold.csv", 10.0)
    assert used.run("--model=linear", "--new_data", steps=40, data=tenfold) == 0
    said = used.said()
    assert f"Step {STEPS} of {used.root} was trained with other values; from here on: --train_data_paths: tenf" in said
    assert "The data are begun afresh." in said
    assert used.fact()["kept"]["scale"] == scales
    assert used.fact()["schema"]["scale"] == pytest.approx([10 * scale for scale in scales])
    # In the units of the new data: with new scales the weights would have met values that look like those of before.
    assert used.loss() > 10
    assert used.run("--model=linear", steps=60, data=tenfold) == 0  # the flag is for the change alone
    assert "before" not in used.said()
    assert used.fact()["kept"]["scale"] == scales


def test_new_data_with_other_columns_are_refused(used: Used, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(used.data.read_text().replace("date,value", "date,price"))
    assert used.run("--model=linear", "--new_data", steps=40, data=other) == 2
    assert "The data have columns=price; the weights in the directory were trained on value. Accepted: data with" in (
        used.said()
    )


def test_new_data_that_no_step_would_see_are_refused(used: Used, tmp_path: pathlib.Path) -> None:
    assert used.run("--model=linear", "--new_data", data=series(tmp_path / "tenfold.csv", 10.0)) == 2
    assert f"is trained up to step {STEPS}, so nothing would be done with what differs: --train_data_p" in used.said()


def test_what_was_best_on_other_data_is_forgotten(used: Used, tmp_path: pathlib.Path) -> None:
    assert used.run("--model=linear", "--exporter=best", steps=30) == 0
    best = used.root / "export" / "best" / "best.json"
    before = json.loads(best.read_text())["eval_result"]
    tenfold = series(tmp_path / "tenfold.csv", 10.0)
    assert used.run("--model=linear", "--exporter=best", "--new_data", steps=40, data=tenfold) == 0
    assert json.loads(best.read_text())["eval_result"]["rmse"] > before["rmse"]


# Settings


def test_a_finished_run_with_other_settings_is_not_nothing_to_do(used: Used) -> None:
    assert used.run("--model=dnn") == 2
    said = used.said()
    assert "holds another run: --model=dnn; linear before." in said and "add --new_settings." in said


def test_a_finished_run_with_another_learning_rate_is_not_nothing_to_do(used: Used) -> None:
    assert used.run("--model=linear", "--learning_rate=0.001") == 2
    said = used.said()
    assert f"is trained up to step {STEPS}, so nothing would be done with what differs: --learning_rate=0.001; 0.0" in (
        said
    )
    assert "Raise --train_steps to train further, or take another --output_dir." in said


def test_the_learning_rate_may_change_on_the_way_and_is_said(used: Used) -> None:
    assert used.run("--model=linear", "--learning_rate=0.001", steps=40) == 0
    assert "from here on: --learning_rate=0.001; 0.01 before." in used.said()
    assert used.fact()["settings"]["learning_rate"] == 0.001


def test_other_settings_go_on_where_a_flag_says_so(used: Used) -> None:
    assert used.run("--model=linear", "--momentum=0.5", steps=40) == 2
    assert "--momentum=0.5; 0.9 before" in used.said()
    assert used.run("--model=linear", "--momentum=0.5", "--new_settings", steps=40) == 0
    assert "from here on: --momentum=0.5; 0.9 before." in used.said()
    assert used.run("--model=linear", "--momentum=0.5", steps=50) == 0


def test_how_often_a_run_saves_and_evaluates_may_change_without_a_word(used: Used, tmp_path: pathlib.Path) -> None:
    flags = ["--save_checkpoints_steps=5", "--eval_steps=1", "--eval_batch_size=7", "--keep_checkpoint_max=2"]
    assert used.run("--model=linear", "--data_format=series", *flags, steps=40) == 0
    assert "before" not in used.said()


# Other problems, other directories


def test_a_problem_without_files_is_known_by_its_flags_and_says_what_is_not_compared(used: Used) -> None:
    shutil.rmtree(used.root)
    assert used.run(CLASSIFICATION, "--units=4") == 0
    assert used.run(CLASSIFICATION, "--units=5") == 2
    assert "holds another run: --units=5; 4 before." in used.said()
    assert used.run(CLASSIFICATION, "--units=4", "--train_batch_size=20", steps=40) == 2
    assert "--train_batch_size=20; 100 before" in used.said()
    assert used.run(CLASSIFICATION, "--units=4", "--learning_rate=0.5", steps=40) == 0
    said = used.said()
    assert "from here on: --learning_rate=0.5; 0.01 before." in said
    assert f"What the input functions read by themselves is not compared with what {used.root} was trained on." in said


def test_another_problem_is_refused(used: Used) -> None:
    assert used.run(CLASSIFICATION, steps=40) == 2
    assert "--problem=classification; model before" in used.said()


def test_a_directory_that_does_not_say_what_it_was_trained_on_is_continued(used: Used) -> None:
    for file in used.root.glob("*.manifest"):
        file.unlink()
    assert used.run("--model=linear", "--train_batch_size=50", steps=40) == 0
    assert f"{used.root} does not say what it was trained on: it is taken to be these data and setti" in used.said()
    assert used.fact()["data"]["train_batch_size"] == 50


def test_an_evaluator_takes_over_the_scales_and_refuses_nothing(used: Used, tmp_path: pathlib.Path) -> None:
    data = ForecastData(train_data_paths=(str(series(tmp_path / "tenfold.csv", 10.0)),))
    bound = BoundProblem(problem=model.PROBLEM, data=data, params=model.Params(), schema=inputs.describe(data))
    evaluator = Cluster(jobs={"chief": {0: "a:1"}, "worker": {0: "b:1"}}, task_type="evaluator")
    continued = continuing.continued(bound, RunSettings(), evaluator, str(used.root))
    assert list(continued.schema.scale) == used.fact()["schema"]["scale"] != list(bound.schema.scale)
    assert continued.facts == {}


def test_what_evaluations_report_is_known_of_the_very_same_run(used: Used) -> None:
    def known(**params: Any) -> frozenset[str]:
        data = ForecastData(train_data_paths=(str(used.data),), seed=3)
        settings = model.Params(model=registry.Model("linear"), **params)
        bound = BoundProblem(problem=model.PROBLEM, data=data, params=settings, schema=inputs.describe(data))
        return continuing.continued(bound, RunSettings(train_steps=40), Cluster(), str(used.root)).known_metrics

    assert known() == {"rmse"}
    assert known(learning_rate=0.5) == set()


def test_of_many_files_all_are_known_together(tmp_path: pathlib.Path) -> None:
    def facts() -> Any:
        data = DataConfig(train_data_paths=(f"{tmp_path}/*.csv",))
        problem = problem_file.load("examples/classification.py")
        bound = BoundProblem(problem=problem, data=data, params=problem.params(), schema=None)
        return continuing.continued(bound, RunSettings(), Cluster(), str(tmp_path / "run")).facts["run"]["files"]

    for number in range(250):
        (tmp_path / f"{number}.csv").write_text(f"{number}\n")
    (before,) = facts()["train_data_paths"]
    assert before[:2] == ["the set of 250 files", 890]
    (tmp_path / "0.csv").write_text("1\n")
    assert facts()["train_data_paths"] != [before]
