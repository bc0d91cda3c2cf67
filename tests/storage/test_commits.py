"""Tests of trainer.storage.commits."""

from __future__ import annotations

import pytest

from trainer.storage import commits
from trainer.storage.commits import Commit, Stamp
from trainer.storage.entry import Entry

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


def entry(name: str, crc32c: str = "AAAA") -> Entry:
    return Entry(path=f"gs://bucket/job/{name}", size=3, generation=1, crc32c=crc32c, updated=0.0)


def objects(*names: str, **changed: str) -> dict[str, Entry]:
    """Entries by name; those of `changed`, in whose names dots are underscores, have another checksum."""
    return {name: entry(name, changed.get(name.replace(".", "_"), "AAAA")) for name in names}


@pytest.mark.parametrize(
    ("owner", "there", "left"),
    [
        ("me", objects("a.index", "a.data-0", "b.index"), {"a.index", "a.data-0", "b.index"}),
        ("me", objects("a.index", "b.index"), {"b.index"}),
        ("me", objects("a.index", "a.data-0", "b.index", a_index="BBBB"), {"b.index"}),
        ("me", objects("a.index", "a.data-0", "b.index", "c.index"), {"a.index", "a.data-0", "b.index"}),
        ("", objects("a.index", "c.index"), {"a.index", "c.index"}),
    ],
    ids=["all", "a file is missing", "a file differs", "a file that is not named", "nobody owned it"],
)
def test_one_file_that_is_missing_or_differs_spoils_its_checkpoint(
    owner: str, there: dict[str, Entry], left: set[str]
) -> None:
    files = {name: Stamp(3, "AAAA") for name in ("a.index", "a.data-0", "b.index")}
    assert set(Commit(owner=owner, files=files).undamaged(there)) == left


def test_stamps_are_those_of_one_checkpoint() -> None:
    files = {name: Stamp(3, "AAAA") for name in ("model.ckpt-1.index", "model.ckpt-10.index")}
    assert set(Commit(files=files).stamps("model.ckpt-1")) == {"model.ckpt-1.index"}
