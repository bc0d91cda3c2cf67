"""Tests of trainer.storage.upload_queue."""

from __future__ import annotations

import pathlib

import pytest

from trainer.storage import upload_queue
from trainer.storage.upload_queue import UploadQueue
from trainer.storage.uploads import Checkpoints, File, Removal, Tree


def test_the_next_process_knows_what_was_not_uploaded(tmp_path: pathlib.Path) -> None:
    queue = UploadQueue(str(tmp_path), "me")
    sent = [
        File("a"),
        Tree("export/1", "saved_model.pb"),
        Removal("b"),
        Checkpoints("text", ("x", "y"), "model.ckpt-1"),
    ]
    for upload in sent:
        queue.add(upload, None)
    assert upload_queue.left_behind(str(tmp_path)) == ("me", sent)
    queue.remove(sent[0])
    assert upload_queue.left_behind(str(tmp_path)) == ("me", sent[1:])
    queue.clear()
    assert upload_queue.left_behind(str(tmp_path)) == ("me", [])


def test_what_is_sent_again_goes_once_and_last(tmp_path: pathlib.Path) -> None:
    queue = UploadQueue(str(tmp_path))
    first, again = Checkpoints("1", (), "model.ckpt-1"), Checkpoints("2", (), "model.ckpt-2")
    for upload in (first, File("training_done.json"), again):
        queue.add(upload, None)
    assert queue.pending == [File("training_done.json"), again]


def test_a_removal_takes_the_place_of_a_file_that_was_not_sent(tmp_path: pathlib.Path) -> None:
    queue = UploadQueue(str(tmp_path))
    queue.add(File("a"), None)
    queue.add(Removal("a"), None)
    assert queue.pending == [Removal("a")]


def test_what_is_under_way_is_not_dropped(tmp_path: pathlib.Path) -> None:
    queue, running = UploadQueue(str(tmp_path)), File("a")
    queue.add(running, None)
    queue.add(File("a"), running)
    assert len(queue.pending) == 2
    queue.remove(running)
    assert len(queue.pending) == 1


@pytest.mark.parametrize("content", ["", "{", '{"owner": "me"}', '{"owner": "me", "pending": "[{}]"}', "[]"])
def test_a_spoilt_record_counts_as_none_and_is_said(
    tmp_path: pathlib.Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / upload_queue.FILE).write_text(content)
    assert upload_queue.left_behind(str(tmp_path)) == ("", [])
    assert f"What an earlier process had still to upload is left in {tmp_path}." in caplog.text


def test_a_disk_that_takes_nothing_stops_no_upload(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    queue = UploadQueue(str(folder), "me")
    folder.rename(tmp_path / "gone")
    queue.add(File("a"), None)
    queue.add(File("b"), None)
    assert queue.pending == [File("a"), File("b")]
    assert caplog.text.count("cannot be written (No such file or directory)") == 1
