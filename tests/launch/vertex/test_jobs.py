"""What a job on Vertex AI says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.launch.vertex import jobs as vertex_jobs

TRIALS = [
    {"id": "1", "state": "SUCCEEDED", "finalMeasurement": {"metrics": [{"metricId": "rmse", "value": 0.3}]}},
    {"id": "2", "state": "SUCCEEDED", "finalMeasurement": {"metrics": [{"metricId": "rmse", "value": 0.1}]}},
    {"id": "3", "state": "STOPPING", "finalMeasurement": {"metrics": [{"metricId": "rmse", "value": 0.0}]}},
    {"id": "4", "state": "SUCCEEDED"},
]


@pytest.mark.parametrize(
    ("state", "word", "code"),
    [
        ("JOB_STATE_QUEUED", "queued", None),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", "partially succeeded", 0),
        ("JOB_STATE_SUCCEEDED", "succeeded", 0),
        ("JOB_STATE_FAILED", "failed", 1),
        ("JOB_STATE_CANCELLED", "cancelled", 1),
        ("JOB_STATE_EXPIRED", "expired", 1),
        ("JOB_STATE_PAUSED", "paused", None),
        ("JOB_STATE_OF_TOMORROW", "of tomorrow", None),
    ],
)
def test_each_state_has_its_word_and_those_at_the_end_a_code(state: str, word: str, code: int | None) -> None:
    assert (vertex_jobs.state({"state": state}), vertex_jobs.exit_code({"state": state})) == (word, code)


@pytest.mark.parametrize(("goal", "best"), [("MINIMIZE", "2"), ("MAXIMIZE", "1")])
def test_the_best_trial_follows_the_goal(goal: str, best: str) -> None:
    job = {"studySpec": {"metrics": [{"metricId": "rmse", "goal": goal}]}, "trials": TRIALS}
    found = vertex_jobs.best_trial(job)
    assert found is not None and found["id"] == best


@pytest.mark.parametrize("job", [{}, {"trials": []}, {"trials": [{"id": "1"}], "studySpec": {}}])
def test_without_a_finished_trial_there_is_no_best(job: dict[str, Any]) -> None:
    assert vertex_jobs.best_trial(job) is None


def test_a_study_has_pages_of_its_own() -> None:
    name = "projects/p/locations/us-east1/hyperparameterTuningJobs/7"
    lines = vertex_jobs.hints(name, project="p")
    assert "/vertex-ai/training/hyperparameter-tuning-jobs?project=p" in lines[0]
    assert f"logs:   python -m trainer.launch logs vertex {name} --follow" in lines
