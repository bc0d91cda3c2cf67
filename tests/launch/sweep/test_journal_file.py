"""The file behind a journal: half lines, foreign files, stale locks."""

from __future__ import annotations

import os
import pathlib

import optuna
import pytest

from trainer.job.errors import UsageError
from trainer.launch.sweep import journal_file, optuna_output


def trials_after_one_more(path: pathlib.Path) -> int:
    """Opens the journal, adds a trial, and counts them."""
    with optuna_output.silenced():
        study = optuna.create_study(storage=journal_file.storage(path), study_name="s", load_if_exists=True)
        study.ask()
        return len(study.trials)


def test_a_line_that_a_kill_cut_off_is_removed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "journal.log"
    assert trials_after_one_more(path) == 1
    with path.open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    assert trials_after_one_more(path) == 2
    assert trials_after_one_more(path) == 3


@pytest.mark.parametrize("content", ["garbage", "garbage\n", '{"a": 1}\n', "[1]\n", "1\n", "\n\n"])
def test_a_file_that_is_not_a_journal_is_left_alone(tmp_path: pathlib.Path, content: str) -> None:
    path = tmp_path / "journal.log"
    path.write_text(content)
    expected = r"journal.log:1 is not an entry of a sweep's journal\. Accepted: .* choose another --output_dir"
    with pytest.raises(UsageError, match=expected):
        journal_file.storage(path)
    assert path.read_text() == content


def test_a_lock_that_a_kill_left_in_the_log_is_broken(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = pathlib.Path("journal.log")
    assert trials_after_one_more(path) == 1
    os.symlink(path.absolute(), f"{path.absolute()}.lock")
    assert trials_after_one_more(path) == 2
