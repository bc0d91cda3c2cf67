"""Events: written so that TensorBoard reads them, and read back whatever happened to the file."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.deadlines import ANSWER_SECS
from trainer.estimator.saving.events import Events, read_scalars
from trainer.storage import framing


def write(directory: Path, values: dict[int, dict[str, float]]) -> Path:
    """One event file of the values, by step and tag."""
    before = set(directory.glob("*"))
    events = Events(str(directory))
    for step, scalars in values.items():
        events.scalars(scalars, step, now=100.0 + step)
    events.close()
    (written,) = set(directory.glob("*")) - before
    return written


def read_events(file: Path) -> list[tf.compat.v1.Event]:
    return [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]


def test_scalars_are_read_back_by_step_and_tag(tmp_path: Path) -> None:
    write(tmp_path, {10: {"loss": 0.5, "rmse": 0.25}, 20: {"loss": 0.125}})
    assert read_scalars(str(tmp_path)) == {10: {"loss": 0.5, "rmse": 0.25}, 20: {"loss": 0.125}}


def test_reading_says_nothing_about_deprecation(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {1: {"loss": 0.5}})
    read_scalars(str(tmp_path))
    assert "deprecated" not in capfd.readouterr().err


def test_of_one_step_the_last_written_file_counts(tmp_path: Path) -> None:
    first = write(tmp_path, {10: {"loss": 1.0}, 20: {"loss": 1.0}})
    first.rename(first.with_name("events.out.tfevents.0000000001.host"))
    write(tmp_path, {20: {"loss": 0.5}})
    assert read_scalars(str(tmp_path)) == {10: {"loss": 1.0}, 20: {"loss": 0.5}}


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_a_file_that_was_cut_off_keeps_what_came_before(tmp_path: Path, cut: int) -> None:
    file = write(tmp_path, {10: {"loss": 1.0}, 20: {"loss": 0.5}})
    file.write_bytes(file.read_bytes()[:-cut])
    assert read_scalars(str(tmp_path)) == {10: {"loss": 1.0}}


def test_a_corrupt_tail_keeps_what_came_before_and_later_files(tmp_path: Path) -> None:
    file = write(tmp_path, {10: {"loss": 1.0}, 20: {"loss": 0.5}})
    content = bytearray(file.read_bytes())
    content[-6] ^= 0xFF
    file.write_bytes(bytes(content))
    later = write(tmp_path, {30: {"loss": 0.25}})
    later.rename(later.with_name("events.out.tfevents.9999999999.host"))
    assert read_scalars(str(tmp_path)) == {10: {"loss": 1.0}, 30: {"loss": 0.25}}


def test_a_directory_without_events_has_no_scalars(tmp_path: Path) -> None:
    assert read_scalars(str(tmp_path)) == {}
    assert read_scalars(str(tmp_path / "absent")) == {}


def test_what_tf_summary_wrote_is_read_too(tmp_path: Path) -> None:
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        tf.summary.scalar("rmse", 0.5, step=7)
    writer.close()
    assert read_scalars(str(tmp_path)) == {7: {"rmse": 0.5}}


def test_a_start_is_marked_for_tensorboard(tmp_path: Path) -> None:
    events = Events(str(tmp_path))
    events.started(101, now=5.0)
    events.close()
    (file,) = tmp_path.iterdir()
    version, start = read_events(file)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.wall_time, start.session_log.status) == (101, 5.0, tf.compat.v1.SessionLog.START)


def test_a_text_is_a_string_tensor(tmp_path: Path) -> None:
    events = Events(str(tmp_path))
    events.text("checkpoint_path", "model.ckpt-7", step=7, now=1.0)
    events.close()
    (file,) = tmp_path.iterdir()
    (value,) = read_events(file)[-1].summary.value
    assert (value.tag, tf.make_ndarray(value.tensor).item()) == ("checkpoint_path", b"model.ckpt-7")


def test_a_histogram_keeps_its_metadata(tmp_path: Path) -> None:
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "histograms"
    events = Events(str(tmp_path))
    events.tensor("weights", np.ones([1, 3]), metadata.SerializeToString(), step=7, now=1.0)
    events.close()
    (file,) = tmp_path.iterdir()
    (value,) = read_events(file)[-1].summary.value
    assert (value.tag, value.metadata.plugin_data.plugin_name) == ("weights", "histograms")
    assert tf.make_ndarray(value.tensor).tolist() == [[1.0, 1.0, 1.0]]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_events_of_a_second_are_handed_to_the_thread_together(tmp_path: Path) -> None:
    clock = Clock()
    events = Events(str(tmp_path), clock)
    events.scalars({"loss": 1.0}, 1, now=1.0)
    events.flush()
    for step in range(2, 40):  # more than TensorFlow's writer keeps
        events.scalars({"loss": 1.0}, step, now=1.0)
    events.write_due()
    assert list(read_scalars(str(tmp_path))) == [1]
    clock.now = 1.0
    events.write_due()
    until = time.monotonic() + ANSWER_SECS
    while len(read_scalars(str(tmp_path))) == 1:  # the thread is about to write them
        assert time.monotonic() < until
    events.close()
    assert list(read_scalars(str(tmp_path))) == list(range(1, 40))


def test_no_event_makes_no_file(tmp_path: Path) -> None:
    events = Events(str(tmp_path / "eval"))
    events.flush()
    events.close()
    assert not (tmp_path / "eval").exists()


@pytest.mark.parametrize("claimed", [1 << 30, 1 << 33, 1 << 60, (1 << 64) - 1])
def test_a_record_that_claims_more_than_there_is_takes_no_memory(tmp_path: Path, claimed: int) -> None:
    file = write(tmp_path, {10: {"loss": 1.0}})
    length = claimed.to_bytes(8, "little")
    file.write_bytes(file.read_bytes() + length + framing.masked(length).to_bytes(4, "little") + b"x" * 100)
    assert read_scalars(str(tmp_path)) == {10: {"loss": 1.0}}
