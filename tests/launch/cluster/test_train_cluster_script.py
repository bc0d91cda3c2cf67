"""scripts/train_cluster.sh: what it starts."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


def started(environment: pathlib.Path, *words: str, **environ: str) -> list[str]:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "train_cluster.sh"), *words],
        env={**os.environ, "VIRTUAL_ENV": str(environment), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["-m", "trainer.launch", "cluster"]
    return lines[3:]


SHAPE = ["--worker=2", "--ps=1", "--evaluator=1"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], [*SHAPE, "--", "--output_dir=output"]),
        (["--train_steps=3", "--sep=a b"], [*SHAPE, "--", "--output_dir=output", "--train_steps=3", "--sep=a b"]),
        (["--job-dir=runs"], [*SHAPE, "--", "--job-dir=runs"]),
        (["--worker=4", "--ps=0", "--"], [*SHAPE, "--worker=4", "--ps=0", "--", "--output_dir=output"]),
        (["--kill=ps:0@9s", "--", "--job-dir", "x"], [*SHAPE, "--kill=ps:0@9s", "--", "--job-dir", "x"]),
    ],
)
def test_flags_go_to_the_task_and_those_before_two_dashes_to_the_launcher(
    environment: pathlib.Path, words: list[str], wanted: list[str]
) -> None:
    assert started(environment, *words) == wanted


def test_on_vertex_the_directory_comes_from_the_environment(environment: pathlib.Path) -> None:
    assert started(environment, AIP_MODEL_DIR="gs://bucket/model/") == [*SHAPE, "--"]
