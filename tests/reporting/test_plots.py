"""Plots of classifications, regressions and learning curves: what they compute, and that they can be drawn."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from trainer.job.score_table import Score
from trainer.reporting import classification, curves, regression, theme
from trainer.reporting.plot import Plot

RANDOM = np.random.default_rng(0)
RMSE = Score(name="rmse", maximizes=False)


def drawn(plot: Plot) -> str:
    """A plot as SVG, which is sound XML in the colours of the page alone."""
    text = theme.svg(plot)
    ElementTree.fromstring(text)
    assert not set(re.findall(r"#[0-9a-f]{6}\b", text))
    return text


def probabilities(classes: int, count: int = 300) -> np.ndarray:
    made = RANDOM.random((count, classes)) ** 3 + 1e-3
    return made / made.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("classes", "titles"),
    [
        (2, ["Confusion matrix", "ROC", "Precision against recall", "Calibration", "Probabilities by true class"]),
        (3, ["Confusion matrix", "Classes", "ROC", "Calibration"]),
        (15, ["Confusion matrix", "Classes", "ROC", "Calibration"]),
        (70, ["Most frequent mistakes", "Classes", "ROC", "Calibration"]),
    ],
)
def test_a_classification_is_drawn_whatever_the_number_of_classes(classes: int, titles: list[str]) -> None:
    names = [f"<kind> & ${number}$" for number in range(classes)]
    plots = classification.plots(RANDOM.integers(classes, size=300), probabilities(classes), names)
    assert [plot.title for plot in plots] == titles
    for plot in plots:
        drawn(plot)


def test_a_class_that_never_comes_breaks_no_plot() -> None:
    for plot in classification.plots(np.zeros(20, int), probabilities(2, 20)):
        drawn(plot)


@pytest.mark.parametrize("classes", [2, 3, 70])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_classification_without_a_mistake_or_with_nothing_else_is_drawn(classes: int, shift: int) -> None:
    labels = np.arange(140) % classes
    for plot in classification.plots(labels, np.eye(classes)[(labels + shift) % classes]):
        drawn(plot)


def test_the_area_under_roc_is_the_share_of_pairs_in_order() -> None:
    positive = RANDOM.random(200) < 0.4
    score = np.round(RANDOM.random(200) + 0.3 * positive, 1)  # with ties
    pairs = score[positive][:, None] - score[~positive][None, :]
    false, true, area = classification.roc(positive, score)
    assert area == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_calibration_compares_what_was_said_with_what_happened() -> None:
    mean, share, counts = classification.calibration(
        np.array([True, False, True, True]), np.array([0.05, 0.05, 0.95, 1.0])
    )
    assert mean == pytest.approx([0.05, 0.975])
    assert share == pytest.approx([0.5, 1.0])
    assert counts.tolist() == [2, 2]


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_a_regression_is_drawn_of_few_and_of_many(count: int) -> None:
    labels = RANDOM.normal(size=count)
    plots = regression.plots(labels, labels + 0.1, "price in $")
    assert [plot.title for plot in plots] == ["Predicted against true", "Residuals", "Errors by prediction"]
    texts = [drawn(plot) for plot in plots]
    assert "mean 0.1, deviation" in texts[1]


def test_learning_curves_show_what_the_events_have() -> None:
    training = {
        step: {"loss": 1 / step, "global_step/sec": 100.0, "learning_rate": 0.1 / step} for step in range(1, 60)
    }
    evaluations = {step: {"loss": 1 / step, "rmse": 2 / step, "mae": 1.0} for step in (20, 40)}
    baselines = {"rmse_mean": 0.5, "rmse_exact": 1e-9}
    plots = curves.plots(training, evaluations, baselines, RMSE)
    assert [plot.title for plot in plots] == ["Loss", "rmse", "Learning rate", "Other metrics", "Steps per second"]
    texts = [drawn(plot) for plot in plots]
    assert "training, smoothed" in texts[0] and "evaluation" in texts[0]
    assert "mean 0.5" in texts[1] and "exact 1e-09, beyond the axis" in texts[1]
    assert "mae" in texts[3]


def test_there_are_no_curves_without_events() -> None:
    assert curves.plots({}, {}, {}, RMSE) == []


def test_a_smoothed_curve_keeps_lines_as_they_are() -> None:
    line = np.arange(300.0)
    assert curves.smoothed(line) == pytest.approx(line)
