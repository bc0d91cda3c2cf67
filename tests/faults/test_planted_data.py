"""A short campaign of planted faults of data; `python -m tests.faults.planted_data` is the long one."""

from __future__ import annotations

import collections

import pytest

from tests.faults import planted_data

FILES = 4


@pytest.fixture(scope="module")
def outcomes() -> dict[str, collections.Counter[str]]:
    return planted_data.campaign(FILES, seed=2)


@pytest.mark.parametrize("plant", [plant.__name__ for plant in planted_data.PLANTS])
def test_a_planted_fault_is_refused_or_told_with_its_place(
    outcomes: dict[str, collections.Counter[str]], plant: str
) -> None:
    assert outcomes[plant]["refused"] + outcomes[plant]["told"] == FILES


def test_of_data_without_a_fault_nothing_is_said(outcomes: dict[str, collections.Counter[str]]) -> None:
    assert outcomes["untouched"] == {"silent": FILES}
