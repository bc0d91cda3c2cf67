"""Directories that only this user may write to."""

from __future__ import annotations

import os
import pathlib
import stat

import pytest

from trainer.storage import own_directory, scratch
from trainer.storage.errors import RefusedError

INSTEAD = "Name another one"


def test_it_is_made_for_this_user_alone_and_taken_again(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "own"
    for _ in range(2):
        own_directory.claim(str(path), INSTEAD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_link_is_refused_whatever_it_leads_to(tmp_path: pathlib.Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(RefusedError, match=r"link is a link\. .*Name another one"):
        own_directory.claim(str(tmp_path / "link"), INSTEAD)


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(RefusedError, match="open can be written by other users"):
        own_directory.claim(str(tmp_path / "open"), INSTEAD)


def test_a_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError, match="file is no directory"):
        own_directory.claim(str(tmp_path / "file"), INSTEAD)


def test_a_directory_of_another_user_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "another"
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        path = pathlib.Path("/usr")
    with pytest.raises(RefusedError, match=r"belongs to user \d+\. .*Name another one"):
        own_directory.claim(str(path), INSTEAD)


def test_scratch_directories_below_the_temporary_ones_have_an_owner(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = scratch.root({})
    os.mkdir(root)
    os.chmod(root, 0o777)
    with pytest.raises(RefusedError, match="Set TRAINER_SCRATCH to a directory of your own"):
        scratch.claim(root, "gs://bucket/job", "chief")
    os.chmod(root, 0o700)
    scratch.claim(root, "gs://bucket/job", "chief").release()
