from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import baselines, reading
from trainer.formats.settings import ForecastData


def scores(**settings: object) -> dict[str, float]:
    return baselines.score(reading.read(ForecastData(**settings)))  # type: ignore[arg-type]


def test_least_squares_forecasts_noiseless_sines_to_nine_digits() -> None:
    found = scores()
    assert found["rmse_least_squares"] < 1e-8
    assert found["rmse_same_as_last"] == pytest.approx(0.25, abs=0.02)
    assert found["rmse_mean"] > found["rmse_same_as_last"]


def test_the_scores_are_those_of_formulas_written_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(size=(400, 2)).cumsum(axis=0)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in noise.tolist()))
    found = scores(train_data_paths=(str(path),), lookback=5, horizon=2, split=(300.0, 100.0), target_columns=("b",))
    b = noise[:, 1]
    windows = np.stack([b[i : i + 7] for i in range(394)])
    train, evaluation = windows[:294], windows[295:]
    system = np.column_stack([train[:, :5], np.ones(len(train))])
    weights = np.linalg.lstsq(system, train[:, 5:], rcond=None)[0]
    forecast = np.column_stack([evaluation[:, :5], np.ones(len(evaluation))]) @ weights
    assert len(evaluation) == 99
    assert found["rmse_least_squares"] == pytest.approx(np.sqrt(np.mean((forecast - evaluation[:, 5:]) ** 2)))
    assert found["rmse_same_as_last"] == pytest.approx(np.sqrt(np.mean((evaluation[:, 4:5] - evaluation[:, 5:]) ** 2)))
    assert found["mae_same_as_last"] == pytest.approx(np.mean(np.abs(evaluation[:, 4:5] - evaluation[:, 5:])))
    scale = b[:300].std()
    standardized = np.mean(((forecast - evaluation[:, 5:]) / scale) ** 2)
    assert found["mse_standardized_least_squares"] == pytest.approx(standardized)
    assert found["rmse_mean"] == pytest.approx(np.sqrt(np.mean((train[:, 5:].mean() - evaluation[:, 5:]) ** 2)))


def test_least_squares_is_left_out_where_it_has_too_few_windows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{i % 7}\n" for i in range(60)))
    found = scores(train_data_paths=(str(path),), lookback=20, split=(41.0, 19.0))
    of_rmse = sorted(name for name in found if name.startswith("rmse_") and "standardized" not in name)
    assert of_rmse == ["rmse_mean", "rmse_same_as_last", "rmse_seasonal_naive"]


def test_a_stream_is_scored_like_the_same_data_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = np.random.default_rng(1).normal(size=(200, 4))
    path.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()))
    data = ForecastData(train_data_paths=(str(path),), eval_data_paths=(str(path),), sequence_length=4)
    assert baselines.score(reading.read(data, 1)) == pytest.approx(baselines.score(reading.read(data)))


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this repository")


@needs_shared_data
def test_published_baselines_of_real_data_come_out() -> None:
    lab = scores(
        train_data_paths=(f"{SHARED}/sines_lab/train-*.csv",),
        eval_data_paths=(f"{SHARED}/sines_lab/valid-*.csv",),
        sequence_length=50,
    )
    assert lab["rmse_least_squares"] == pytest.approx(0.142, abs=0.001)
    assert lab["rmse_same_as_last"] == pytest.approx(0.311, abs=0.001)
    taxi = scores(train_data_paths=(f"{SHARED}/nab/nyc_taxi.csv",), sequence_length=50, split=(0.7, 0.3))
    assert taxi["rmse_least_squares"] == pytest.approx(932.5, abs=0.1)
    assert taxi["rmse_same_as_last"] == pytest.approx(1626.4, abs=0.1)
