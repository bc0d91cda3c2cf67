"""The entry: what it refuses before TensorFlow is loaded, and one small job from flags to table."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

from trainer import task
from trainer.formats.settings import ForecastData
from trainer.job.config import RunSettings
from trainer.model import Params

ROOT = pathlib.Path(__file__).parent.parent
SHORT = ["--train_steps=60", "--seed=1", "--model=linear", "--train_batch_size=20", "--noreport"]


def strict_json(path: pathlib.Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in {path}")

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert isinstance(record, dict)
    return record


def run(*argv: str) -> int:
    return task.main(list(argv))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--output_dir=out", "--train_stepps=3"], "Unknown flag --train_stepps. Did you mean --train_steps=3?"),
        (["--output_dir=out", "--label-colum=y"], "Unknown flag --label-colum. Did you mean --label_column=y?"),
        (["--output_dir=out", "linear"], "Unexpected argument 'linear'"),
        (["--output_dir=out", "--train_steps=0"], "--train_steps=0"),
        (["--output_dir=out", "--num_epochs=0"], "--num_epochs=0"),
        (["--output_dir=out", "--train_batch_size=-1"], "--train_batch_size=-1"),
        (["--output_dir=out", "--learning_rate=0"], "--learning_rate=0"),
        ([], "No --output_dir"),
        (["--output_dir=s3://bucket/run"], "--output_dir begins with s3://. Accepted: a local directory, or gs://"),
        (
            ["--output_dir=out", "--hyperparameter_metric_tag=rsme"],
            "--hyperparameter_metric_tag=rsme, which no evaluation of this problem reports. "
            "Accepted: rmse, mae, mse, smape, mase, loss",
        ),
        (
            ["--output_dir=out", "--score=mea"],
            "--score=mea, which no evaluation of this problem reports. Accepted: rmse, mae, mse, smape, mase, loss",
        ),
        (["--output_dir=out", "--strategy=ps"], "--strategy=ps in a job of one process"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    argv: list[str], message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*argv) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("trainer.task: ") and shown.err.count("\n") == 1
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"cluster": {"chief": ["c"]}, "task": {"type": "chief", "index": 0}}, "TF_CONFIG: cluster.chief[0] is 'c'"),
        (
            {"cluster": {"chief": ["c:1"], "worker": ["w:1"]}, "task": {"type": "worker", "index": 1}},
            "task is worker 1, which is not in the cluster",
        ),
        ({"model_dir": "elsewhere"}, "and TF_CONFIG has model_dir 'elsewhere'. Accepted: one directory. Remove one."),
    ],
)
def test_a_cluster_that_cannot_work_is_refused(
    config: dict[str, Any], message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert run(f"--output_dir={tmp_path / 'out'}") == 2
    assert message in capsys.readouterr().err


def test_a_metric_of_the_environment_that_no_evaluation_reports_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_TAG", "accuracy")
    assert run(f"--output_dir={tmp_path / 'out'}") == 2
    assert "CLOUD_ML_HP_METRIC_TAG=accuracy, which no evaluation of this problem reports" in capsys.readouterr().err


def test_a_metric_that_these_data_do_not_have_is_refused_before_training(tmp_path: pathlib.Path, capsys: Any) -> None:
    argv = ["--hyperparameter_metric_tag=mse_standardized", *SHORT]  # the sine waves are not standardised
    assert run(f"--output_dir={tmp_path}", *argv) == 2
    assert "The tuner is to be told mse_standardized, which evaluations do not report. Accepted: rmse" in (
        capsys.readouterr().err
    )
    assert not list(tmp_path.glob("model.ckpt*"))


def test_another_metric_is_the_score_of_the_table_the_tuner_and_the_best_export(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "told"))
    assert run(f"--output_dir={tmp_path}/run", "--score=mae", "--exporter=best", *SHORT) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1].split()[:2] == ["mae", "rmse"]
    assert "Evaluated step 60: mae " in shown.err and "same as last" in shown.err
    summary = strict_json(tmp_path / "run" / "summary.json")
    assert summary["baselines"]["mae_same_as_last"] < summary["baselines"]["mae_mean"]
    assert json.loads((tmp_path / "told").read_text())["mae"] == str(summary["metrics"]["mae"])
    best = json.loads((tmp_path / "run" / "export" / "best" / "best.json").read_text())
    assert best["eval_result"]["mae"] == summary["metrics"]["mae"]


def test_a_score_that_these_data_do_not_have_is_refused_before_training(tmp_path: pathlib.Path, capsys: Any) -> None:
    assert run(f"--output_dir={tmp_path}", "--score=mse_standardized", *SHORT) == 2
    assert "--score=mse_standardized, which evaluations of these data do not report. Accepted: rmse" in (
        capsys.readouterr().err
    )


@pytest.mark.process
def test_so_is_one_in_the_directory_of_another_score(finished: Finished, tmp_path: pathlib.Path, capsys: Any) -> None:
    root = tmp_path / "run"
    shutil.copytree(finished.root, root)
    assert run(f"--output_dir={root}", "--score=mse_standardized", *SHORT, "--train_steps=80") == 2
    assert "--score=mse_standardized, which evaluations of these data do not report" in capsys.readouterr().err
    assert strict_json(root / "training_done.json")["reason"] == "max_steps"  # of the training before


def test_help_goes_to_stdout_and_exits_0(capsys: Any) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr()
    for settings_class in (RunSettings, ForecastData, Params):
        for field in dataclasses.fields(settings_class):
            assert (f"--{field.name}" in shown.out) == field.metadata.get("flag", True)
    assert shown.err == ""


@pytest.mark.process
def test_help_and_refusals_load_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys; from trainer import task; task.main(['--help']); task.main(['--bogus']); "
        "sys.exit(bool({'tensorflow', 'keras', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_fault_in_the_data_is_told_before_training_and_recorded(tmp_path: pathlib.Path, capsys: Any) -> None:
    data = tmp_path / "train.csv"
    data.write_text("1,2,3\n4,5,6\n7,eight,9\n")
    out = tmp_path / "out"
    code = run(f"--output_dir={out}", f"--train_data_paths={data}", f"--eval_data_paths={data}", "--sequence_length=3")
    shown = capsys.readouterr().err
    assert code == 2
    assert "train.csv" in shown and "eight" in shown and "Traceback" not in shown
    record = strict_json(out / "failure.json")
    assert (record["role"], record["step"]) == ("worker", None)
    assert "eight" in record["error"]


@dataclasses.dataclass(frozen=True)
class Finished:
    """A small job that has run."""

    code: int
    root: pathlib.Path
    tuner_file: pathlib.Path
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("job")
    tuner_file = root / "hypertune" / "output.metrics"
    environ = {"CLOUD_ML_HP_METRIC_FILE": str(tuner_file), "CLOUD_ML_TRIAL_ID": "7", "PATH": "/usr/bin:/bin"}
    argv = [f"--output_dir={root}", "--save_checkpoints_steps=20", "--min_eval_frequency=0", "--profile", *SHORT]
    done = subprocess.run(
        [sys.executable, "-m", "trainer.task", *argv],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, root / "7", tuner_file, done.stdout, done.stderr)


@pytest.mark.process
def test_a_job_leaves_its_files_below_its_trial(finished: Finished) -> None:
    assert finished.code == 0, finished.err
    names = {path.name for path in finished.root.iterdir()}
    assert {"checkpoint", "model.ckpt-60.index", "eval", "export", "summary.json", "training_done.json"} <= names
    assert "failure.json" not in names
    assert any(name.startswith("events.out.tfevents.") for name in names)
    assert len(list((finished.root / "export" / "latest").glob("[0-9]" * 10 + "/saved_model.pb"))) == 3


@pytest.mark.process
def test_the_summary_has_what_the_interface_names(finished: Finished) -> None:
    summary = strict_json(finished.root / "summary.json")
    assert (summary["global_step"], summary["reason"], summary["model"]) == (60, "max_steps", "linear")
    assert math.isfinite(summary["metrics"]["rmse"]) and math.isfinite(summary["metrics"]["loss"])
    assert summary["baselines"]["rmse_same_as_last"] == pytest.approx(summary["metrics"]["rmse_same_as_last"], rel=1e-4)
    assert summary["examples_per_sec"] == pytest.approx(20 * summary["steps_per_sec"])
    assert summary["checkpoint"].endswith("model.ckpt-60")
    assert pathlib.Path(summary["export_dir"], "saved_model.pb").exists()
    assert summary["params"]["learning_rate"] == 0.01
    assert set(summary["versions"]) == {"trainer", "python", "tensorflow", "keras", "numpy"}


@pytest.mark.process
def test_a_profile_says_what_all_of_the_time_went_into(finished: Finished) -> None:
    profile = strict_json(finished.root / "summary.json")["profile"]
    for whole in ("percent_of_a_step", "percent_of_the_process"):
        assert sum(round(10 * share) for share in profile[whole].values()) == 1000
    assert profile["percent_of_the_process"]["startup"] > 0 and profile["percent_of_the_process"]["evaluation"] > 0
    assert profile["trace"] == str(finished.root / "plugins" / "profile" / f"step_{profile['steps'][1]}")
    assert (pathlib.Path(profile["trace"]) / "local.xplane.pb").exists()
    assert f"steps {profile['steps'][0]} to {profile['steps'][1]}, " in finished.out
    assert "\n    a step    " in finished.out and "\n    all time  " in finished.out


@pytest.mark.process
def test_the_table_and_the_log_say_the_score_beside_the_baselines(finished: Finished) -> None:
    assert "this run (linear)" in finished.out and "same as last" in finished.out
    assert f"tensorboard --logdir {finished.root}" in finished.out
    assert "--train_steps=120" in finished.out
    assert "step 60/60 (100 %)" in finished.err
    assert finished.err.count("Evaluated step ") == 3
    noise = [line for line in finished.err.splitlines() if "Evaluated" not in line and not line.startswith("step ")]
    assert noise == []


@pytest.mark.process
def test_the_tuner_is_told_of_each_evaluation(finished: Finished) -> None:
    lines = [json.loads(line) for line in finished.tuner_file.read_text().splitlines()]
    assert [(line["trial"], line["global_step"]) for line in lines] == [("7", "20"), ("7", "40"), ("7", "60")]
    assert float(lines[-1]["rmse"]) == strict_json(finished.root / "summary.json")["metrics"]["rmse"]


@pytest.mark.process
def test_the_same_command_again_finds_nothing_to_do(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(finished.tuner_file))
    before = (finished.root / "summary.json").read_bytes()
    assert run(f"--output_dir={finished.root}", *SHORT) == 0
    assert "Nothing to do" in capsys.readouterr().err
    assert (finished.root / "summary.json").read_bytes() == before


@pytest.mark.process
def test_a_restart_on_another_machine_tells_the_tuner_of_the_last_evaluation_once(
    finished: Finished, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "output.metrics"
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(file))
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "7")
    for _ in range(2):
        assert run(f"--output_dir={finished.root.parent}", *SHORT) == 0
    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["trial"], line["global_step"]) == ("7", "60")
    assert line["checkpoint_path"] == str(finished.root / "model.ckpt-60")
    assert float(line["rmse"]) == strict_json(finished.root / "summary.json")["metrics"]["rmse"]


@pytest.mark.process
def test_a_damaged_summary_is_written_anew(finished: Finished, tmp_path: pathlib.Path, capsys: Any) -> None:
    root = tmp_path / "run"
    shutil.copytree(finished.root, root)
    before = strict_json(root / "summary.json")["metrics"]
    (root / "summary.json").write_text((root / "summary.json").read_text().replace('"rmse"', '"rmsf"', 1))
    assert run(f"--output_dir={root}", *SHORT) == 0
    assert f"{root}/summary.json is damaged: it has another checksum than was written" in capsys.readouterr().err
    assert strict_json(root / "summary.json")["metrics"] == pytest.approx(before)


def test_a_model_of_another_size_in_a_used_directory_is_one_line_and_exit_code_2(
    tmp_path: pathlib.Path, capsys: Any
) -> None:
    first, larger = ["--train_steps=2", "--exporter="], ["--train_steps=4", "--exporter=", "--first_layer_size=11"]
    assert run(f"--output_dir={tmp_path}", "--model=dnn", *first) == 0
    capsys.readouterr()
    assert run(f"--output_dir={tmp_path}", "--model=dnn", *larger) == 2
    assert "holds another run: --first_layer_size=11; 10 before." in capsys.readouterr().err
    assert run(f"--output_dir={tmp_path}", "--model=dnn", *larger, "--new_settings") == 2
    shown = capsys.readouterr().err
    assert "has hidden_1/bias of shape [10]; the model function makes hidden_1/bias of shape [11]." in shown
    assert "Train into another model_dir (--output_dir), or change the model back." in shown
    assert "Traceback" not in shown


@pytest.mark.process
def test_a_loss_that_turns_nan_names_step_and_checkpoint(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "metrics"))
    out = tmp_path / "out"
    code = run(f"--output_dir={out}", *SHORT, "--learning_rate=1e30", "--optimizer=sgd")
    shown = capsys.readouterr().err
    assert code == 1
    assert "NaN" in shown and "Traceback" not in shown
    assert strict_json(out / "failure.json")["role"] == "worker"
    assert not (out / "summary.json").exists()


@pytest.mark.process
def test_sigterm_saves_and_exits_143_and_the_same_command_continues(
    forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out"
    argv = [forking_python, "-m", "trainer.task", f"--output_dir={out}", "--model=linear", "--seed=1", "--noreport"]
    environ = {"CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "metrics"), "PATH": "/usr/bin:/bin"}
    endless = [*argv, "--train_steps=1000000000"]
    with subprocess.Popen(endless, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step "):
                break
        process.send_signal(signal.SIGTERM)
        shown = process.stderr.read()
    assert process.returncode == 143, shown
    assert "Saved after SIGTERM" in shown
    assert not (out / "summary.json").exists()
    state = (out / "checkpoint").read_text()
    step = max(int(path.suffixes[0].rpartition("-")[2]) for path in out.glob("model.ckpt-*.index"))
    assert step > 0 and f"model.ckpt-{step}" in state
    again = subprocess.run(
        [*argv, f"--train_steps={step + 10}"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert strict_json(out / "summary.json")["global_step"] == step + 10
