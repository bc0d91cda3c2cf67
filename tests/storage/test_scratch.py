"""Tests of trainer.storage.scratch."""

from __future__ import annotations

import pathlib
import stat

from trainer.storage import scratch


def test_one_folder_has_the_same_directory_again_when_nobody_holds_it(tmp_path: pathlib.Path) -> None:
    first = scratch.claim(str(tmp_path), "gs://bucket/a", "chief")
    second = scratch.claim(str(tmp_path), "gs://bucket/a", "chief")
    assert first.directory != second.directory
    first.release()
    assert scratch.claim(str(tmp_path), "gs://bucket/a", "chief").directory == first.directory
    second.release()


def test_folders_and_roles_have_directories_of_their_own_for_their_owner_only(tmp_path: pathlib.Path) -> None:
    given = [("gs://bucket/a", "chief"), ("gs://bucket/a", "evaluator-0"), ("gs://bucket-a", "chief")]
    claimed = [scratch.claim(str(tmp_path), url, role) for url, role in given]
    assert len({scratch_dir.directory for scratch_dir in claimed}) == len(given)
    for scratch_dir in claimed:
        assert stat.S_IMODE(pathlib.Path(scratch_dir.directory).stat().st_mode) == 0o700
        scratch_dir.release()


def test_what_is_set_aside_is_kept(tmp_path: pathlib.Path) -> None:
    scratch_dir = scratch.claim(str(tmp_path), "gs://bucket/a", "chief")
    pathlib.Path(scratch_dir.directory, "x").write_text("1")
    aside = scratch_dir.set_aside()
    assert pathlib.Path(aside, "x").read_text() == "1" and not list(pathlib.Path(scratch_dir.directory).iterdir())
    scratch_dir.release()


def test_the_place_comes_from_the_environment() -> None:
    assert scratch.root({"TRAINER_SCRATCH": "/scratch"}) == "/scratch"
    assert "trainer-scratch-" in scratch.root({})
