"""Parameters in files: what is no parameter, no condition, or more than a parameter may have."""

from __future__ import annotations

import pathlib

import pytest

from tests.launch.study_files import TASK, hyperparameters, told, written
from trainer.launch.study import study_file
from trainer.launch.study.parameter import Kind, Parameter


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        (["- x"], "6:7: A parameter without keys. Accepted: a mapping with parameterName: or parameterId:."),
        (
            ["- {type: DOUBLE, minValue: 1, maxValue: 2}"],
            "6:7: No parameterName in the parameter. Accepted: the name of",
        ),
        (
            ["- {parameterName: learning_rate}"],
            "6:7: No type in learning_rate. Accepted: DOUBLE, INTEGER, CATEGORICAL,",
        ),
        (
            ["- {parameterId: learning_rate}"],
            "6:7: No values in learning_rate. Accepted: doubleValueSpec, integerValueSp",
        ),
        (["- {parameterName: job-dir, type: CATEGORICAL, categoricalValues: [a]}"], "6:23: --job_dir as a parameter."),
        (
            ["- {parameterName: model, type: INTEGER, minValue: 1, maxValue: 2}"],
            "type INTEGER for --model, which takes",
        ),
        (["- {parameterName: seed, type: DISCRETE, categoricalValues: [a]}"], "categoricalValues of a DISCRETE."),
        (
            ["- {parameterName: seed, type: DISCRETE, discreteValues: [1, [2]]}"],
            "the value a list or mapping. Accepted:",
        ),
        (
            ["- {parameterName: model, type: CATEGORICAL, categoricalValues: lstm}"],
            "categoricalValues: lstm. Accepted: a",
        ),
        (
            ["- {parameterName: model, type: CATEGORICAL, categoricalValues: [[lstm]]}"],
            "A list or mapping among the valu",
        ),
    ],
)
def test_what_is_no_parameter_is_reported(lines: list[str], finding: str, tmp_path: pathlib.Path) -> None:
    assert any(finding in line for line in told(written(tmp_path, hyperparameters(*lines))))


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        (
            ["parentIntValues: [lstm]"],
            "8:14: parentIntValues of model, whose type is CATEGORICAL. Accepted: parentCateg",
        ),
        (
            ["parentCategoricalValues: []"],
            "8:14: parentCategoricalValues is empty. Accepted: values of model: lstm, dnn",
        ),
        (["parentCategoricalValues: {}"], "8:14: parentCategoricalValues is empty."),
        (["parentCategoricalValues: [cnn]"], "8:40: model is never cnn. Accepted: values of model: lstm, dnn. Correct"),
        (
            [],
            "8:13: No values of model, whose type is CATEGORICAL. Accepted: parentCategoricalValues. Write parentCateg",
        ),
    ],
)
def test_a_wrong_condition_is_reported(lines: list[str], finding: str, tmp_path: pathlib.Path) -> None:
    parameter = "parameterSpec: {parameterName: lstm_units, type: INTEGER, minValue: 1, maxValue: 2}"
    first, *rest = [*lines, parameter]
    text = hyperparameters(
        "- {parameterName: model, type: CATEGORICAL, categoricalValues: [lstm, dnn],",
        "   conditionalParameterSpecs: [",
        f"        {{{first}{',' if rest else ''}",
        *(f"         {line}" for line in rest),
        "   }]}",
    )
    (line,) = told(written(tmp_path, text))
    assert line.startswith(finding)


def test_a_thousand_values_are_checked_and_one_more_is_refused(tmp_path: pathlib.Path) -> None:
    for most, errors in ((1000, 0), (1001, 1)):
        values = list(range(1, most + 1))
        line = f"- {{parameterName: train_batch_size, type: DISCRETE, discreteValues: {values}}}"
        assert len(told(written(tmp_path, hyperparameters(line)))) == errors


@pytest.mark.parametrize(
    "parameter",
    [
        "{parameterName: learning_rate, type: DOUBLE, minValue: 0.001, maxValue: 0.1}",
        "{parameterId: learning_rate, type: DOUBLE, minValue: 0.001, maxValue: 0.1}",
        "{parameter_name: learning_rate, type: DOUBLE, min_value: 0.001, max_value: 0.1}",
        "{parameterId: learning_rate, doubleValueSpec: {minValue: 0.001, maxValue: 0.1}}",
        "{parameterName: learning_rate, double_value_spec: {min_value: 0.001, max_value: 0.1}}",
    ],
)
def test_every_spelling_is_the_same_parameter(parameter: str, tmp_path: pathlib.Path) -> None:
    study = study_file.read(str(written(tmp_path, hyperparameters(f"- {parameter}"))), TASK)
    assert study.parameters == (Parameter(name="learning_rate", kind=Kind.DOUBLE, minimum=0.001, maximum=0.1),)
