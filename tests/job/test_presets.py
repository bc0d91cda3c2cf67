from __future__ import annotations

import pytest

from trainer.job import flags, presets
from trainer.job.config import RunSettings
from trainer.job.errors import UsageError

PRESETS = {"small": {"train_steps": "5", "eval_steps": "2"}, "large": {"train_steps": "5000"}}


def test_a_preset_gives_flags():
    settings = flags.parse(presets.expanded(["--preset=small"], PRESETS), RunSettings)[RunSettings]
    assert (settings.train_steps, settings.eval_steps, settings.preset) == (5, 2, None)


@pytest.mark.parametrize("argv", [["--train-steps=7", "--preset=small"], ["--preset", "small", "--train_steps", "7"]])
def test_flags_that_a_person_gives_win_wherever_they_stand(argv):
    settings = flags.parse(presets.expanded(argv, PRESETS), RunSettings)[RunSettings]
    assert (settings.train_steps, settings.eval_steps) == (7, 2)


def test_of_two_presets_the_last_counts_alone():
    settings = flags.parse(presets.expanded(["--preset=small", "--preset=large"], PRESETS), RunSettings)[RunSettings]
    assert (settings.train_steps, settings.eval_steps) == (5000, None)


def test_a_file_of_flags_may_name_one(tmp_path):
    file = tmp_path / "flags"
    file.write_text("--preset=small\n--eval_steps=3\n")
    settings = flags.parse(presets.expanded([f"--flagfile={file}"], PRESETS), RunSettings)[RunSettings]
    assert (settings.train_steps, settings.eval_steps) == (5, 3)


def test_without_one_the_flags_stay_as_they_are():
    assert presets.expanded(["--train_steps", "7"], PRESETS) == ["--train_steps", "7"]


def test_a_preset_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="--preset=smal. Accepted: small, large. Did you mean small?"):
        presets.expanded(["--preset=smal"], PRESETS)
    with pytest.raises(
        UsageError, match="--preset=small. Accepted: no preset, as this problem has none. Drop the flag"
    ):
        presets.expanded(["--preset=small"], {})


def test_help_lists_them_with_their_flags():
    assert "  small                       --train_steps=5 --eval_steps=2\n" in presets.described(PRESETS)
    assert presets.described({}) == ""
