"""The tutorial works as it is written: its files are saved and its commands run, in their order, in an empty folder."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.deadlines import JOB_SECS
from tests.launched import ROOT, WITH_PYTHON

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"(?:^|\n)([^\n]*\n(?:[^\n]+\n)?)\n?```(\w+)\n(.*?)```", re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """(name of a file or "", its content or commands), in the order of the page."""
    found = []
    for before, language, content in BLOCKS.findall(TUTORIAL):
        named = re.search(r"Save this as\s+`([\w.]+)`", before)
        if language in ("python", "yaml"):
            assert named, f"a block of {language} without a name: {content[:60]}"
            found.append((named[1], content))
        else:
            found.append(("", content))
    return found


def test_every_block_is_a_file_or_commands() -> None:
    assert [name for name, _ in steps() if name] == ["make_data.py", "houses.py", "study.yaml", "ask.py"]
    assert sum(not name for name, _ in steps()) == TUTORIAL.count("```bash") == 8


@pytest.fixture
def python(forking_python: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """`python`: trainings, alone and on a cluster, are forks of a process that has imported TensorFlow."""
    path = tmp_path / "bin" / "python"
    path.parent.mkdir()
    path.write_text(
        f"""#!/bin/sh
case "$*" in
  "-m trainer.task "*) exec "{forking_python}" "$@" ;;
  "-m trainer.launch cluster "*) shift 2; exec "{sys.executable}" -c '{WITH_PYTHON}' "{forking_python}" "$@" ;;
  ask.py) exec "{forking_python}" -c 'import runpy; runpy.run_path("ask.py", run_name="__main__")' ;;
  *) exec "{sys.executable}" "$@" ;;
esac
"""
    )
    path.chmod(0o755)
    return path


@pytest.mark.process
def test_the_tutorial_runs_as_it_is_written(tmp_path: pathlib.Path, python: pathlib.Path) -> None:
    environ = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "empty"
    folder.mkdir()
    printed = ""
    for name, content in steps():
        if name:
            (folder / name).write_text(content, encoding="utf-8")
            continue
        command = ["bash", "-euo", "pipefail", "-c", content]
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=JOB_SECS, check=False
        )
        assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
        printed = done.stdout
    large, small = (float(price) for price in re.findall(r"[\d.]+", printed))
    assert abs(large - 380) < 40 and abs(small - 190) < 40
    assert (folder / "sweep" / "sweep.html").exists()
    (report,) = (folder / "sweep").glob("*/report.html")
    assert f'"{report.parent.name}/report.html"' in (folder / "sweep" / "sweep.html").read_text()
