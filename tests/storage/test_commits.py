"""Tests of trainer.storage.commits."""

from __future__ import annotations

import pytest

from trainer.storage import commits
from trainer.storage.commits import Commit, Stamp

TEXT = 'model_checkpoint_path: "model.ckpt-10"\n'


def test_what_is_committed_is_read_and_other_programs_read_their_text() -> None:
    commit = Commit(owner="me", files={"model.ckpt-10.index": Stamp(7, "AAAAAA==")}, text=TEXT)
    assert commits.parse(commit.render()) == commit
    comment, text = commit.render().decode().split("\n", 1)
    assert comment.startswith("#") and text == TEXT


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        "",
        "# a comment of somebody\n" + TEXT,
        '# trainer: {"owner": 1\n' + TEXT,
        '# trainer: {"files": []}\n' + TEXT,
    ],
)
def test_a_file_of_another_program_has_no_owner(content: str) -> None:
    commit = commits.parse(content.encode())
    assert (commit.owner, dict(commit.files)) == ("", {}) and commit.text.endswith(TEXT if content else "")
