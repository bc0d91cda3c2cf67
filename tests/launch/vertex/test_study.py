"""Studies as Vertex AI takes them: accepted by the official types, and read back as they were."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml
from google.cloud.aiplatform_v1.types import HyperparameterTuningJob, StudySpec
from google.protobuf import json_format
from hypothesis import given

from tests.launch.studies import studies
from trainer.job.errors import FindingsError
from trainer.job.findings import Finding
from trainer.launch.files import documents
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.vertex import study as vertex_study

ROOT = pathlib.Path(__file__).parent.parent.parent.parent
FILES = ROOT / "tests" / "golden" / "studies"
ACCEPTED = [ROOT / "hptuning_config.yaml", *sorted(path for path in FILES.iterdir() if path.is_file())]


def official(study: Study) -> HyperparameterTuningJob:
    """The job as Google's own library reads it; unknown fields and wrong types are errors."""
    job = HyperparameterTuningJob()
    json_format.Parse(json.dumps(vertex_study.tuning(study)), HyperparameterTuningJob.pb(job))
    return job


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name)
def test_the_request_of_a_file_goes_through_the_official_types_and_back(path: pathlib.Path) -> None:
    study = study_file.read(str(path), search_space.of_task())
    assert vertex_study.from_tuning(vertex_study.tuning(study)) == study
    returned = json_format.MessageToDict(HyperparameterTuningJob.pb(official(study)))
    assert vertex_study.from_tuning(returned) == study


@given(studies())
def test_every_study_goes_to_json_and_back(study: Study) -> None:
    request = json.loads(json.dumps(vertex_study.tuning(study)))
    assert vertex_study.from_tuning(request) == study


@given(studies())
def test_every_study_goes_to_a_yaml_file_and_back(study: Study) -> None:
    found: list[Finding] = []
    roots = documents.parse(yaml.safe_dump(vertex_study.tuning(study)).encode(), "f.yaml", found)
    assert study_file.of_documents(roots, found, None).study == study


@given(studies())
def test_every_study_is_accepted_by_the_official_types(study: Study) -> None:
    job = official(study)
    assert job.max_trial_count == study.max_trials
    assert len(job.study_spec.parameters) == sum(entry.parent is None for entry in study.parameters)


def test_all_fields_arrive_where_they_belong() -> None:
    spec = official(study_file.read(str(FILES / "everything.yaml"), search_space.of_task())).study_spec
    assert spec.metrics[0].metric_id == "mae"
    assert spec.metrics[0].goal is StudySpec.MetricSpec.GoalType.MINIMIZE
    assert spec.algorithm is StudySpec.Algorithm.RANDOM_SEARCH
    assert spec.measurement_selection_type is StudySpec.MeasurementSelectionType.BEST_MEASUREMENT
    assert spec.convex_automated_stopping_spec.learning_rate_parameter_name == "learning-rate"
    assert spec.convex_automated_stopping_spec.max_step_count == 2000
    assert spec.study_stopping_config.max_num_trials == 50
    assert spec.study_stopping_config.max_duration_no_progress.total_seconds() == 7200.5
    rate, model = spec.parameters
    assert (rate.parameter_id, rate.double_value_spec.min_value) == ("learning-rate", 0.0001)
    assert rate.scale_type is StudySpec.ParameterSpec.ScaleType.UNIT_LOG_SCALE
    of_lstm, of_dnn = model.conditional_parameter_specs
    assert list(of_lstm.parent_categorical_values.values) == ["lstm"]
    assert of_lstm.parameter_spec.integer_value_spec.max_value == 32
    (below,) = of_dnn.parameter_spec.conditional_parameter_specs
    assert list(below.parent_discrete_values.values) == [8.0, 16.0]


def test_what_a_job_has_beside_its_study_is_left_aside() -> None:
    study = study_file.read(str(ROOT / "hptuning_config.yaml"), search_space.of_task())
    job = {"name": "projects/1", "state": "JOB_STATE_RUNNING", "trialJobSpec": {}, **vertex_study.tuning(study)}
    assert vertex_study.from_tuning(job) == study


RMSE = [{"metricId": "rmse", "goal": "MINIMIZE"}]
X = {"parameterId": "x", "doubleValueSpec": {"minValue": 0.5, "maxValue": 1}}


@pytest.mark.parametrize(
    ("job", "got"),
    [
        ({"maxTrialCount": -1, "studySpec": {"metrics": RMSE, "parameters": [X]}}, "maxTrialCount: -1"),
        ({"studySpec": {"metrics": [], "parameters": [X]}}, "No metrics in studySpec"),
        (
            {"studySpec": {"metrics": RMSE, "parameters": [X | {"doubleValueSpec": {"minValue": 2, "maxValue": 1}}]}},
            "minValue 2 is above maxValue 1",
        ),
        (
            {
                "studySpec": {
                    "metrics": RMSE,
                    "parameters": [
                        {
                            "parameterId": "x",
                            "scaleType": "UNIT_LOG_SCALE",
                            "doubleValueSpec": {"minValue": 0, "maxValue": 1},
                        }
                    ],
                }
            },
            "minValue 0 on UNIT_LOG_SCALE",
        ),
        (
            {
                "studySpec": {
                    "metrics": RMSE,
                    "parameters": [{"parameterId": "x", "discreteValueSpec": {"values": [2, 1]}}],
                }
            },
            "The discrete value 1 after 2",
        ),
        (
            {"studySpec": {"metrics": RMSE, "parameters": [X], "algorithm": "GRID_SEARCH"}},
            "x, a DOUBLE, under GRID_SEARCH",
        ),
        ({"studySpec": {"metrics": RMSE, "parameters": [X | {"parameterId": ""}]}}, "A parameter without a name"),
        ({"studySpec": {"metrics": RMSE, "parameters": [X, X]}}, "The parameter x appears twice"),
    ],
)
def test_what_the_official_types_let_through_is_refused(job: dict[str, Any], got: str) -> None:
    json_format.ParseDict(job, HyperparameterTuningJob.pb(HyperparameterTuningJob()))
    with pytest.raises(FindingsError) as caught:
        vertex_study.from_tuning(job)
    assert got in [finding.got for finding in caught.value.findings]


def test_a_wrong_request_is_refused_with_all_its_faults() -> None:
    spec = {"metrics": [{"metricId": "rmse"}], "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 1}}]}
    with pytest.raises(FindingsError) as caught:
        vertex_study.from_tuning({"studySpec": spec, "maxTrialCount": -1, "parallelTrialCount": 1})
    assert [finding.got for finding in caught.value.findings if finding.level.value == "error"] == [
        "No goal in metrics",
        "x, a DOUBLE, has no maxValue",
        "maxTrialCount: -1",
    ]
