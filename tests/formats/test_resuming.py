"""Data that follow others: columns stay, and scales are those that the weights know."""

from __future__ import annotations

import pathlib

import pytest

from trainer.formats import reading, resuming
from trainer.formats.settings import ForecastData
from trainer.formats.source import Source
from trainer.job import identity
from trainer.job.errors import UsageError


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Source:
    rows = "".join(f"{row},{row % 7}\n" for row in range(60))
    (tmp_path / "a.csv").write_text(f"one,two\n{rows}")
    return reading.read(ForecastData(train_data_paths=(str(tmp_path / "a.csv"),)))


def test_the_scales_of_before_take_the_place_of_those_of_the_data(source: Source) -> None:
    earlier = {**identity.plain(source), "mean": [1, 2.5], "scale": [3.5, 4.0]}
    resumed = resuming.with_scales_of(source, earlier)
    assert (resumed.mean, resumed.scale) == ((1.0, 2.5), (3.5, 4.0))


def test_the_same_data_stay_as_they_are(source: Source) -> None:
    resumed = resuming.with_scales_of(source, identity.plain(source))
    assert (resumed.mean, resumed.scale, resumed.columns) == (source.mean, source.scale, source.columns)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"columns": ["one", "three"]}, "columns=one,two; the weights in the directory were trained on one,three"),
        ({"steps": 4}, "steps=9; the weights in the directory were trained on 4"),
        ({"horizon": 2}, "horizon=1; the weights in the directory were trained on 2"),
    ],
)
def test_other_columns_and_windows_are_refused(source: Source, changed: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resuming.with_scales_of(source, {**identity.plain(source), **changed})
