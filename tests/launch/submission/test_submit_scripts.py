"""scripts/submit_vertex.sh and scripts/submit_kubernetes.sh: what they start."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from tests.deadlines import ANSWER_SECS

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parent.parent.parent.parent
WORDS = ["--output_dir=gs://my-bucket/run", "--name=a b", "--dry_run", "--", "--train_steps=3"]


def started(environment: pathlib.Path, target: str, path: str, **environ: str) -> list[str]:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / f"submit_{target}.sh"), *WORDS],
        env={**os.environ, "VIRTUAL_ENV": str(environment), "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_SECS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("target", ["vertex", "kubernetes"])
def test_everything_that_is_typed_goes_to_the_submission(target: str, environment: pathlib.Path) -> None:
    lines = started(environment, target, os.environ["PATH"], GOOGLE_CLOUD_PROJECT="mine")
    assert lines == ["-m", "trainer.launch", "submit", target, *WORDS]


def test_without_a_project_gcloud_s_own_pays(environment: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "gcloud").write_text('#!/bin/sh\necho "of-$1-$2-$3"\n')
    (tmp_path / "gcloud").chmod(0o755)
    python = environment / "bin" / "python"
    python.write_text(python.read_text() + 'echo "project $GOOGLE_CLOUD_PROJECT"\n')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert started(environment, "vertex", path, GOOGLE_CLOUD_PROJECT="")[-1] == "project of-config-get-value-project"
    assert started(environment, "vertex", path, GOOGLE_CLOUD_PROJECT="mine")[-1] == "project mine"
