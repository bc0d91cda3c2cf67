"""Settings of a run are refused when they cannot be meant, by the name of their flag."""

from __future__ import annotations

import pytest

from trainer.job.config import DEFAULT_SAVE_SECS, DEFAULT_TRAIN_STEPS, ExporterKind, RunSettings
from trainer.job.errors import UsageError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_steps": 0}, "--train_steps=0. Accepted: a whole number from 1 up"),
        ({"eval_steps": -1}, "--eval_steps=-1"),
        ({"steps_per_loop": 0}, "--steps_per_loop=0"),
        ({"save_checkpoints_steps": 0}, "--save_checkpoints_steps=0"),
        ({"save_checkpoints_secs": 0.0}, "--save_checkpoints_secs=0.0. Accepted: seconds above 0"),
        ({"eval_delay_secs": -1.0}, "--eval_delay_secs=-1.0. Accepted: 0 or more"),
        ({"min_eval_frequency": float("nan")}, "--min_eval_frequency=nan"),
        ({"keep_checkpoint_max": -1}, "--keep_checkpoint_max=-1"),
        ({"output_dir": " "}, "--output_dir is empty"),
        ({"exporter": (ExporterKind.BEST, ExporterKind.BEST)}, "--exporter=best,best names one twice"),
        (
            {"save_checkpoints_steps": 5, "save_checkpoints_secs": 6.0},
            "--save_checkpoints_steps=5 together with --save_checkpoints_secs=6",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        RunSettings(**settings)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("train_steps", "num_epochs", "expected"),
    [(None, None, DEFAULT_TRAIN_STEPS), (None, 3, None), (50, None, 50), (50, 3, 50)],
)
def test_epochs_alone_take_the_place_of_the_default_steps(
    train_steps: int | None, num_epochs: int | None, expected: int | None
) -> None:
    assert RunSettings(train_steps=train_steps).max_steps(num_epochs) == expected


@pytest.mark.parametrize(
    ("settings", "secs"),
    [
        (RunSettings(), DEFAULT_SAVE_SECS),
        (RunSettings(save_checkpoints_secs=5.0), 5.0),
        (RunSettings(save_checkpoints_steps=10), None),
    ],
)
def test_checkpoints_go_by_time_unless_steps_are_given(settings: RunSettings, secs: float | None) -> None:
    assert settings.save_secs == secs
