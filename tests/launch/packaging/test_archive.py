"""The source distribution: what is in it, and that nothing of when, where and by whom gets in."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.deadlines import ANSWER_SECS
from tests.launch.vertex_requests import ROOT
from trainer.job.errors import DataError, UsageError
from trainer.launch.packaging import archive


def source(directory: pathlib.Path, **files: str) -> pathlib.Path:
    """A small source; `__` in names of files is a slash."""
    default = {
        "setup.py": "from setuptools import setup\n",
        "README.md": "# A package\n",
        "trainer____init__.py": '__version__ = "1.2.3"\n',
        "trainer__model.py": "UNITS = 3\n",
    }
    for name, text in {**default, **files}.items():
        path = directory / name.replace("trainer__", "trainer/", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def clone(target: pathlib.Path) -> pathlib.Path:
    """A copy of this source, as a clone would be."""
    shutil.copytree(ROOT / "trainer", target / "trainer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, target / name)
    return target


def test_two_clones_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    first, second = clone(tmp_path / "a"), clone(tmp_path / "deep" / "er" / "b")
    for number, path in enumerate(second.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o600)
        os.utime(path, (10**9 + number, 10**9 + number))
    (second / "trainer" / "__pycache__").mkdir(exist_ok=True)
    (second / "trainer" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"compiled")
    (second / "trainer" / ".model.py.swp").write_bytes(b"edited")
    one, other = archive.build(first, {}), archive.build(second, {})
    assert one.content == other.content
    assert one.sha256 == other.sha256


@pytest.mark.process
def test_other_processes_with_other_masks_and_times_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    root = source(tmp_path)
    code = (
        "import os, sys, pathlib; os.umask(int(sys.argv[2], 8)); from trainer.launch.packaging import archive; "
        "print(archive.build(pathlib.Path(sys.argv[1]), {}).sha256)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code, str(root), mask],
            cwd=ROOT,
            env={**os.environ, "TZ": zone, "LC_ALL": "C", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=ANSWER_SECS,
        ).stdout
        for mask, zone, seed in (("022", "UTC", "1"), ("077", "Asia/Tokyo", "2"))
    }
    assert len(told) == 1


def test_what_the_person_edits_is_in_it_and_changes_its_name(tmp_path: pathlib.Path) -> None:
    before = archive.build(source(tmp_path), {})
    source(tmp_path, trainer__model="UNITS = 4\n")
    (tmp_path / "trainer" / "model.py").write_text("UNITS = 4\n")
    after = archive.build(tmp_path, {})
    assert before.file_name == after.file_name == "trainer-1.2.3.tar.gz"
    assert before.path_below("gs://b/packages/") != after.path_below("gs://b/packages/")
    with tarfile.open(fileobj=io.BytesIO(after.content)) as tar:
        stream = tar.extractfile("trainer-1.2.3/trainer/model.py")
        assert stream is not None and stream.read() == b"UNITS = 4\n"


def test_members_are_sorted_and_belong_to_nobody(tmp_path: pathlib.Path) -> None:
    built = archive.build(source(tmp_path), {"SOURCE_DATE_EPOCH": "1700000000"})
    with tarfile.open(fileobj=io.BytesIO(built.content)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.mode, member.mtime) for member in members} == {
        (0, 0, "", 0o644, 1700000000)
    }
    assert built.content[4:8] == b"\0\0\0\0"  # gzip's own time
    assert "trainer-1.2.3/PKG-INFO" in [member.name for member in members]


@pytest.mark.parametrize("epoch", ["yesterday", "0", "-5", "99999999999"])
def test_a_time_that_no_wheel_can_have_is_refused(epoch: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match=f"SOURCE_DATE_EPOCH={epoch}.*1980, the first year in wheels"):
        archive.build(source(tmp_path), {"SOURCE_DATE_EPOCH": epoch})


def test_a_file_that_is_no_python_is_refused_with_its_line(tmp_path: pathlib.Path) -> None:
    (source(tmp_path) / "trainer" / "inputs.py").write_text("def train_input_fn(:\n    pass\n")
    with pytest.raises(DataError, match=r"trainer/inputs\.py:1: .*every machine would fail on it"):
        archive.build(tmp_path, {})


def test_a_folder_without_source_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="does not hold the source of trainer.*--source=DIR"):
        archive.build(tmp_path, {})


def test_a_source_without_version_is_refused(tmp_path: pathlib.Path) -> None:
    (source(tmp_path) / "trainer" / "__init__.py").write_text("")
    with pytest.raises(UsageError, match=r"trainer/__init__\.py has no __version__"):
        archive.build(tmp_path, {})


def test_data_in_the_package_are_refused(tmp_path: pathlib.Path) -> None:
    with (source(tmp_path) / "trainer" / "data.bin").open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(UsageError, match=r"65 MB, the largest file of it trainer/data\.bin.*in a bucket"):
        archive.build(tmp_path, {})


def test_files_beside_the_code_are_in_it(tmp_path: pathlib.Path) -> None:
    (source(tmp_path) / "trainer" / "page.html").write_text("<p>")
    assert "trainer/page.html" in archive.build(tmp_path, {}).files


def test_the_root_of_this_source_is_known() -> None:
    assert archive.source_root() == ROOT
