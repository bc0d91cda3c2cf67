"""`goodput.json`: what a run leaves of its time, and what the next one makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.estimator.steps.outer.test_loop import estimator, numbers
from trainer.estimator import Estimator
from trainer.estimator.saving import events
from trainer.estimator.steps.monitoring import goodput_record
from trainer.estimator.steps.monitoring.goodput_record import GOODPUT, GoodputRecord
from trainer.job.goodput import Activity


def train(directory: Path, steps: int, **settings: Any) -> tuple[Estimator, GoodputRecord]:
    trained = estimator(directory, save_checkpoints_steps=5, **settings)
    record = GoodputRecord(trained.directory, trained.account)
    trained.train(numbers(), hooks=[record], saving_listeners=[record], steps=steps)
    return trained, record


def test_a_run_that_was_killed_is_counted_with_the_next_one(tmp_path: Path) -> None:
    trained, record = train(tmp_path, 12)
    killed = goodput_record.read(trained.directory)
    assert killed.now is not None and not killed.ended
    assert [save.step for save in killed.saves] == [0, 5, 10, 12]
    (tmp_path / "model.ckpt-12.index").unlink()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-10"\n')
    _, second = train(tmp_path, 1)
    tally = second.tally()
    assert (tally.step, tally.restarts, tally.lost_steps) == (11, 1, 2)
    assert tally.secs[Activity.LOST] > 0
    assert tally.total_secs > record.tally().secs[Activity.PROGRESS]
    second.ended(well=True)
    assert goodput_record.read(trained.directory).ended
    _, third = train(tmp_path, 1)
    assert third.tally().restarts == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"now": {}, "saves": [], "ended": false}', "\x00" * 40])
def test_a_record_that_cannot_be_read_is_counted_anew(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / GOODPUT).write_text(content)
    caplog.set_level("INFO")
    train(tmp_path, 2)
    assert f"{GOODPUT} in {tmp_path} is not a record of ours" in caplog.text
    assert json.loads((tmp_path / GOODPUT).read_text())["now"]["step"] == 2


def test_tensorboard_shows_the_share_and_the_seconds(tmp_path: Path) -> None:
    train(tmp_path, 10)
    scalars = events.read_scalars(str(tmp_path))
    assert 0 <= scalars[10]["goodput/share"] <= 1
    assert {f"goodput/{activity.value}_secs" for activity in Activity} < set(scalars[10])
