from __future__ import annotations

import pathlib

import numpy as np
import pytest

from trainer.formats import baselines
from trainer.formats.series import long, period
from trainer.formats.settings import MEMORY_LIMIT, ForecastData

DATA = pathlib.Path(__file__).parents[2] / ".." / "shared" / "data"
HOURS = np.arange(600)
RANDOM = np.random.default_rng(3)


def test_a_daily_rhythm_is_found_under_noise_and_a_trend():
    noisy = np.sin(2 * np.pi * HOURS / 24) + RANDOM.normal(scale=0.05, size=600) + 0.01 * HOURS
    assert period.found(noisy[:, None], 200) == 24


def test_the_shortest_of_its_multiples_is_the_period():
    pattern = np.tile([5.0, 0.0, 1.0, 3.0], 50)
    assert period.found(pattern[:, None], 50) == 4


def test_noise_and_lines_have_no_period():
    assert period.found(RANDOM.normal(size=(600, 2)), 200) is None
    assert period.found(np.arange(60.0)[:, None], 20) is None
    assert period.found(np.ones((60, 1)), 20) is None


def test_missing_values_do_not_hide_it():
    values = np.sin(2 * np.pi * HOURS / 12)
    values[::37] = np.nan
    assert period.found(values[:, None], 100) == 12


def test_a_lag_beyond_what_the_rows_can_show_is_not_looked_at():
    assert period.found(np.sin(2 * np.pi * HOURS[:50] / 24)[:, None], 200) is None


@pytest.mark.parametrize(
    ("file", "columns", "most", "expected"),
    [
        ("ett/ETTh1.csv", range(1, 8), 336, 24),
        ("nab/nyc_taxi.csv", [1], 49, 48),
        ("household_power_daily/household_power_consumption_days.csv", [1], 14, 7),
        ("small_series/airline-passengers.csv", [1], 24, 12),
    ],
)
def test_the_period_of_real_series(file, columns, most, expected):
    if not (DATA / file).exists():
        pytest.skip(f"../shared/data/{file} is not here: its licence keeps it out of the project")
    table = np.genfromtxt(DATA / file, delimiter=",", skip_header=1, usecols=list(columns), ndmin=2)
    assert period.found(table[: int(0.7 * len(table))], most) == expected


def test_naive_errors_are_mean_distances_over_a_period_within_each_series():
    one = np.array([[1.0, 10.0], [2.0, 10.0], [4.0, np.nan], [7.0, 13.0]])
    other = np.array([[0.0, 0.0], [5.0, 1.0], [1.0, 0.0]])
    assert period.naive_errors([one, other], 2) == pytest.approx(((3 + 5 + 1) / 3, (3 + 0) / 2))
    assert period.naive_errors([one], 4) == ()


def weekly(path: pathlib.Path, **settings) -> long.Source:
    rows = [f"2024-01-{day + 1:02},{(day % 7) * 10 + day * 0.1}" for day in range(28)]
    path.write_text("date,sales\n" + "\n".join(rows) + "\n")
    data = ForecastData(train_data_paths=(str(path),), split=(18.0, 10.0), horizon=9, lookback=7, **settings)
    return long.source(data, (str(path),), (), MEMORY_LIMIT)


def test_the_seasonal_naive_forecast_repeats_the_last_period(tmp_path):
    source = weekly(tmp_path / "sales.csv", period=7)
    assert source.period == 7
    assert source.naive_errors == pytest.approx((0.7,))
    # Each step of the first week is 0.7 above the week before, the last two steps are two weeks ahead.
    expected = np.sqrt((7 * 0.7**2 + 2 * 1.4**2) / 9)
    assert baselines.score(source)["rmse_seasonal_naive"] == pytest.approx(expected)


def test_a_period_longer_than_the_history_gives_no_such_forecast(tmp_path):
    source = weekly(tmp_path / "sales.csv", period=8)
    assert "rmse_seasonal_naive" not in baselines.score(source)
