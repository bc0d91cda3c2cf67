"""Stopping rules and limits in files, and their contradictions."""

from __future__ import annotations

import pathlib

import pytest

from tests.launch.study_files import RATE, hyperparameters, told, written
from trainer.launch.study import study_file
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, Stopping


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("enableTrialEarlyStopping: true", MedianStopping()),
        ("enableTrialEarlyStopping: false", None),
        ("decayCurveStoppingSpec: {useElapsedDuration: true}", DecayCurveStopping(use_elapsed_duration=True)),
        ("convexAutomatedStoppingSpec: {minStepCount: 0}", ConvexStopping(min_step_count=0)),
    ],
)
def test_a_rule_is_chosen_by_its_name(line: str, rule: Stopping | None, tmp_path: pathlib.Path) -> None:
    study = study_file.read(str(written(tmp_path, hyperparameters(RATE) + f"    {line}\n")), None)
    assert study.stopping == rule


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("decayCurveStoppingSpec: true", "7:29: decayCurveStoppingSpec: true. Accepted: a mapping, as {}"),
        (
            "medianAutomatedStoppingSpec: {useElapsed: true}",
            "7:35: Unknown key useElapsed in medianAutomatedStop",
        ),
        (
            "convexAutomatedStoppingSpec: {maxStepCount: 0}",
            "7:49: maxStepCount: 0. Accepted: a whole number from 1 up.",
        ),
        ("studyStoppingConfig: [3]", "7:5: studyStoppingConfig: a list. Accepted: a mapping of limits."),
    ],
)
def test_a_wrong_rule_is_reported(line: str, finding: str, tmp_path: pathlib.Path) -> None:
    (fault_line,) = told(written(tmp_path, hyperparameters(RATE) + f"    {line}\n"))
    assert fault_line.startswith(finding)


def test_a_rule_that_is_switched_off_and_named_is_a_fault(tmp_path: pathlib.Path) -> None:
    text = hyperparameters(RATE) + "    enableTrialEarlyStopping: false\n    medianAutomatedStoppingSpec: {}\n"
    assert told(written(tmp_path, text)) == [
        "7:31: enableTrialEarlyStopping: false together with medianAutomatedStoppingSpec. Accepted: one of the two. "
        "Remove one of them."
    ]


def test_limits_are_reported_at_their_lines(tmp_path: pathlib.Path) -> None:
    limits = "{minNumTrials: 9, maxNumTrials: 3, maxDurationNoProgress: 60, maximumRuntimeConstraint: {endTime: soon}}"
    text = hyperparameters(RATE) + f"    studyStoppingConfig: {limits}\n"
    assert [line.partition(" ")[2] for line in told(written(tmp_path, text))] == [
        "minNumTrials 9 is above maxNumTrials 3. Accepted: the minimum up to the maximum. Swap them.",
        'maxDurationNoProgress: 60. Accepted: seconds with an s, such as "3600s". Write "60s".',
        'endTime: soon. Accepted: a time in UTC, such as "2026-01-31T12:00:00Z". Write it in this form.',
    ]
