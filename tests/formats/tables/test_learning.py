"""What a pass learns of columns of numbers, and the memory that it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from trainer.formats.tables.learning import NumberCounts

COLUMNS, ROWS, BLOCKS, SAMPLE = 1 << 14, 32, 14, 256


@pytest.fixture
def blocks() -> list[np.ndarray]:
    """Rows of numbers, with a blank in column 7 from the eleventh block on."""
    random = np.random.default_rng(3)
    made = [random.random((ROWS, COLUMNS), np.float32).astype(np.float64) for _ in range(BLOCKS)]
    for block in made[10:]:
        block[::3, 7] = np.nan
    return made


def test_a_median_is_that_of_the_rows_with_the_smallest_keys(blocks: list[np.ndarray]) -> None:
    counts = NumberCounts(COLUMNS, seed=5)
    for block in blocks:
        counts.add(block)
    rows, keys = np.concatenate(blocks), np.random.default_rng(5).random(ROWS * BLOCKS)
    for column in (0, 7, COLUMNS - 1):
        known = ~np.isnan(rows[:, column])
        drawn = rows[known, column][np.argsort(keys[known])[:SAMPLE]]
        assert counts.learnt(column)["median"] == np.median(drawn)


def test_the_rows_that_are_drawn_take_their_memory_once(blocks: list[np.ndarray]) -> None:
    tracemalloc.start()
    try:
        counts = NumberCounts(COLUMNS)
        for block in blocks:
            counts.add(block)
        counts.learnt(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    room, block = 1.5 * SAMPLE * COLUMNS * 8, ROWS * COLUMNS * 8
    assert peak < room + 6 * block
