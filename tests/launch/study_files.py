"""Files of studies for the tests, and what is told of them."""

from __future__ import annotations

import pathlib

from trainer.job.findings import Level
from trainer.launch.study import search_space, study_file

ROOT = pathlib.Path(__file__).parent.parent.parent
FILES = ROOT / "tests" / "golden" / "studies"
TASK = search_space.of_task()


def told(path: pathlib.Path, level: Level = Level.ERROR) -> list[str]:
    """Faults (or notes) of a file, without its name."""
    errors = study_file.examine(str(path), TASK).findings
    return [str(finding).removeprefix(f"{path}:") for finding in errors if finding.level is level]


def written(directory: pathlib.Path, text: str) -> pathlib.Path:
    path = directory / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def hyperparameters(*lines: str) -> str:
    """A file whose first parameter begins in line 6."""
    head = "trainingInput:\n  hyperparameters:\n    goal: MINIMIZE\n    hyperparameterMetricTag: rmse\n    params:\n"
    return head + "".join(f"    {line}\n" for line in lines)


RATE = "- {parameterName: learning_rate, type: DOUBLE, minValue: 0.001, maxValue: 0.1}"
