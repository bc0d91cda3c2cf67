"""Submissions of a person's own problem: what the runner is told of it, and what is checked before."""

from __future__ import annotations

import json
import pathlib

import pytest
import yaml

from tests.launched import ROOT
from trainer.launch import __main__ as launcher
from trainer.launch.kubernetes import katib
from trainer.launch.packaging import archive, problem_files

PROBLEM = f"{ROOT}/examples/classification.py"
VERTEX = ["submit", "vertex", "--project=my-project", "--output_dir=gs://my-bucket/a", "--dry_run"]
KUBERNETES = ["submit", "kubernetes", "--image=a/b:1", "--output_dir=gs://my-bucket/a", "--dry_run"]
STUDY = """
trainingInput:
  hyperparameters:
    goal: MAXIMIZE
    hyperparameterMetricTag: accuracy
    maxTrials: 4
    maxParallelTrials: 2
    params:
      - {parameterName: units, type: INTEGER, minValue: 2, maxValue: 32}
      - {parameterName: learning_rate, type: DOUBLE, minValue: 0.001, maxValue: 0.05}
"""


@pytest.fixture
def study(tmp_path: pathlib.Path) -> str:
    (tmp_path / "study.yaml").write_text(STUDY)
    return f"--config={tmp_path}/study.yaml"


def submit(words: list[str], *more: str, task: tuple[str, ...] = ()) -> int:
    return launcher.main([*words, *more, "--", f"--problem={PROBLEM}", *task])


def test_vertex_gets_the_packed_problem_under_the_name_that_it_has_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert submit(VERTEX, "--executor_image=a/b:1", "--worker=2", "--ps=1", "--evaluator=1", task=("--units=9",)) == 0
    shown = capsys.readouterr()
    pools = [pool["pythonPackageSpec"] for pool in json.loads(shown.out)["jobSpec"]["workerPoolSpecs"]]
    for pool in pools:
        assert pool["args"] == ["--problem=trainer.problems.classification", "--units=9", "--separate_evaluator"]
    found = problem_files.of(PROBLEM)
    assert found is not None
    built = archive.build(archive.source_root(), {}, found.files)
    assert pools[0]["packageUris"] == [built.path_below("gs://my-bucket/a/packages")]
    assert f"package: {found}\n" in shown.err


def test_a_study_of_its_own_parameters_goes_to_vertex_also_from_a_file(
    study: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(VERTEX, "--executor_image=a/b:1", study) == 0
    shown = capsys.readouterr().out
    (tmp_path / "job.json").write_text(shown)
    words = ["submit", "vertex", "--project=my-project", f"--request={tmp_path}/job.json", "--dry_run"]
    assert launcher.main(words) == 0
    assert capsys.readouterr().out == shown
    request = json.loads(shown)
    assert request["studySpec"]["metrics"] == [{"metricId": "accuracy", "goal": "MAXIMIZE"}]
    assert [entry["parameterId"] for entry in request["studySpec"]["parameters"]] == ["units", "learning_rate"]
    (pool,) = request["trialJobSpec"]["workerPoolSpecs"]
    assert pool["pythonPackageSpec"]["args"] == ["--problem=trainer.problems.classification"]


@pytest.mark.parametrize("kind", ["job", "tfjob", "jobset", "trainjob"])
def test_every_kind_of_kubernetes_job_gets_the_flag_as_it_is_and_says_what_the_image_needs(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(KUBERNETES, f"--kind={kind}", "--worker=2", task=("--units=9",)) == 0
    shown = capsys.readouterr()
    args = ["--output_dir=gs://my-bucket/a", f"--problem={PROBLEM}", "--units=9"]
    assert args in list(lists(list(yaml.safe_load_all(shown.out))))
    assert f"image: note: --problem={PROBLEM} has to be in it. python -m trainer.launch package --docker" in shown.err


@pytest.mark.parametrize("kind", ["job", "tfjob"])
def test_katib_maximises_its_metric_over_its_parameters(
    kind: str, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(KUBERNETES, f"--kind={kind}", study) == 0
    experiment = list(yaml.safe_load_all(capsys.readouterr().out))[-1]
    objective = experiment["spec"]["objective"]
    assert (objective["type"], objective["objectiveMetricName"]) == ("maximize", "accuracy")
    (script,) = (words[0] for words in lists(experiment) if katib.task_words(str(words[0])))
    assert f"--problem={PROBLEM}" in script
    args = katib.task_words(script)
    assert args is not None
    assert args[-2:] == [
        "--units=${trialParameters.units}",
        "--learning_rate=${trialParameters.learningRate}",
    ]


@pytest.mark.parametrize(
    ("words", "holder"),
    [
        ([*VERTEX, "--image=a/b:1"], "image"),
        ([*VERTEX, "--executor_image=a/b:1", "--package=gs://my-bucket/p/trainer-0.1.0.tar.gz"], "package"),
    ],
)
def test_vertex_leaves_the_flag_alone_where_nothing_is_packed(
    words: list[str], holder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(words) == 0
    shown = capsys.readouterr()
    assert [f"--problem={PROBLEM}"] in list(lists(json.loads(shown.out)))
    assert f"{holder}: note: --problem={PROBLEM} has to be in it." in shown.err


@pytest.mark.parametrize("words", [[*VERTEX, "--executor_image=a/b:1"], [*VERTEX, "--image=a/b:1"], KUBERNETES])
@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("--lstm_units=3", "Unknown flag --lstm_units"),
        ("--units=many", "--units=many. Accepted: a whole number"),
        ("--hyperparameter_metric_tag=rmse", "which no evaluation of this problem reports. Accepted: accuracy, loss."),
    ],
)
def test_what_the_problem_does_not_take_or_report_is_refused(
    words: list[str], task: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(words, task=(task,)) == 2
    assert told in capsys.readouterr().err


def test_a_metric_that_it_does_not_report_is_refused_in_its_study(
    study: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("accuracy", "rmse"))
    assert submit(KUBERNETES, study) == 2
    told = "study.yaml:5:30: hyperparameterMetricTag: rmse, which the job does not report. Accepted: a metric that the "
    assert told in capsys.readouterr().err


def lists(value: object) -> list[list[object]]:
    """Every list in a document."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [entry for item in inner for entry in lists(item)]
    return [*found, value] if isinstance(value, list) else found
