"""A sweep over the parameters of a person's own problem, judged by its own metric, where more is better."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import re

import pytest

from tests.deadlines import JOB_SECS
from tests.launched import ROOT, Launched

pytestmark = pytest.mark.process
STUDY = """
trainingInput:
  hyperparameters:
    goal: MAXIMIZE
    hyperparameterMetricTag: accuracy
    maxTrials: 3
    maxParallelTrials: 2
    algorithm: RANDOM_SEARCH
    params:
      - {parameterName: units, type: INTEGER, minValue: 1, maxValue: 32}
      - {parameterName: learning_rate, type: DOUBLE, minValue: 0.0001, maxValue: 0.05, scaleType: UNIT_LOG_SCALE}
"""


def test_the_best_trial_of_a_problem_of_ones_own_is_the_one_with_the_highest_score(tmp_path: pathlib.Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    sweep = Launched(
        [
            *("sweep", f"--config={tmp_path}/study.yaml", f"--output_dir={tmp_path}/sweep", "--seed=3"),
            *(
                "--",
                "--problem=examples/classification.py",
                "--train_steps=60",
                "--exporter=",
                "--seed=1",
                "--noreport",
            ),
        ],
        cwd=ROOT,
        environ=dict(os.environ),
        secs=JOB_SECS,
    )
    try:
        assert sweep.end() == 0, sweep.text
    finally:
        sweep.close()
    with (tmp_path / "sweep" / "sweep.csv").open() as stream:
        rows = {row["trial"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"1", "2", "3"}
    assert len({row["learning_rate"] for row in rows.values()}) == 3
    for number, row in rows.items():
        lines = (tmp_path / "sweep" / number / "output.metrics").read_text().splitlines()
        assert float(json.loads(lines[-1])["accuracy"]) == pytest.approx(float(row["accuracy"]))
        summary = json.loads((tmp_path / "sweep" / number / "summary.json").read_text())
        assert summary["params"]["units"] == int(row["units"])
    best = max(rows, key=lambda number: float(rows[number]["accuracy"]))
    assert len({row["accuracy"] for row in rows.values()}) > 1
    assert re.search(rf"^  best +trial {best}: accuracy ", sweep.text, re.MULTILINE), sweep.text
    trains_best = re.search(r"^  python -m trainer\.task .*", sweep.text, re.MULTILINE)
    assert trains_best is not None
    assert (
        "--problem=examples/classification.py" in trains_best[0] and f"--units={rows[best]['units']}" in trains_best[0]
    )
