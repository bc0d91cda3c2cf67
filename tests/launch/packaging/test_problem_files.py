"""Which files a person's own problem takes along into the source distribution, and under which names."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys
import tarfile

import pytest

from tests.deadlines import ANSWER_SECS
from tests.launch.vertex_requests import ROOT
from trainer.job.errors import DataError, UsageError
from trainer.launch.packaging import archive, problem_files
from trainer.launch.packaging.problem_files import PackedProblem

PROBLEM = "from trainer import Problem\nPROBLEM = Problem(model_fn=lambda features: 0, train_input_fn=lambda: 0, " + (
    "eval_input_fn=lambda: 0, metrics={'loss': 'min'})\n"
)


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(folder: pathlib.Path, **files: str) -> pathlib.Path:
    """Files, of which `__` in a name is a slash; returns the folder."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def packed(name: object) -> PackedProblem:
    found = problem_files.of(str(name))
    assert found is not None
    return found


def test_a_file_becomes_a_module_of_the_package() -> None:
    path = ROOT / "examples" / "classification.py"
    found = packed(path)
    assert found.module == "trainer.problems.classification"
    assert found.files == {"trainer/problems/classification.py": path}
    assert str(found) == (
        f"--problem={path} packed (1 file): the task finds it with --problem=trainer.problems.classification"
    )


def test_what_it_imports_from_its_folder_goes_along_and_nothing_else(tmp_path: pathlib.Path) -> None:
    folder = write(
        tmp_path,
        packing_one="def late():\n    import packing_two.deep\n" + PROBLEM,
        packing_two__deep="from packing_three import X\nimport numpy, json, packing_one\n",
        packing_three="X = 1\n",
        packing_four="1 / 0\n",
        json="1 / 0\n",
        numpy="1 / 0\n",
    )
    (folder / "packing_two" / "words.txt").write_text("a b")
    (folder / "packing_two" / "__pycache__").mkdir()
    (folder / "packing_two" / "__pycache__" / "deep.cpython-311.pyc").write_bytes(b"")
    assert sorted(packed(folder / "packing_one.py").files) == [
        "trainer/problems/packing_one.py",
        "trainer/problems/packing_three.py",
        "trainer/problems/packing_two/deep.py",
        "trainer/problems/packing_two/words.txt",
    ]


def test_a_module_goes_along_with_the_whole_package_that_it_is_in(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, packing_top__a__b=PROBLEM, packing_top__c="import packing_side\n", packing_side="", packing_no="")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = packed("packing_top.a.b")
    assert found.module == "packing_top.a.b"
    assert sorted(found.files) == ["packing_side.py", "packing_top/a/b.py", "packing_top/c.py"]


def test_a_problem_of_the_package_is_there_already(tmp_path: pathlib.Path) -> None:
    assert problem_files.named_in([]) is None
    assert problem_files.named_in(["--problem=trainer.model"]) is None
    by_path = packed(ROOT / "trainer" / "model.py")
    assert (by_path.module, by_path.files) == ("trainer.model", {})
    assert str(by_path).endswith("is one of the package: the task finds it with --problem=trainer.model")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("mine.py", "image: note: --problem=mine.py has to be in it. python -m trainer.launch package --docker "),
        ("mine.flowers", "image: note: --problem=mine.flowers has to be in it. python -m trainer.launch package "),
        (
            f"{ROOT}/trainer/model.py",
            f"image: note: --problem={ROOT}/trainer/model.py has to be in it. Write --problem=",
        ),
        ("trainer.problems.mine", None),
        (None, None),
    ],
)
def test_an_image_made_before_is_said_to_need_what_is_not_of_the_package(name: str | None, note: str | None) -> None:
    notes = list(problem_files.elsewhere([f"--problem={name}"] if name else [], "image"))
    assert len(notes) == (note is not None)
    assert all(str(found).startswith(note or "") for found in notes)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"packing_bad": "def f(:\n"}, r"packing_bad\.py:1: .*every machine would fail on it"),
        ({"packing_bad": "import packing_worse\n", "packing_worse": "\nx = = 1\n"}, r"packing_worse\.py:2: "),
    ],
)
def test_a_file_that_is_no_python_is_refused_with_its_line(
    tmp_path: pathlib.Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        problem_files.of(str(write(tmp_path, **files) / "packing_bad.py"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such.py", "--problem=no/such.py: there is no such file"),
        ("no_such_package.at_all", "--problem=no_such_package.at_all: there is no module no_such_package"),
        ("json.decoder", "json.decoder defines no PROBLEM"),
    ],
)
def test_what_is_no_problem_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        problem_files.of(name)


def test_a_file_called_like_one_of_the_package_is_refused(tmp_path: pathlib.Path) -> None:
    found = packed(write(tmp_path, optimizers=PROBLEM) / "optimizers.py")
    with pytest.raises(UsageError, match="would replace trainer/problems/optimizers.py of the package.*Rename it"):
        archive.build(ROOT, {}, found.files)


def test_the_same_problem_in_other_folders_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    built = [
        archive.build(ROOT, {}, packed(write(tmp_path / name, packing_same=PROBLEM) / "packing_same.py").files)
        for name in ("a", "b")
    ]
    assert built[0].content == built[1].content != archive.build(ROOT, {}).content


@pytest.mark.process
def test_an_unpacked_problem_is_found_by_its_file_too_and_imports_its_neighbours(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "mine", packing_far="from packing_near import X\n" + PROBLEM, packing_near="X = 1\n")
    built = archive.build(ROOT, {}, packed(folder / "packing_far.py").files)
    with tarfile.open(fileobj=io.BytesIO(built.content)) as tar:
        tar.extractall(tmp_path, filter="data")
    code = "import sys; from trainer import problem_file; print(*problem_file.load(sys.argv[1]).metrics)"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / built.file_name.removesuffix(".tar.gz"))}
    for name in ("trainer.problems.packing_far", "elsewhere/packing_far.py"):
        command = [sys.executable, "-P", "-c", code, name]
        told = subprocess.check_output(command, cwd=tmp_path, env=environ, text=True, timeout=ANSWER_SECS)
        assert told == "loss\n"
