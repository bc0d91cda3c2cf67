"""Studies as Katib Experiments, held to the rules of Katib's own types and of its admission webhook."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given

from tests.launch.studies import studies
from trainer.job.errors import UsageError
from trainer.launch.kubernetes import katib, schemas
from trainer.launch.study import search_space, study_file
from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.stopping import DecayCurveStopping, MedianStopping, StudyStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


def refusals(experiment: dict[str, Any]) -> Iterator[str]:
    """What Katib's validating webhook would say (validator.go)."""
    spec = experiment["spec"]
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", experiment["metadata"]["name"]):
        yield "name"
    if spec["maxTrialCount"] <= 0 or not 0 < spec["parallelTrialCount"] <= spec["maxTrialCount"]:
        yield "counts"
    if not 0 <= spec.get("maxFailedTrialCount", 0) <= spec["maxTrialCount"]:
        yield "maxFailedTrialCount"
    objective = spec["objective"]
    if objective["type"] not in ("minimize", "maximize") or not objective["objectiveMetricName"]:
        yield "objective"
    if any(strategy["value"] not in ("min", "max", "latest") for strategy in objective["metricStrategies"]):
        yield "metricStrategies"
    if spec["algorithm"]["algorithmName"] not in ("tpe", "random", "grid", "bayesianoptimization"):
        yield "algorithm"
    if spec.get("earlyStopping", {"algorithmName": "medianstop"})["algorithmName"] != "medianstop":
        yield "earlyStopping"
    for parameter in spec["parameters"]:
        yield from parameter_refusals(parameter)
    yield from template_refusals(spec)
    source = spec["metricsCollectorSpec"]["source"]
    if source["fileSystemPath"]["format"] != "JSON" or "filter" in source:
        yield "format"
    if source["fileSystemPath"]["kind"] != "File" or not source["fileSystemPath"]["path"].startswith("/"):
        yield "fileSystemPath"


def parameter_refusals(parameter: dict[str, Any]) -> Iterator[str]:
    space = parameter["feasibleSpace"]
    if space.get("distribution", "uniform") not in ("uniform", "logUniform", "normal", "logNormal"):
        yield f"{parameter['name']}: distribution"
    match parameter["parameterType"]:
        case "double" | "int":
            if "list" in space or not space["min"] or not space["max"]:
                yield f"{parameter['name']}: feasibleSpace"
        case "categorical" | "discrete":
            if {"min", "max", "step"} & set(space) or not space["list"]:
                yield f"{parameter['name']}: feasibleSpace"
        case _:
            yield f"{parameter['name']}: parameterType"


def template_refusals(spec: dict[str, Any]) -> Iterator[str]:
    template = spec["trialTemplate"]
    if not all(template.get(name) for name in ("primaryContainerName", "successCondition", "failureCondition")):
        yield "trialTemplate"
    text = json.dumps(template["trialSpec"])
    names = {parameter["name"] for parameter in spec["parameters"]}
    seen: set[str] = set()
    for parameter in template["trialParameters"]:
        if not names & {parameter["reference"]} and parameter["reference"] != "${trialSpec.Name}":
            yield f"{parameter['name']}: reference"
        if parameter["name"] in seen or f"${{trialParameters.{parameter['name']}}}" not in text:
            yield f"{parameter['name']}: placeholder"
        seen.add(parameter["name"])
        text = text.replace(f"${{trialParameters.{parameter['name']}}}", "test-value")
    if "${trialParameters." in text:
        yield "a placeholder without a parameter"
    metadata = template["trialSpec"].get("metadata", {})
    if {"name", "namespace"} & set(metadata) or not {"apiVersion", "kind"} <= set(template["trialSpec"]):
        yield "trialSpec"


