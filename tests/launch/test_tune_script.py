"""scripts/tune.sh: what it starts."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG, OUTPUT = f"--config={ROOT}/hptuning_config.yaml", "--output_dir=output/sweep"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], [CONFIG, OUTPUT, "--"]),
        (["--train_steps=3", "--sep=a b"], [CONFIG, OUTPUT, "--", "--train_steps=3", "--sep=a b"]),
        (["--seed=1", "--"], [CONFIG, OUTPUT, "--seed=1", "--"]),
        (["--config=a.yaml", "--", "--train_steps=3"], [OUTPUT, "--config=a.yaml", "--", "--train_steps=3"]),
        (["--job-dir", "x", "--", "--train_steps=3"], [CONFIG, "--job-dir", "x", "--", "--train_steps=3"]),
        (["--flagfile=f", "--"], ["--flagfile=f", "--"]),
    ],
)
def test_flags_go_to_the_trials_and_those_before_two_dashes_to_the_sweep(
    environment: pathlib.Path, words: list[str], wanted: list[str]
) -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "tune.sh"), *words],
        env={**os.environ, "VIRTUAL_ENV": str(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["-m", "trainer.launch", "sweep", *wanted]
