"""`--profile`: which steps are traced, and what is left of the traces."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tests.estimator.steps.outer.test_loop import estimator, numbers
from trainer.estimator.steps.monitoring.profile import Profile
from trainer.job.cluster import Cluster
from trainer.job.distribution import Distribution


def train(directory: Path, steps: int, shared: Distribution = Distribution.LOCAL) -> Profile:
    trained = estimator(directory)
    profile = Profile(str(directory / "plugins" / "profile"), Cluster(), trained.account, shared)
    trained.train(numbers(), hooks=[profile], steps=steps)
    return profile


def test_a_training_leaves_a_trace_and_what_its_time_went_into(tmp_path: Path) -> None:
    record = train(tmp_path, 300).record()
    assert record is not None
    first, last = record["steps"]
    assert 2 <= first <= last <= 300
    for whole in ("percent_of_a_step", "percent_of_the_process"):
        assert sum(round(10 * share) for share in record[whole].values()) == 1000
    assert 0 < record["percent_of_a_step"]["operations of TensorFlow"] <= 100  # so few steps are not compiled
    assert record["microseconds_per_step"] > 0 and record["microseconds_per_step_untraced"] > 0
    assert record["percent_of_the_operations"]
    assert (Path(record["trace"]) / "local.xplane.pb").stat().st_size > 0


def test_a_training_that_ends_at_once_has_no_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert train(tmp_path, 1).record() is None
    assert "--profile traced no step: training ended with its first calls." in caplog.text


def test_what_other_processes_do_is_said_to_be_missing(tmp_path: Path) -> None:
    record = train(tmp_path, 300, Distribution.PS).record()
    assert record is not None
    assert record["not_measured"] == "what workers and parameter servers did, of which this process traces nothing"


def test_another_trace_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tf.profiler.experimental.start(str(tmp_path / "another"))
    try:
        assert train(tmp_path / "run", 300).record() is None
    finally:
        tf.profiler.experimental.stop()
    assert "--profile traces nothing at step" in caplog.text
