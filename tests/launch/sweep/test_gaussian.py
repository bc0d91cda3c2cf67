"""The Gaussian process: what it makes of values, and where it looks next."""

from __future__ import annotations

import numpy as np

from trainer.launch.sweep import gaussian


def clip(points: gaussian.Array) -> gaussian.Array:
    return np.clip(points, 0.0, 1.0)


def test_warping_keeps_the_order_and_tames_what_has_diverged() -> None:
    values = np.array([3.0, 1.0, 1e12, 2.0, 5.0, 4.0])
    warped = gaussian.warp(values)
    assert list(np.argsort(warped)) == list(np.argsort(values))
    assert abs(warped.mean()) < 1e-9 and abs(warped.std() - 1) < 1e-9
    assert warped.max() < 3


def test_equal_values_are_no_trouble() -> None:
    points = np.random.default_rng(0).random((5, 2))
    point = gaussian.suggest(points, np.ones(5), np.zeros((0, 2)), [False, False], clip, np.random.default_rng(0))
    assert point.shape == (2,) and np.isfinite(point).all()


def test_the_same_randomness_gives_the_same_point() -> None:
    points = np.linspace(0, 1, 6)[:, None]
    values = (points[:, 0] - 0.3) ** 2
    one, other = (
        gaussian.suggest(points, values, np.zeros((0, 1)), [False], clip, np.random.default_rng(7)) for _ in range(2)
    )
    assert one == other


def test_it_looks_near_the_minimum_of_a_parabola() -> None:
    points = np.linspace(0, 1, 6)[:, None]
    values = (points[:, 0] - 0.33) ** 2
    point = gaussian.suggest(points, values, np.zeros((0, 1)), [False], clip, np.random.default_rng(0))
    assert abs(point[0] - 0.33) < 0.1


def test_it_keeps_away_from_trials_under_way() -> None:
    points = np.linspace(0, 1, 6)[:, None]
    values = (points[:, 0] - 0.33) ** 2
    alone = gaussian.suggest(points, values, np.zeros((0, 1)), [False], clip, np.random.default_rng(0))
    beside = gaussian.suggest(points, values, alone[None], [False], clip, np.random.default_rng(0))
    assert abs(alone[0] - beside[0]) > 1e-3


def test_of_few_possibilities_it_takes_one_that_was_not_tried() -> None:
    def snap(rows: gaussian.Array) -> gaussian.Array:
        return np.round(clip(rows) * 4) / 4

    points = np.array([[0.0], [0.25], [0.75], [1.0]])
    values = np.array([0.0, 1.0, 3.0, 4.0])
    point = gaussian.suggest(points, values, np.zeros((0, 1)), [False], snap, np.random.default_rng(0))
    assert point[0] == 0.5


def test_of_categories_only_sameness_counts() -> None:
    points = np.array([[0.1], [0.1], [0.5], [0.5], [0.9]])
    values = np.array([1.0, 1.1, 0.0, 0.1, 2.0])

    def snap(rows: gaussian.Array) -> gaussian.Array:
        return np.array([0.1, 0.5, 0.9])[np.minimum((clip(rows) * 3).astype(int), 2)]

    point = gaussian.suggest(points, values, np.zeros((0, 1)), [True], snap, np.random.default_rng(0))
    assert point[0] == 0.5