def trial(study: Study, kind: str = "Job") -> dict[str, Any]:
    container = {
        "name": "task",
        "args": katib.trial_flags(study),
        "env": [{"name": name, "value": value} for name, value in katib.environment(study).items()],
    }
    metadata = {"name": "sines", "namespace": "ml", "labels": {"app": "sines"}}
    template = {"spec": {"containers": [container]}}
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": {"template": template}}


def experiment(study: Study) -> dict[str, Any]:
    return katib.experiment(study, name="sines", namespace="ml", trial_spec=trial(study), primary_container="task")


def shipped() -> Study:
    return study_file.read(str(ROOT / "hptuning_config.yaml"), search_space.of_task())


RATE = Parameter(name="learning_rate", kind=Kind.DOUBLE, minimum=1e-4, maximum=0.1, scale=Scale.LOG)
UNITS = Parameter(name="lstm_units", spelled="lstm-units", kind=Kind.INTEGER, minimum=2, maximum=32)
BATCH = Parameter(name="train_batch_size", kind=Kind.DISCRETE, values=(50.0, 100.0), scale=Scale.LINEAR)
OPTIMIZER = Parameter(name="optimizer", kind=Kind.CATEGORICAL, values=("adam", "sgd"))


def study(*parameters: Parameter, **settings: Any) -> Study:
    given_settings = {"goal": Goal.MINIMIZE, "metric": "rmse", "max_trials": 20} | settings
    return Study(parameters=parameters, **given_settings)


@given(studies(conditional=False))
def test_every_flat_study_is_one_that_katib_accepts(any_study: Study) -> None:
    texts = [entry.text(value) for entry in any_study.parameters for value in entry.values]
    assume(not any(re.search(r"[\"'\\\x00-\x1f]|\$[$(]", text) for text in texts))  # refused, see below
    manifest = experiment(any_study)
    assert schemas.schema_errors(manifest) == []
    assert list(refusals(manifest)) == []


def test_the_shipped_study_is_accepted_and_said_without_differences() -> None:
    manifest = experiment(shipped())
    assert (manifest["apiVersion"], manifest["kind"]) == ("kubeflow.org/v1beta1", "Experiment")
    assert list(refusals(manifest)) == [] and katib.differences(shipped()) == []


def test_parameters_are_spaces_of_texts() -> None:
    parameters = experiment(study(RATE, UNITS, BATCH, OPTIMIZER))["spec"]["parameters"]
    assert parameters == [
        {
            "name": "learning_rate",
            "parameterType": "double",
            "feasibleSpace": {"min": "0.0001", "max": "0.1", "distribution": "logUniform"},
        },
        {"name": "lstm-units", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "32", "step": "1"}},
        {"name": "train_batch_size", "parameterType": "discrete", "feasibleSpace": {"list": ["50", "100"]}},
        {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": ["adam", "sgd"]}},
    ]


@pytest.mark.parametrize(
    ("settings", "field", "expected"),
    [
        ({}, "algorithm", {"algorithmName": "tpe"}),
        ({"algorithm": Algorithm.RANDOM}, "algorithm", {"algorithmName": "random"}),
        ({"algorithm": Algorithm.GRID}, "algorithm", {"algorithmName": "grid"}),
        ({"stopping": MedianStopping()}, "earlyStopping", {"algorithmName": "medianstop"}),
        ({"max_failed_trials": 3}, "maxFailedTrialCount", 3),
        ({"max_failed_trials": 30}, "maxFailedTrialCount", 20),
        ({"max_parallel_trials": 30}, "parallelTrialCount", 20),
    ],
)
def test_settings_have_their_counterparts(settings: dict[str, Any], field: str, expected: Any) -> None:
    assert experiment(study(UNITS, **settings))["spec"][field] == expected


