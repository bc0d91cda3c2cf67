"""Files checked from the command line: one line for a fine one, every finding of the others, and the exit code."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from tests.launch.packaging.test_problem_files import PROBLEM
from trainer.launch import __main__ as launcher
from trainer.launch import validate
from trainer.launch.study import search_space, study_file
from trainer.launch.vertex import study as vertex_study

ROOT = pathlib.Path(__file__).parent.parent.parent
SHIPPED = str(ROOT / "hptuning_config.yaml")
WRONG = ROOT / "tests" / "golden" / "studies" / "wrong"


def test_a_fine_file_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main([SHIPPED]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{SHIPPED}: a study that minimises rmse over ") and told.count("\n") == 1
    assert told.endswith(" in 20 trials, 2 at a time\n")


def test_all_faults_of_all_files_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = str(WRONG / "wrong_types.yaml")
    assert launcher.main(["validate", wrong, SHIPPED, "none.yaml", wrong]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        f"{wrong}:5:16: maxTrials: twenty. Accepted: a whole number. Write a number, such as 128 or 1e-3.",
        f"{wrong}:6:5: maxParallelTrials: a list. Accepted: a whole number. Correct it.",
        f"{wrong}: 2 errors",
    ]
    assert lines[4] == "none.yaml: No such file or directory. Accepted: a YAML file. Correct the path."
    assert lines[5:] == ["2 of 3 files have errors."]


def test_notes_are_reported_and_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    old = str(WRONG.parent / "old_service.yaml")
    assert validate.main([old, SHIPPED]) == 0
    told = capsys.readouterr().out
    assert f"{old}:3:3: note: scaleTier in trainingInput is not read." in told
    assert told.endswith("All 2 files are accepted.\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: x}\nspec: {}\n",
            "4:1: spec.tfReplicaSpecs: no replicas. ",
        ),
        ("workerPoolSpecs: []\n", "1:1: "),
        ("a: 1\n", "1:1: Not a kind of file that is known here. Accepted: one of: a sweep"),
        ("a: [", "1:5: Not valid YAML: "),
    ],
)
def test_files_that_are_no_studies_are_checked_too(
    text: str, told: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    assert validate.main([str(path)]) == 2
    assert f"{path}:{told}" in capsys.readouterr().out


def test_a_whole_tuning_job_is_checked_in_its_study_and_in_its_job(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = vertex_study.tuning(study_file.read(SHIPPED, search_space.of_task()))
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 2, "containerSpec": {"imageUri": "x"}}
    job = {"displayName": "sines", **study, "parallelTrialCount": -1, "trialJobSpec": {"workerPoolSpecs": [pool]}}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job, indent=2))
    assert validate.main([str(path)]) == 2
    told = capsys.readouterr().out
    assert told.count("parallelTrialCount: -1") == 1
    assert "trialJobSpec.workerPoolSpecs[0].replicaCount: 2 chiefs." in told
    assert "note:" not in told


OWN_STUDY = """
trainingInput:
  hyperparameters:
    goal: MAXIMIZE
    hyperparameterMetricTag: accuracy
    maxTrials: 4
    maxParallelTrials: 2
    params: [{parameterName: units, type: INTEGER, minValue: 2, maxValue: 32}]
"""


def test_a_study_of_another_problem_is_checked_with_its_metrics_and_flags(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(OWN_STUDY)
    words = ["validate", f"{tmp_path}/study.yaml"]
    assert launcher.main([*words, "--", f"--problem={ROOT}/examples/classification.py"]) == 0
    assert "a study that maximises accuracy over units in 4 trials" in capsys.readouterr().out
    assert launcher.main(words) == 2
    told = capsys.readouterr().out
    assert "accuracy, which the job does not report" in told and "units is not a flag of trainer.task" in told
    assert launcher.main([*words, "--", "--problem=no/such.py"]) == 2
    assert "--problem=no/such.py: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("problem", [f"{ROOT}/examples/classification.py", "trainer.problems.of_another_machine"])
def test_a_whole_tuning_job_is_checked_with_the_problem_that_its_flags_name(
    problem: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(OWN_STUDY)
    space = search_space.of_task([f"--problem={ROOT}/examples/classification.py"])
    study = vertex_study.tuning(study_file.read(f"{tmp_path}/study.yaml", space))
    container = {"imageUri": "a/b:1", "args": [f"--problem={problem}"]}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}
    trial = {"workerPoolSpecs": [pool], "baseOutputDirectory": {"outputUriPrefix": "gs://my-bucket/a"}}
    (tmp_path / "job.json").write_text(json.dumps({"displayName": "kinds", **study, "trialJobSpec": trial}))
    assert validate.main([f"{tmp_path}/job.json"]) == 0
    told = capsys.readouterr().out
    assert "a study that maximises accuracy over units" in told
    assert ("here, so that the flags are not checked" in told) == (problem[0] != "/")


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("good", 0, "good.py: a problem that reports auc, loss"),
        ("bad", 2, "bad.py:1: "),
        ("empty", 2, "empty defines no PROBLEM. Accepted: a module with PROBLEM = Problem"),
    ],
)
def test_a_python_file_is_checked_as_a_problem(
    name: str, code: int, told: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.py").write_text(PROBLEM.replace("'loss': 'min'", "'auc': 'max', 'loss': 'min'"))
    (tmp_path / "bad.py").write_text("def f(:\n")
    (tmp_path / "empty.py").write_text("")
    assert launcher.main(["validate", f"{tmp_path}/{name}.py"]) == code
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            [],
            "trainer.launch validate: No file. Accepted: names of sweep and job files. Add one, such as hptuning",
        ),
        (["--strict", "x"], "trainer.launch validate: Unknown flag --strict. Accepted: names of files. Drop it, or"),
    ],
)
def test_wrong_usage_is_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(["validate", *argv]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.process
def test_help_is_printed_without_reading_yaml() -> None:
    code = (
        "import sys; from trainer.launch import __main__ as launcher; code = launcher.main(['validate', '--help']); "
        "sys.exit(code or bool({'yaml', 'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("Usage: python -m trainer.launch validate FILE")
