"""Exports with a manifest: what is read of them is as it was written."""

from __future__ import annotations

import pathlib

import pytest

from trainer.estimator.saving import export_manifest
from trainer.estimator.saving.job_directory import on_disk
from trainer.estimator.saving.verification import DamagedCheckpointError

DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture
def export(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "variables").mkdir()
    for name in ("saved_model.pb", "variables/variables.index", DATA):
        (tmp_path / name).write_bytes(name.encode())
    export_manifest.write(str(tmp_path))
    return tmp_path


def test_a_whole_export_is_read(export: pathlib.Path) -> None:
    assert on_disk(str(export)).exports.variables() == str(export / "variables" / "variables")


def test_a_damaged_one_is_refused_by_the_name_of_the_file(export: pathlib.Path) -> None:
    (export / DATA).write_bytes((export / DATA).read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedCheckpointError, match=rf"{DATA} has the checksum \S+, where \S+ was saved"):
        on_disk(str(export)).exports.variables()


def test_a_file_that_is_missing_is_named(export: pathlib.Path) -> None:
    (export / "variables/variables.index").unlink()
    with pytest.raises(DamagedCheckpointError, match=r"variables\.index is missing\. .*Take another export"):
        on_disk(str(export)).exports.variables()


def test_a_manifest_that_is_damaged_is_not_believed(export: pathlib.Path) -> None:
    (export / export_manifest.FILE).write_bytes(b"{}")
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.manifest cannot be believed"):
        on_disk(str(export)).exports.variables()


def test_an_export_of_another_program_has_none_and_is_read(export: pathlib.Path) -> None:
    (export / export_manifest.FILE).unlink()
    assert on_disk(str(export)).exports.variables() is not None
