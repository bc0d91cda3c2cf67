"""A problem is checked when it is built, and found by the name of its module or of its file."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from trainer import Problem, problem_file
from trainer.bound_problem import BoundProblem
from trainer.job.config import DataConfig
from trainer.job.errors import UsageError
from trainer.job.score_table import Score

ROOT = pathlib.Path(__file__).parent.parent


@dataclasses.dataclass(frozen=True)
class Params:
    units: int = 3


@dataclasses.dataclass
class Changeable:
    units: int = 3


@dataclasses.dataclass(frozen=True)
class WithoutDefault:
    units: int


def model_fn(features: Any, labels: Any, mode: str, params: Params) -> None: ...


def input_fn(data: DataConfig) -> None: ...


def without_features(labels: Any, mode: str) -> None: ...


def of_strangers(data: DataConfig, batchsize: int) -> None: ...


RIGHT: dict[str, Any] = {
    "model_fn": model_fn,
    "params": Params,
    "train_input_fn": input_fn,
    "eval_input_fn": input_fn,
    "metrics": {"accuracy": "max", "loss": "min"},
}


def bound(**changes: Any) -> BoundProblem:
    return BoundProblem(problem=Problem(**RIGHT | changes), data=DataConfig(), params=Params(), schema="all of them")


def test_the_first_metric_is_the_score() -> None:
    assert bound().score == Score(name="accuracy", maximizes=True)
    assert bound().metrics == ("accuracy", "loss")
    assert not bound(metrics={"rmse": "min"}).score.maximizes


def test_the_data_may_decide_which_metric_is_the_score() -> None:
    by_schema = bound(score_of=lambda schema: {"all of them": "loss"}[schema])
    assert by_schema.score == Score(name="loss", maximizes=False)
    assert by_schema.metrics == ("loss", "accuracy")
    with pytest.raises(UsageError, match="score_of of PROBLEM returned 'rmse'. Accepted: accuracy, loss. Name one of"):
        bound(score_of=lambda: "rmse").score  # noqa: B018


def test_a_flag_names_another_score_of_which_a_problem_may_say_more() -> None:
    asked = dataclasses.replace(bound(), asked_score="loss")
    assert (asked.score, asked.metrics) == (Score(name="loss", maximizes=False), ("loss", "accuracy"))
    assert dataclasses.replace(bound(score_of=lambda: "accuracy"), asked_score="loss").score.name == "loss"
    told = bound(score_of=lambda asked: {None: "accuracy", "loss": "loss"}[asked])
    assert [dataclasses.replace(told, asked_score=score).score.name for score in (None, "loss")] == ["accuracy", "loss"]


def test_functions_are_given_what_they_ask_for_by_name() -> None:
    problem = Problem(**RIGHT | {"baselines": lambda params, schema=7: {"units": params.units, "schema": schema}})
    assert problem.call("baselines", data=1, params=Params(), schema=2) == {"units": 3, "schema": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_input_fn": None}, "PROBLEM has train_input_fn=None. Accepted: a function"),
        ({"eval_input_fn": "eval"}, "PROBLEM has eval_input_fn='eval'. Accepted: a function"),
        ({"model_fn": None}, "PROBLEM has neither model_fn nor make_estimator. Accepted: one of the two"),
        ({"make_estimator": lambda params: None}, "PROBLEM has model_fn and make_estimator"),
        ({"model_fn": without_features}, "a model_fn that takes no features"),
        ({"train_input_fn": of_strangers}, "a train_input_fn that takes batchsize. Accepted: any of data, params"),
        ({"metrics": {}}, r"PROBLEM has metrics=\{\}. Accepted: \{\"accuracy\": \"max\""),
        ({"metrics": {"accuracy": "maximise"}}, "'accuracy'.='maximise'. .*Write 'max' or 'min'"),
        ({"metrics": {"": "max"}}, "a metric called ''"),
        ({"metrics": ["accuracy"]}, r"metrics=\['accuracy'\]"),
        ({"params": {"units": 3}}, r"PROBLEM has params=\{'units': 3\}. Accepted: a frozen dataclass"),
        ({"params": Params()}, "Give the class, not an instance of it"),
        ({"params": Changeable}, "params=Changeable, which can be changed"),
        ({"params": WithoutDefault}, "params=WithoutDefault, whose units has no default"),
        ({"data": Params}, "Accepted: a frozen dataclass that extends DataConfig"),
    ],
)
def test_a_wrong_problem_is_one_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Problem(**RIGHT | changes)
    assert caught.value.exit_code == 2


FILE = "from trainer import Problem\nPROBLEM = Problem(model_fn=lambda features: 0, train_input_fn=lambda: 0, " + (
    "eval_input_fn=lambda: 0, metrics={'loss': 'min'})\n"
)


def test_a_file_imports_its_neighbours(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "neighbour_of_mine.py").write_text("SCORE = 'auc'\n")
    path = tmp_path / "problem_of_mine.py"
    path.write_text("from neighbour_of_mine import SCORE\n" + FILE.replace("'loss'", "SCORE"))
    assert list(problem_file.load(str(path)).metrics) == ["auc"]
    assert problem_file.named_in([f"--problem={path}", "--train_steps=3"]) is problem_file.load(str(path))


@pytest.mark.parametrize("argv", [["--problem", "x.y"], ["-problem=x.y"], ["--problem=a", "--problem=x.y"]])
def test_the_last_problem_named_counts_however_it_is_spelled(argv: list[str]) -> None:
    with pytest.raises(UsageError, match="--problem=x.y: there is no module x"):
        problem_file.named_in(argv)


def test_without_the_flag_it_is_that_of_the_model() -> None:
    assert next(iter(problem_file.named_in([]).metrics)) == "rmse"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty defines no PROBLEM. Accepted: a module with PROBLEM = Problem"),
        ("PROBLEM = 3\n", "defines PROBLEM=3"),
        ("import no_such_module_here\n", "cannot be imported: .*empty.py:1: ModuleNotFoundError: No module named"),
        ("def f(:\n", "cannot be imported: .*empty.py:1: SyntaxError"),
        ("\n\n1 / 0\n", "cannot be imported: .*empty.py:3: ZeroDivisionError: division by zero"),
        (FILE.replace("'min'", "'down'"), "'loss'.='down'. Accepted: 'max' or 'min'"),
    ],
)
def test_a_file_that_is_no_problem_is_one_error(tmp_path: pathlib.Path, content: str, message: str) -> None:
    (tmp_path / "empty.py").write_text(content)
    with pytest.raises(UsageError, match=message):
        problem_file.load(str(tmp_path / "empty.py"))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="--problem=no/such.py: there is no such file"):
        problem_file.load("no/such.py")


@pytest.mark.process
def test_a_wrong_problem_ends_the_task_before_tensorflow_is_loaded(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(FILE.replace("'min'", "'minn'"))
    code = (
        f"import sys; from trainer import task; code = task.main(['--problem={path}', '--output_dir={tmp_path}/out']); "
        "sys.exit(code if 'tensorflow' not in sys.modules else 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PROBLEM has metrics['loss']='minn'. Accepted: 'max' or 'min'. Did you mean min?" in done.stderr
