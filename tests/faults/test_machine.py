"""The troubles of the machine that a training meets: what remains, what it says, and how it ends."""

from __future__ import annotations

import pathlib
import signal

import pytest

from tests.faults import machine

pytestmark = pytest.mark.process


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "run"


def test_a_full_disk_ends_a_training_in_one_line_with_what_is_safe(
    directory: pathlib.Path, forking_python: pathlib.Path
) -> None:
    outcome = machine.run("full", directory, forking_python)
    assert (outcome.code, outcome.steps) == (1, (0, 10, 20))
    assert "E Step 30 could not be saved." in outcome.words
    assert (
        "Training continues, and the next save tries again; the last good checkpoint is model.ckpt-20" in outcome.words
    )
    assert f"Safe: model.ckpt-20 in {directory}, the newest checkpoint. Raise the limit on file sizes" in outcome.words
    assert "Traceback" not in outcome.words


def test_a_disk_that_is_full_for_a_while_loses_nothing(directory: pathlib.Path, forking_python: pathlib.Path) -> None:
    outcome = machine.run("full for a while", directory, forking_python)
    assert (outcome.code, outcome.steps[-1], outcome.record) == (0, 60, None)
    assert "I Step 50 is saved: it could be written again." in outcome.words


def test_a_deleted_directory_is_made_again_and_said(directory: pathlib.Path, forking_python: pathlib.Path) -> None:
    outcome = machine.run("deleted", directory, forking_python)
    assert (outcome.code, outcome.steps) == (0, (30, 40, 50, 60))
    assert f"{directory} was deleted, with all checkpoints in it. Training continues" in outcome.words


def test_a_lack_of_memory_is_said_with_what_is_safe(directory: pathlib.Path, forking_python: pathlib.Path) -> None:
    outcome = machine.run("memory", directory, forking_python)
    assert outcome.code == 1 and outcome.record is not None
    assert outcome.record["safe"] == f"Safe: model.ckpt-20 in {directory}, the newest checkpoint."
    assert "There is no memory left. The worker ended at step 20." in outcome.record["message"]
    above, _, _ = outcome.words.partition("Traceback")
    assert "trainer.task: There is no memory left." in above


def test_a_process_that_a_library_aborts_says_what_is_safe(
    directory: pathlib.Path, forking_python: pathlib.Path
) -> None:
    outcome = machine.run("aborted", directory, forking_python)
    assert outcome.code == 128 + signal.SIGABRT and outcome.record is not None
    assert outcome.record["safe"] == f"Safe: model.ckpt-20 in {directory}, the newest checkpoint."
    assert "trainer.task: A library ended the worker (Fatal Python error: Aborted)" in outcome.words
    assert "machine_problem.py" in outcome.words.partition("Fatal Python error: Aborted\n")[2]
