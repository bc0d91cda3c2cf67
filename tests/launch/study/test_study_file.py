"""Files of studies: what each form says, and all that is wrong in a wrong one, at its line and with its fix."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.launch.study_files import FILES, ROOT, TASK, hyperparameters, told, written
from trainer.job.errors import FindingsError, UsageError
from trainer.job.findings import Finding, Level
from trainer.launch.files import documents
from trainer.launch.study import study_file
from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, StudyStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study

# Of each file in FILES/wrong all errors, as line:column and text.
WRONG = {
    "alias": [
        "18:25: The alias *choices. Accepted: values written out; an alias can stand for gigabytes. Write "
        "the value here once more.",
    ],
    "bomb_of_aliases": [
        "1:1: Unknown key a in the file. Accepted: trainingInput. Remove it.",
        "2:1: Unknown key b in the file. Accepted: trainingInput. Remove it.",
        "2:8: The alias *a. Accepted: values written out; an alias can stand for gigabytes. Write the value "
        "here once more.",
        "2:12: The alias *a. Accepted: values written out; an alias can stand for gigabytes. Write the value "
        "here once more.",
    ],
    "category_that_the_flag_refuses": [
        "15:35: --optimizer=rmspropp. Accepted: sgd, momentum, adam, rmsprop, adagrad; "
        "did you mean rmsprop? Correct it.",
    ],
    "category_that_the_parent_never_has": [
        "17:48: optimizer is never momentum. Accepted: values of optimizer: adam, rmsprop. Correct it.",
    ],
    "double_for_whole_numbers": [
        "9:15: type DOUBLE for --lstm_units, which takes whole numbers. Accepted: INTEGER, DISCRETE, "
        "CATEGORICAL. Make it INTEGER.",
    ],
    "doubled_category": [
        "15:44: The categorical value 'adam' appears twice. Accepted: each value once. Remove one of them.",
    ],
    "doubled_key": [
        "6:5: maxTrials appears a second time. Accepted: each key once; see line 5. Remove one.",
    ],
    "doubled_value": [
        "18:35: The discrete value 100 appears twice. Accepted: increasing values, at least 1e-10 apart. "
        "Remove one of them.",
    ],
    "fractions_for_whole_numbers": [
        "18:30: --train_batch_size=99.5. Accepted: a whole number, such as 128 or 128.0. Correct it.",
    ],
    "grid_over_doubles": [
        "9:24: learning_rate, a DOUBLE, under GRID_SEARCH. Accepted: INTEGER, DISCRETE and CATEGORICAL. "
        "Write type: DISCRETE with its values.",
    ],
    "log_scale_from_zero": [
        "10:19: minValue 0 on UNIT_LOG_SCALE. Accepted: values above 0 only, which have a logarithm. "
        "Raise it, for example to 1e-4, or write scaleType: UNIT_LINEAR_SCALE.",
    ],
    "metric_that_is_not_reported": [
        "4:30: hyperparameterMetricTag: accuracy, which the job does not report. Accepted: a metric that the "
        "job reports: rmse, mae, mse, smape, mase, loss, rmse_same_as_last, mse_standardized, mae_standardized, "
        "rmse_standardized. Choose one of them; a metric of your own has to be listed in metrics of PROBLEM.",
    ],
    "minimum_above_maximum": [
        "10:19: minValue 0.5 is above maxValue 0.1. Accepted: minValue up to maxValue. Swap them.",
    ],
    "negative_trials": [
        "5:16: maxTrials: -20. Accepted: a whole number from 1 up. Change the number.",
    ],
    "no_flag_of_the_task": [
        "8:24: learning-rat is not a flag of trainer.task. Accepted: fields of the problem's params, and "
        "other flags of trainer.task. Did you mean learning_rate?",
    ],
    "no_goal_and_no_parameters": [
        "3:5: No goal in hyperparameters. Accepted: MINIMIZE or MAXIMIZE. Add it; without it services maximise.",
        "3:5: No params in hyperparameters. Accepted: a list of parameters, each after a dash. Add params:.",
    ],
    "no_maximum": [
        "8:9: learning_rate, a DOUBLE, has no maxValue. Accepted: minValue and maxValue, both. Add maxValue.",
    ],
    "no_metric": [
        "3:5: No hyperparameterMetricTag in hyperparameters. Accepted: a metric that the job reports: rmse, "
        "mae, mse, smape, mase, loss, rmse_same_as_last, mse_standardized, mae_standardized, rmse_standardized. "
        "Add hyperparameterMetricTag: rmse.",
    ],
    "parameter_twice": [
        "16:24: The parameter learning_rate appears twice. Accepted: each parameter once. Remove one.",
    ],
    "resumed_job": [
        "6:5: resumePreviousJobId in hyperparameters has no counterpart. Remove it: a sweep on this machine "
        "resumes by itself in the same --output_dir, and no tuning job on Vertex AI continues another.",
    ],
    "scale_of_categories": [
        "16:20: scaleType UNIT_LINEAR_SCALE of a CATEGORICAL. Accepted: none: categories have no scale. "
        "Remove scaleType.",
    ],
    "tab": [
        "5:1: A tab. Accepted: spaces before a key. Replace each tab by two spaces.",
    ],
    "tag_that_runs_code": [
        "3:11: The tag !!python/object/apply:os.system. Accepted: plain values; nothing is run from a file. "
        "Remove the tag.",
    ],
    "two_metrics": [
        "4:7: 2 metrics. Accepted: one metric. Keep the one that matters most.",
    ],
    "two_names_of_one_key": [
        "6:5: max_trial_count together with maxTrials, which says the same. Accepted: one of the two; maxTrials "
        "is in line 5. Remove one of them.",
    ],
    "two_stopping_rules": [
        "8:3: medianAutomatedStoppingSpec together with decayCurveStoppingSpec. Accepted: one stopping rule. Remove "
        "one of them.",
    ],
    "unknown_key": [
        "6:5: Unknown key maxParalelTrials in hyperparameters. Accepted: goal, hyperparameterMetricTag, "
        "maxTrials, maxParallelTrials, maxFailedTrials, algorithm, enableTrialEarlyStopping, params, "
        "measurementSelectionType, decayCurveStoppingSpec, medianAutomatedStoppingSpec, "
        "convexAutomatedStoppingSpec, studyStoppingConfig. Did you mean maxParallelTrials?",
    ],
    "unordered_values": [
        "18:35: The discrete value 100 after 200. Accepted: increasing values, at least 1e-10 apart. Sort them.",
    ],
    "value_outside_what_the_flag_takes": [
        "11:19: --momentum=1.0. Accepted: at least 0 and below 1. Correct it.",
    ],
    "word_for_an_enum": [
        "3:11: goal: minimise. Accepted: MINIMIZE, MAXIMIZE. Write goal: MINIMIZE.",
        "9:15: type: FLOAT. Accepted: DOUBLE, INTEGER, CATEGORICAL, DISCRETE. Choose one of them.",
    ],
    "wrong_types": [
        "5:16: maxTrials: twenty. Accepted: a whole number. Write a number, such as 128 or 1e-3.",
        "6:5: maxParallelTrials: a list. Accepted: a whole number. Correct it.",
    ],
    "zero_parallel_trials": [
        "6:24: maxParallelTrials: 0. Accepted: a whole number from 1 up. Change the number.",
    ],
}


def test_every_wrong_file_is_in_the_table() -> None:
    assert {path.stem for path in (FILES / "wrong").iterdir()} == set(WRONG)
    assert len(WRONG) >= 20


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_file_is_refused_with_lines_and_fixes(name: str) -> None:
    path = FILES / "wrong" / f"{name}.yaml"
    assert told(path) == WRONG[name]
    with pytest.raises(FindingsError) as caught:
        study_file.read(str(path), TASK)
    assert str(caught.value) == "\n".join(["The file is not accepted:", *(f"{path}:{line}" for line in WRONG[name])])
    assert caught.value.exit_code == 2


def test_the_shipped_file_is_accepted_without_a_word() -> None:
    path = ROOT / "hptuning_config.yaml"
    assert study_file.examine(str(path), TASK).findings == ()
    assert study_file.read(str(path), TASK).max_trials == 20


def test_old_files_with_dashes_and_quotes_work() -> None:
    assert study_file.read(str(FILES / "old_service.yaml"), TASK) == Study(
        goal=Goal.MINIMIZE,
        metric="training/hptuning/metric",
        max_trials=30,
        max_parallel_trials=3,
        stopping=MedianStopping(),
        parameters=(
            Parameter(
                name="first_layer_size",
                spelled="first-layer-size",
                kind=Kind.INTEGER,
                minimum=50,
                maximum=500,
                scale=Scale.LINEAR,
            ),
            Parameter(name="train_batch_size", spelled="train-batch-size", kind=Kind.DISCRETE, values=(64.0, 128.0)),
            Parameter(name="learning_rate", kind=Kind.DOUBLE, minimum=1e-4, maximum=0.1, scale=Scale.REVERSE_LOG),
            Parameter(name="model", kind=Kind.CATEGORICAL, values=("lstm", "dnn")),
        ),
    )


def test_what_an_old_file_says_beside_the_study_is_noted() -> None:
    notes = told(FILES / "old_service.yaml", Level.NOTE)
    assert notes[0] == (
        "3:3: note: scaleTier in trainingInput is not read. Machines are flags of python -m trainer.launch submit."
    )
    assert notes[3:5] == [
        "8:30: note: Under training/hptuning/metric the job reports its score, rmse. Write rmse.",
        "9:16: note: maxTrials: 30 in quotes is read as a number. Remove the quotes.",
    ]
    assert len(notes) == 6


def test_all_that_vertex_added_is_read() -> None:
    study = study_file.read(str(FILES / "everything.yaml"), TASK)
    assert (study.algorithm, study.measurement) == (Algorithm.RANDOM, Measurement.BEST)
    assert study.stopping == ConvexStopping(
        max_step_count=2000,
        min_step_count=200,
        min_measurement_count=4,
        learning_rate_parameter="learning_rate",
        update_all_stopped_trials=True,
    )
    assert study.study_stopping == StudyStopping(
        should_stop_asap=True,
        min_num_trials=10,
        max_num_trials=50,
        max_num_trials_no_progress=15,
        min_runtime_secs=600.0,
        max_end_time="2026-12-31T12:00:00Z",
        max_secs_no_progress=7200.5,
    )
    assert [(entry.name, entry.parent, entry.parent_values) for entry in study.parameters] == [
        ("learning_rate", None, ()),
        ("model", None, ()),
        ("lstm_units", "model", ("lstm",)),
        ("first_layer_size", "model", ("dnn",)),
        ("second_layer_size", "first_layer_size", (8.0, 16.0)),
    ]


def test_a_tuning_job_in_snake_case_is_read() -> None:
    study = study_file.read(str(FILES / "tuning_job.yaml"), TASK)
    assert (study.max_trials, study.max_parallel_trials, study.max_failed_trials) == (20, 2, 3)
    assert study.stopping == MedianStopping(use_elapsed_duration=True)
    assert study.parameters[0] == Parameter(
        name="lstm_units", spelled="lstm-units", kind=Kind.INTEGER, minimum=2, maximum=5
    )
    assert study.parameters[2].parent_values == ("momentum",)


def test_a_study_spec_in_json_is_read() -> None:
    path = FILES / "study_spec.json"
    study = study_file.read(str(path), TASK)
    assert (study.stopping, study.measurement, study.max_trials) == (DecayCurveStopping(), Measurement.LAST, 1)
    assert told(path, Level.NOTE) == [
        "1:1: note: No number of trials; services run 1. Put it below studySpec:, beside "
        "maxTrialCount: and parallelTrialCount:.",
        "6:63: note: defaultValue in doubleValueSpec is not read. Vizier takes it, tuning jobs do not.",
        "11:3: note: observationNoise in the study is not read. Vizier takes it, tuning jobs do not.",
    ]


@pytest.mark.parametrize(
    ("settings", "finding"),
    [
        (
            "- a\n- b",
            "1:1: Not a mapping of keys. Accepted: trainingInput: with hyperparameters:, or a HyperparameterTuning",
        ),
        ("a: 1", "1:1: Unknown key a in the file. Accepted: trainingInput. Remove it."),
        (
            "hyperparameters: {}",
            "1:1: No trainingInput in the file. Accepted: a mapping with hyperparameters:. Put hyp",
        ),
        (
            "trainingInput: {region: x}",
            "1:16: No hyperparameters in trainingInput. Accepted: a mapping with goal: and pa",
        ),
        ("trainingInput:", "1:1: trainingInput has no value. Accepted: a mapping with hyperparameters:. Add it after"),
        ("trainingInput: 3", "1:16: trainingInput: 3. Accepted: a mapping with hyperparameters:. Correct it."),
        ("studySpec: []", "1:1: studySpec: a list. Accepted: a mapping with metrics: and parameters:. Correct it."),
        (
            "studySpec: {}",
            "1:12: No metrics in studySpec. Accepted: one metric, such as [{metricId: rmse, goal: MINIMIZE}].",
        ),
        (
            "studySpec: {metrics: [rmse]}",
            "1:23: A metric without keys. Accepted: one metric, such as [{metricId: rmse, goal",
        ),
        (
            "trainingInput: !x {}",
            "1:16: The tag !x. Accepted: plain values; nothing is run from a file. Remove the tag.",
        ),
        ("studySpec: {}\n---\na: 1", "3:1: A second document. Accepted: one study per file. Put each in a file of"),
    ],
)
def test_what_is_no_study_is_reported(settings: str, finding: str, tmp_path: pathlib.Path) -> None:
    assert any(line.startswith(finding) for line in told(written(tmp_path, settings)))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("goal: MAXIMIZE", "rmse is maximised, although lower is better"),
        ("maxParallelTrials: 30", "30 trials at a time, of 20 in all"),
        ("algorithm: GRID_SEARCH", "The grid has 2 points, and there are 20 trials"),
    ],
)
def test_what_is_odd_is_noted(text: str, note: str, tmp_path: pathlib.Path) -> None:
    lines = {"goal": "goal: MINIMIZE", "maxTrials": "maxTrials: 20", "metric": "hyperparameterMetricTag: rmse"}
    lines[text.partition(":")[0]] = text
    body = "".join(f"    {line}\n" for line in lines.values())
    parameter = "- {parameterName: lstm_units, type: INTEGER, minValue: 1, maxValue: 2}"
    path = written(tmp_path, f"trainingInput:\n  hyperparameters:\n{body}    params:\n    {parameter}\n")
    assert told(path) == []
    assert any(note in line for line in told(path, Level.NOTE))


@pytest.mark.parametrize(
    ("metric", "goal", "note"),
    [
        (
            "accuracy",
            "MINIMIZE",
            "4:11: note: accuracy is minimised, although higher is better. Did you mean MAXIMIZE?",
        ),
        ("loss", "MAXIMIZE", "4:11: note: loss is maximised, although lower is better. Did you mean MINIMIZE?"),
        ("accuracy", "MAXIMIZE", None),
        ("loss", "MINIMIZE", None),
        (
            "training/hptuning/metric",
            "MAXIMIZE",
            "5:30: note: Under training/hptuning/metric the job reports its score, accuracy. Write accuracy.",
        ),
    ],
)
def test_the_goal_is_compared_with_what_the_problem_calls_better(
    metric: str, goal: str, note: str | None, tmp_path: pathlib.Path
) -> None:
    classification = dataclasses.replace(TASK, metrics={"accuracy": "max", "loss": "min"})
    path = written(
        tmp_path,
        f"""
