"""A person's own problem, packed with the package and installed as a runner does it."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

from tests.deadlines import JOB_SECS
from tests.launch.packaging.test_problem_files import PROBLEM
from tests.launched import ROOT
from tests.runners.conftest import install
from trainer.launch.packaging import archive, problem_files

pytestmark = pytest.mark.process


def installed_with(name: str, directory: pathlib.Path) -> pathlib.Path:
    """The Python of an environment with the package into which that problem was packed."""
    packed = problem_files.of(name)
    assert packed is not None
    directory.mkdir()
    return install(archive.build(archive.source_root(), {}, packed.files), directory)


def test_a_packed_file_trains_where_only_the_package_is_installed(
    tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    python = installed_with(str(ROOT / "examples" / "classification.py"), tmp_path / "runner")
    flags = [
        "--problem=trainer.problems.classification",
        "--output_dir=out",
        "--train_steps=100",
        "--seed=1",
        "--noreport",
    ]
    done = subprocess.run(
        [python, "-P", "-m", "trainer.task", *flags],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=JOB_SECS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout and "this run (classification)" in done.stdout
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["metrics"]["accuracy"] > 0.8


def test_a_packed_package_is_found_by_its_name_with_its_data(
    tmp_path: pathlib.Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "source" / "flowers_of_mine"
    own.mkdir(parents=True)
    (own / "kinds.txt").write_text("setosa\n")
    (own / "score.py").write_text("import beside_flowers_of_mine\nNAME = beside_flowers_of_mine.NAME\n")
    (own.parent / "beside_flowers_of_mine.py").write_text("NAME = 'auc'\n")
    (own / "problem.py").write_text(
        "import pathlib\nfrom flowers_of_mine.score import NAME\n"
        "assert pathlib.Path(__file__).with_name('kinds.txt').read_text() == 'setosa\\n'\n"
        + PROBLEM.replace("'loss'", "NAME")
    )
    monkeypatch.syspath_prepend(str(own.parent))
    python = installed_with("flowers_of_mine.problem", tmp_path / "runner")
    code = "from trainer import problem_file; print(*problem_file.load('flowers_of_mine.problem').metrics)"
    told = subprocess.check_output([python, "-P", "-c", code], cwd=tmp_path, env=environ, text=True)
    assert told == "auc\n"
