from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import sines
from trainer.job.errors import DataError


def test_the_waves_are_the_course_s_recipe_and_always_the_same() -> None:
    train, evaluation = sines.rows(50)
    assert train.shape == (1000, 50)
    assert evaluation.shape == (50, 50)
    np.testing.assert_array_equal(train, sines.rows(50)[0])
    assert not np.array_equal(train[:50], evaluation)
    assert np.all(train[:, 0] == 0)
    # sin(t + f) + sin(t - f) = 2 cos(f) sin(t): every wave has one frequency, in [0.1, 0.6).
    cosine = (train[:, 2:] + train[:, :-2])[:, 0] / (2 * train[:, 1])
    frequency = np.arccos(cosine)
    assert 0.1 <= frequency.min() < 0.11 and 0.59 < frequency.max() < 0.6
    amplitude = train[:, 1] / np.sin(frequency)
    assert 0.5 <= amplitude.min() < 0.51 and 1.49 < amplitude.max() < 1.5


def test_the_files_hold_every_digit_and_are_not_written_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    sines.generate(folder, 10)
    path = tmp_path / "data" / "train.csv"
    np.testing.assert_array_equal(np.loadtxt(path, delimiter=","), sines.rows(10)[0])
    written = path.stat()
    sines.generate(folder, 10)
    assert path.stat().st_ino == written.st_ino
    assert sorted(file.name for file in path.parent.iterdir()) == ["train.csv", "valid.csv"]


def test_files_of_other_numbers_are_kept_and_refused(tmp_path: Path) -> None:
    sines.generate(str(tmp_path), 10)
    with pytest.raises(
        DataError, match="train.csv holds other numbers.*--sequence_length=12.*--output_dir.*--train_data_paths"
    ):
        sines.generate(str(tmp_path), 12)
    (tmp_path / "train.csv").write_text("my own words")
    with pytest.raises(DataError, match="train.csv holds other numbers"):
        sines.generate(str(tmp_path), 10)
    assert (tmp_path / "train.csv").read_text() == "my own words"