trainingInput:
  hyperparameters:
    goal: {goal}
    hyperparameterMetricTag: {metric}
    maxTrials: 2
    maxParallelTrials: 1
    params: [{{parameterName: lstm_units, type: INTEGER, minValue: 1, maxValue: 2}}]
""",
    )
    found = study_file.examine(str(path), classification).findings
    assert [str(finding).removeprefix(f"{path}:") for finding in found] == ([note] if note else [])


TOKENS = [
    "null",
    "[]",
    "{}",
    "true",
    "-1",
    "1e999",
    ".nan",
    '""',
    "9" * 400,
    "!!str",
    "&a",
    "*a",
    "|",
    "? ",
    "---",
    "\u2028",
]
SOUND = [path.read_text(encoding="utf-8") for path in sorted(FILES.iterdir()) if path.is_file()]


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A sound file in which up to three lines are lost, doubled, indented otherwise or changed in a word."""
    lines = draw(st.sampled_from(SOUND)).split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        words = lines[at].split(" ")
        words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(TOKENS))
        other = draw(st.sampled_from(lines))
        indented = " " * draw(st.integers(0, 9)) + lines[at].lstrip()
        lines[at : at + 1] = draw(st.sampled_from([[], [lines[at], other], [indented], [" ".join(words)]]))
        lines = lines or [""]
    return "\n".join(lines)


@given(mangled())
def test_a_mangled_file_is_a_study_or_has_errors(text: str) -> None:
    found: list[Finding] = []
    roots = documents.parse(text.encode(), "f.yaml", found)
    examined = study_file.of_documents(roots, found, TASK)
    assert (examined.study is None) is any(finding.level is Level.ERROR for finding in examined.findings)
    assert all(str(finding).startswith("f.yaml:") for finding in examined.findings)


def test_without_a_task_any_name_is_accepted(tmp_path: pathlib.Path) -> None:
    text = hyperparameters("- {parameterName: their-own, type: INTEGER, minValue: 1, maxValue: 2}")
    examined = study_file.examine(str(written(tmp_path, text)), None)
    assert examined.study is not None and examined.study.parameters[0].name == "their_own"


def test_a_missing_file_is_an_error_of_usage(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        study_file.read(str(tmp_path / "none.yaml"), TASK)
