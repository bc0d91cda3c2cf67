from __future__ import annotations

import numpy as np
import pytest

from trainer.formats import moments
from trainer.formats.schema import Schema


def of(*columns: object) -> moments.Moments:
    return moments.of(np.array(columns, np.float64).T)


def test_mean_and_population_deviation_are_those_of_each_column() -> None:
    found = of([1, 2, 3, 4], [10, 10, 30, 30])
    assert found.mean == (2.5, 20.0)
    assert found.scale == pytest.approx((np.std([1, 2, 3, 4]), 10.0))


@pytest.mark.parametrize("column", [[0.1] * 10, [0.1 + 0.2, 0.3] * 5, [1e9] * 7, [0.0] * 3])
def test_a_constant_column_up_to_rounding_has_scale_one(column: list[float]) -> None:
    found = of(column)
    assert found.scale == (1.0,)
    assert found.constant == (True,)
    assert found.dtype == "float32"


def test_a_small_deviation_of_large_values_is_no_rounding() -> None:
    assert of([1e9, 1e9 + 1e-4]).scale == pytest.approx((5e-5,), rel=1e-2)


def test_missing_values_are_left_out() -> None:
    found = of([1, np.nan, 3], [np.nan, 5, 5])
    assert found.mean == (2.0, 5.0)
    assert found.scale == (1.0, 1.0)


@pytest.mark.parametrize(("offset", "dtype"), [(0.0, "float32"), (500.0, "float32"), (1500.0, "float64")])
def test_values_far_from_zero_travel_in_double_precision(offset: float, dtype: str) -> None:
    assert of([offset - 1, offset + 1]).dtype == dtype


def told(caplog: pytest.LogCaptureFixture, offset: float, scale: float = 1.0, *, stored: bool = False) -> list[str]:
    schema = Schema(steps=2, columns=("p",), horizon=1, targets=("p",), mean=(offset,), scale=(scale,))
    moments.tell(schema, of([offset - 1, offset + 1]), stored_as_float32=stored)
    return caplog.messages


def test_a_column_far_from_zero_is_told_with_what_becomes_of_it(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, 1e6) == [
        "Column p: its mean 1000000 is 1e+06 times its deviation 1; values stay float64 until the mean is subtracted, "
        "and the export takes float64."
    ]


def test_files_of_float32_are_told_to_have_lost_digits(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, 1e6, stored=True)
    assert line.endswith("the files hold float32, which has lost part of that: write the differences from a constant.")


def test_a_column_nearer_to_zero_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert not told(caplog, 1e4)
