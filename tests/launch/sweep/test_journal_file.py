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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"intermediate_value"', b'"intermediate_valve"'),
        (b'\\"high\\": 1.0', b'\\"high\\": -1.0'),
        (b'\\"log\\"', b'\\"lug\\"'),
        (b'"op_code":4', b'"op_code":77'),
    ],
)
def test_a_damaged_journal_is_refused_and_left_alone(tmp_path: pathlib.Path, before: bytes, after: bytes) -> None:
    content = pathlib.Path(__file__).with_name("earlier_format.journal").read_bytes()
    assert before in content
    path = tmp_path / "journal.log"
    path.write_bytes(content.replace(before, after))
    with pytest.raises(UsageError, match=r"journal.log is damaged: Optuna cannot read it \(\w+: .*\)\. Accepted: .*"):
        journal_file.storage(path)
    assert path.read_bytes() == content.replace(before, after)


def test_a_lock_that_a_kill_left_in_the_log_is_broken(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = pathlib.Path("journal.log")
    assert trials_after_one_more(path) == 1
    os.symlink(path.absolute(), f"{path.absolute()}.lock")
    assert trials_after_one_more(path) == 2
