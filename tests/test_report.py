"""report.html of whole runs: written at their end or afterwards, by the problem's own plots, and never in the way."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest

from trainer import report, task
from trainer.formats.schema import Schema
from trainer.problems import forecast_plots
from trainer.reporting import theme
from trainer.reporting.plot import Examples

FLAGS = ["--model=linear", "--train_steps=40", "--save_checkpoints_steps=20", "--min_eval_frequency=0", "--exporter="]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has ended, and what it said in JSON."""

    folder: pathlib.Path
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch, (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        patch.delenv("CLOUD_ML_TRIAL_ID", raising=False)
        assert task.main([f"--output_dir={folder / 'run'}", "--log_format=json", *FLAGS]) == 0
    return Run(folder / "run", (folder / "out").read_text(), (folder / "err").read_text())


def titles(page: str) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", page)


def test_a_run_ends_with_a_page_that_its_table_names(finished: Run) -> None:
    page = (finished.folder / "report.html").read_text()
    assert titles(page)[:3] == ["Loss", "rmse", "Other metrics"]
    assert {"Forecast and truth", "Residuals", "Predicted against true", "Error by place"} <= set(titles(page))
    assert "<td>same as last</td>" in page and "<td>train_batch_size</td><td>100</td>" in page
    assert f"--output_dir={finished.folder} --train_steps=80" in page


def test_every_line_of_such_a_run_is_an_object_with_its_figures(finished: Run) -> None:
    (closing,) = [json.loads(line) for line in finished.out.splitlines()]
    assert f"  report      {finished.folder}/report.html" in closing["message"]
    assert closing["summary"]["global_step"] == 40
    said = [json.loads(line) for line in finished.err.splitlines()]
    assert {one["severity"] for one in said} == {"INFO"}
    assert [one["step"] for one in said if "loss" in one][-1] == 40
    assert [one["metrics"]["global_step"] for one in said if "metrics" in one] == [20, 40]
    assert all(one["logging.googleapis.com/labels"] == {"role": "chief", "task": "0"} for one in said)


def test_a_wrong_flag_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert task.main(["--log_format=json", "--train_stps=3"]) == 2
    (said,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (said["severity"], said["message"][:13]) == ("ERROR", "trainer.task:")


def test_the_page_of_a_run_that_has_ended_is_written_again(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished.folder / "report.html"
    before = path.read_text()
    path.unlink()
    assert report.main([f"--model_dir={finished.folder}"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert titles(path.read_text()) == titles(before)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ([], 2, "No --model_dir. Accepted: the directory of a run. python -m trainer.report --model_dir=DIR."),
        (["--model_dir=nowhere"], 2, "nowhere has no summary.json. Accepted: the directory of a run that ended well."),
        (["--mdel_dir=x"], 2, "Did you mean --model_dir=x?"),
    ],
)
def test_what_cannot_be_reported_is_said(
    argv: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(argv) == code
    assert message in capsys.readouterr().err


def test_a_summary_of_an_earlier_version_is_refused(
    finished: Run, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads((finished.folder / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": {}, "global_step": 3, "params": found["params"]}))
    assert report.main([f"--model_dir={tmp_path}"]) == 2
    assert "it has no flags. Accepted: what this version writes" in capsys.readouterr().err


PROBLEM = """
import tensorflow as tf
from trainer import Problem
from trainer.estimator import EstimatorSpec
from trainer.reporting.plot import Plot

def input_fn():
    x = tf.reshape(tf.range(40.0), [20, 2])
    return tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(10)

def model_fn(features, labels, mode):
    y = features @ tf.Variable([[0.1], [0.1]], name="w")
    if mode == "infer":
        return EstimatorSpec(mode, predictions={"y": y})
    loss = tf.reduce_mean((y - labels) ** 2)
    train_op = tf.compat.v1.train.GradientDescentOptimizer(1e-5).minimize(loss)
    return EstimatorSpec(mode, predictions=y, loss=loss, train_op=train_op)

def plots(examples, summary):
    assert summary.global_step == 3
    errors = examples.predictions["y"] - examples.labels
    if len(errors) != 20 or FAILS:
        raise KeyError("no such thing")
    return [Plot(title="Mine", caption="Own.", draw=lambda figure: figure.subplots().hist(errors[:, 0]))]

PROBLEM = Problem(model_fn=model_fn, train_input_fn=lambda: input_fn().repeat(), eval_input_fn=input_fn,
                  metrics={"loss": "min"}, plots=plots)
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_problem_draws_its_own_and_its_faults_cost_plots_only(
    fails: bool, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = tmp_path / f"drawing_{fails}.py".lower()
    problem.write_text(PROBLEM.replace("FAILS", str(fails)))
    argv = [f"--problem={problem}", f"--output_dir={tmp_path}/run", "--train_steps=3", "--exporter=", "--report"]
    assert task.main(argv) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert ("Mine" in titles(page)) is not fails
    warning = "report.html has no plots of the problem (KeyError: 'no such thing')."
    assert (warning in capsys.readouterr().err) is fails


@pytest.mark.parametrize(("horizon", "targets"), [(1, 1), (1, 2), (6, 1), (6, 7)])
def test_forecasts_are_drawn_whatever_their_shape(horizon: int, targets: int) -> None:
    random, names = np.random.default_rng(0), tuple(f"column {n}" for n in range(targets + 1))
    truth = random.normal(size=(50, horizon, targets))
    examples = Examples(
        features={"values": random.normal(size=(50, 8, targets + 1)).astype(np.float32)},
        labels=truth.astype(np.float32),
        predictions={"forecast": truth + 0.1},
        numbers=np.concatenate([np.arange(30), np.arange(40, 60)]),
        total=60,
    )
    ones = (1.0,) * (targets + 1)
    schema = Schema(steps=8, columns=names, horizon=horizon, targets=names[1:], mean=ones, scale=ones)
    plots = forecast_plots.plots(examples, schema)
    drawn = {plot.title: plot for plot in plots}
    assert ("Error by horizon" in drawn) is (horizon > 1)
    assert ("Error by target" in drawn) is (targets > 1)
    first = "the last 20 examples of the evaluation" if horizon == 1 else "Of 50 of 60 examples, by their error"
    assert first in drawn["Forecast and truth"].caption
    for plot in plots:
        theme.svg(plot)
