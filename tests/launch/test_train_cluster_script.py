"""scripts/train_cluster.sh: what it starts."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
ECHO = "#!/bin/bash\nprintf '%s\\n' \"$@\"\n"


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> pathlib.Path:
    """A virtual environment that is set up already, whose Python says what it was asked to run."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(ECHO)
    python.chmod(0o755)
    stamp = 'root=$0; cat "$root/setup.py" "$root/pyproject.toml" <(echo "$root") | cksum'
    done = subprocess.run(["bash", "-c", stamp, str(ROOT)], capture_output=True, text=True, check=True)
    (tmp_path / ".trainer.stamp").write_text(done.stdout)
    return tmp_path


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