@pytest.mark.parametrize(
    ("goal", "measurement", "kind", "strategy"),
    [
        (Goal.MINIMIZE, Measurement.LAST, "minimize", "latest"),
        (Goal.MINIMIZE, Measurement.BEST, "minimize", "min"),
        (Goal.MAXIMIZE, Measurement.BEST, "maximize", "max"),
    ],
)
def test_the_measurement_that_counts_is_said(goal: Goal, measurement: Measurement, kind: str, strategy: str) -> None:
    objective = experiment(study(UNITS, goal=goal, measurement=measurement))["spec"]["objective"]
    assert (objective["type"], objective["metricStrategies"]) == (kind, [{"name": "rmse", "value": strategy}])


def test_values_and_trials_arrive_in_the_container() -> None:
    assert katib.trial_flags(study(RATE, UNITS)) == [
        "--learning_rate=${trialParameters.learningRate}",
        "--lstm-units=${trialParameters.lstmUnits}",
    ]
    template = experiment(study(RATE, UNITS))["spec"]["trialTemplate"]
    assert template["trialParameters"] == [
        {"name": "learningRate", "description": "--learning_rate", "reference": "learning_rate"},
        {"name": "lstmUnits", "description": "--lstm-units", "reference": "lstm-units"},
        {"name": "trialName", "description": "The trial's name", "reference": "${trialSpec.Name}"},
    ]
    assert template["trialSpec"]["metadata"] == {"labels": {"app": "sines"}}


def shell(script: str, *, folder: pathlib.Path, is_stopped_early: bool = False) -> list[str]:
    """What Katib makes of a script (wrapWorkerContainer), after Kubernetes made `$$` of `$$$$`."""
    early = (
        f" || if test -f {folder}/$$$$.pid && [ $(head -n 1 {folder}/$$.pid) = early-stopped ]; then echo early; "
        "else echo failed; exit 1; fi"
    )
    whole = f"{script}{early if is_stopped_early else ''} && echo completed > {folder}/$$$$.pid"
    return ["sh", "-c", whole.replace("/var/log/katib", str(folder)).replace("$$$$", "$$")]


TASK = """#!/bin/sh
echo "$@"
case "$*" in
  *--wait*) trap 'sleep 0.1; echo saved; exit 143' TERM; echo ready; while :; do sleep 0.05; done ;;
  *--code=*) exit "${3##*--code=}" ;;
esac
"""


