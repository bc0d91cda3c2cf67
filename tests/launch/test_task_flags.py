"""Flags of the task, looked at where a job is described."""

from __future__ import annotations

import pytest

from tests.launched import ROOT
from trainer.launch import task_flags

CLASSIFICATION = f"--problem={ROOT}/examples/classification.py"


def told(*argv: str, has_evaluator: bool = False, has_base_dir: bool = True) -> list[str]:
    found = task_flags.violations(argv, ("args",), has_evaluator=has_evaluator, has_base_dir=has_base_dir)
    return [str(finding) for finding in found]


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--train_data_paths=gs://my-bucket/a-*.csv,/gcs/b/c.csv", "--eval_data_paths=/mnt/data/e.csv"],
        ["--output_dir=gs://my-bucket/run", "--first-layer-size=8", "--lstm_units=8.0"],
        [CLASSIFICATION, "--units=8", "--hyperparameter_metric_tag=accuracy"],
        [CLASSIFICATION, "--hyperparameter_metric_tag=training/hptuning/metric"],
    ],
)
def test_what_the_task_takes_is_silent(argv: list[str]) -> None:
    assert told(*argv) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--lerning_rate=.1"],
            "args: Unknown flag --lerning_rate. Accepted: flags of trainer.task. Did you mean --learning_rat",
        ),
        (["--help"], "args: --help after --. Accepted: flags of the task."),
        (
            ["lstm"],
            "args: Unexpected argument 'lstm'. Accepted: flags only, as --name=value. Did you mean --model",
        ),
        (["--separate_evaluator"], "args: --separate_evaluator in a job without an evaluator."),
        (
            [CLASSIFICATION, "--hyperparameter_metric_tag=acuracy"],
            "args: --hyperparameter_metric_tag=acuracy, which no evaluation of this problem reports. "
            "Accepted: accuracy, loss. Did you mean accuracy?",
        ),
        (
            ["--hyperparameter_metric_tag=accuracy"],
            "args: --hyperparameter_metric_tag=accuracy, which no evaluation of this problem reports. "
            "Accepted: rmse, mae, mse, smape, mase, loss",
        ),
        ([CLASSIFICATION, "--lstm_units=8"], "args: Unknown flag --lstm_units. Accepted: flags of trainer.task."),
        (
            ["--problem=trainer.problems.of_another_machine", "--units=8"],
            "args: note: --problem=trainer.problems.of_another_machine: there is no module "
            "trainer.problems.of_another_machine here, so that the flags are not checked.",
        ),
        (["--output_dir=runs"], "args: --output_dir=runs is on one machine only. Accepted: gs://"),
        (["--save_checkpoints_steps=5", "--save_checkpoints_secs=5"], "args: --save_checkpoints_steps=5 together"),
    ],
)
def test_what_the_task_would_refuse_is_reported(argv: list[str], message: str) -> None:
    (line,) = told(*argv)
    assert line.startswith(message)


def test_a_job_needs_a_directory_from_somewhere() -> None:
    assert told(has_base_dir=False) == [
        "args: no output directory. Accepted: a directory that outlives the machine, such as gs://bucket/run. "
        "Set --output_dir."
    ]
    assert told("--output_dir=gs://my-bucket/run", "--separate_evaluator", has_base_dir=False, has_evaluator=True) == []
