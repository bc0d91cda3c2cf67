"""Programs that disable what version 2 of TensorFlow brought train, evaluate, predict and export all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import JOB_SECS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_program_may_disable_version_2_before_and_after_it_imports_this_package(
    when: str, forking_python: Path, tmp_path: Path
) -> None:
    python = sys.executable if when == "before" else forking_python
    command = [python, "-m", "tests.estimator.version_1_program", when, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=JOB_SECS, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "step": 6,
        "metrics": ["global_step", "loss", "mae"],
        "predictions": 24,
        "outputs": ["y"],
        "canned": 2,
        "eager": False,
    }