@pytest.fixture
def as_task(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with a program `python` that stands for the image's; trials run with it in front of PATH."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(TASK)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "katib").mkdir()
    return tmp_path / "katib"


@pytest.mark.process
@pytest.mark.parametrize(
    ("flag", "code", "marks"), [("--a=b c;d&$e'f", 0, ["completed\n"]), ("--code=2", 2, []), ("--code=143", 143, [])]
)
def test_a_trial_gets_its_flags_as_they_are_and_its_exit_code_is_the_pods(
    flag: str, code: int, marks: list[str], as_task: pathlib.Path
) -> None:
    (script,) = katib.command([flag])["args"]
    done = subprocess.run(shell(script, folder=as_task), capture_output=True, text=True, check=False)
    assert done.stdout == f"-m trainer.task {flag}\n" and done.returncode == code
    assert [path.read_text() for path in as_task.iterdir()] == marks
    assert katib.task_words(script) == [flag]


@pytest.mark.process
@pytest.mark.parametrize("is_stopped_early", [False, True])
def test_a_trial_that_is_ended_saves_and_counts_as_done_only_where_katib_stopped_it(
    is_stopped_early: bool, as_task: pathlib.Path
) -> None:
    (script,) = katib.command(["--wait"])["args"]
    words = shell(script, folder=as_task, is_stopped_early=is_stopped_early)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["-m trainer.task --wait\n", "ready\n"]
        if is_stopped_early:
            (as_task / f"{process.pid}.pid").write_text("early-stopped")
        process.terminate()
        told = process.stdout.read()
    assert (told, process.returncode) == (("saved\nearly\n", 0) if is_stopped_early else ("saved\n", 143))
    assert [path.read_text() for path in as_task.iterdir()] == (["completed\n"] if is_stopped_early else [])


@pytest.mark.parametrize("value", ["it's", 'a "b"', "a\\b", "$(HOME)", "a\nb"])
def test_a_value_that_neither_json_nor_a_shell_leaves_alone_is_refused(value: str) -> None:
    kinds = Parameter(name="optimizer", kind=Kind.CATEGORICAL, values=("adam", value))
    with pytest.raises(UsageError, match="of optimizer. Accepted: values without quotes, backslashes"):
        experiment(study(kinds))


@pytest.mark.process  # TensorFlow runs uname when it is imported first
def test_the_collector_reads_the_lines_that_the_task_writes(tmp_path: pathlib.Path) -> None:
    from trainer.estimator.saving.tuner import TunerFile  # brings TensorFlow, which nothing else here needs

    environ = katib.environment(study(UNITS, metric="mae"))
    path = tmp_path / pathlib.PurePath(environ["CLOUD_ML_HP_METRIC_FILE"]).name
    tuner = TunerFile(path=str(path), trial="sines-abc", tag=environ["CLOUD_ML_HP_METRIC_TAG"], metric="mae")
    tuner({"mae": 0.25, "global_step": 100}, "model.ckpt-100")
    (line,) = [json.loads(text) for text in path.read_text().splitlines()]
    objective = experiment(study(UNITS, metric="mae"))["spec"]["objective"]
    # Katib parses texts only: jsonObj[metric].(string).
    assert line[objective["objectiveMetricName"]] == "0.25" and isinstance(line["timestamp"], float)


@pytest.mark.parametrize(
    ("given_study", "difference"),
    [
        (
            study(Parameter(name="x", kind=Kind.DOUBLE, minimum=0.1, maximum=1.0, scale=Scale.REVERSE_LOG)),
            "x: Katib has no UNIT_REVERSE_LOG_SCALE; it is searched uniformly.",
        ),
        (
            study(Parameter(name="x", kind=Kind.DISCRETE, values=(1.0, 10.0), scale=Scale.LOG)),
            "x: Katib gives no scale to DISCRETE values; each is equally likely.",
        ),
        (
            study(UNITS, stopping=DecayCurveStopping()),
            "Early stopping: Katib has the median rule (medianstop) only; it is used.",
        ),
        (
            study(UNITS, stopping=MedianStopping(use_elapsed_duration=True)),
            "Early stopping: Katib counts evaluations, not seconds.",
        ),
        (
            study(UNITS, study_stopping=StudyStopping(max_num_trials=3)),
            "studyStoppingConfig: left out; Katib ends a study only at maxTrialCount.",
        ),
        (study(UNITS, max_parallel_trials=30), "Trials at a time: 20, as many as there are in all."),
        (study(UNITS, max_failed_trials=30), "Failed trials: 20, as many as there are in all."),
    ],
)
def test_what_has_no_counterpart_is_said(given_study: Study, difference: str) -> None:
    assert katib.differences(given_study) == [difference]


def test_conditional_parameters_are_refused() -> None:
    below = Parameter(
        name="momentum", kind=Kind.DOUBLE, minimum=0.5, maximum=0.9, parent="optimizer", parent_values=("sgd",)
    )
    with pytest.raises(UsageError, match="Conditional parameters: momentum. Accepted: parameters that every trial has"):
        experiment(study(OPTIMIZER, below))


def test_a_job_that_does_not_use_a_parameter_is_refused() -> None:
    with pytest.raises(UsageError, match=r"The trial's job does not use \$\{trialParameters.learningRate\}"):
        katib.experiment(
            study(RATE), name="x", namespace="ml", trial_spec=trial(study(UNITS)), primary_container="task"
        )
    with pytest.raises(UsageError, match="A trial that is a Pod. Accepted: Job, JobSet, TrainJob, TFJob"):
        katib.experiment(
            study(RATE), name="x", namespace="ml", trial_spec=trial(study(RATE), "Pod"), primary_container="task"
        )
