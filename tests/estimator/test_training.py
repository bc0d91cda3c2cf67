"""`train_and_evaluate` in one process: what is evaluated and exported when, and what a run leaves."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.estimator.one_weight import batches, make, receiver, weight_after
from trainer.estimator import (
    BestExporter,
    CheckpointSaverListener,
    Estimator,
    EvalSpec,
    Exporter,
    FinalExporter,
    LatestExporter,
    RunContext,
    RunValues,
    TrainingHook,
    TrainSpec,
    train_and_evaluate,
)
from trainer.estimator.saving.events import read_scalars
from trainer.estimator.saving.tuner import TunerFile
from trainer.job import records
from trainer.job.errors import UsageError

CHIEF_BESIDE_AN_EVALUATOR = {
    "cluster": {"chief": ["a:1"], "evaluator": ["b:1"]},
    "task": {"type": "chief", "index": 0},
}


class Notes(Exporter):
    """Notes what it is asked to export."""

    name = "notes"

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []
        self.paths: list[str] = []

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        step = int(eval_result["global_step"])
        assert checkpoint_path == f"{estimator.model_dir}/model.ckpt-{step}"
        self.calls.append((step, is_the_final_export))
        self.paths.append(export_path)
        return f"export of {step}".encode()


class FinalNotes(Notes):
    """Notes what it is asked to export, and is asked for nothing but the final model."""

    name = "final_notes"

    def export(self, *arguments: Any) -> bytes | None:
        return super().export(*arguments) if arguments[-1] else None


@dataclasses.dataclass
class Clock(CheckpointSaverListener):
    """Time that moves by so many seconds before each save, and by so many in each evaluation."""

    seconds_per_save: float
    seconds_per_evaluation: float = 0.0
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def before_save(self, global_step_value: int) -> None:
        self.now += self.seconds_per_save

    def evaluated(self, metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        self.now += self.seconds_per_evaluation


class AtStep(TrainingHook):
    """Does something when a step has been made."""

    every_n_steps = 1

    def __init__(self, step: int, action: Callable[[RunContext], None]) -> None:
        self._step, self._action = step, action

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        if run_values.global_step == self._step:
            self._action(run_context)


def fail(run_context: RunContext) -> None:
    raise RuntimeError("the hook failed")


def spec(*exporters: Exporter, **settings: Any) -> EvalSpec:
    return EvalSpec(batches(1), exporters=exporters, **{"throttle_secs": 0, **settings})


def done(directory: Path) -> dict[str, Any]:
    return records.parsed((directory / "training_done.json").read_bytes(), "training_done.json", {})


def evaluated_steps(directory: Path) -> list[int]:
    return list(read_scalars(str(directory / "eval")))


def files(directory: Path) -> dict[str, int]:
    """Every file with the time of its last change."""
    return {str(file): file.stat().st_mtime_ns for file in directory.rglob("*") if file.is_file()}


# The table of local cases


@pytest.mark.parametrize(
    ("max_steps", "calls"),
    [(22, [(10, False), (20, False), (22, True)]), (12, [(10, False), (12, True)]), (20, [(10, False), (20, True)])],
)
def test_every_checkpoint_but_the_first_is_evaluated_and_the_last_export_is_final(
    tmp_path: Path, max_steps: int, calls: list[tuple[int, bool]]
) -> None:
    estimator, notes, final = make(tmp_path), Notes(), FinalNotes()
    metrics, exported = train_and_evaluate(estimator, TrainSpec(batches(), max_steps), spec(notes, final))
    assert (notes.calls, final.calls) == (calls, [(max_steps, True)])
    assert evaluated_steps(tmp_path) == [step for step, _ in calls]
    assert metrics is not None and metrics["global_step"] == max_steps
    assert exported == [f"export of {max_steps}".encode()] * 2
    assert set(notes.paths) == {str(tmp_path / "export" / "notes")}
    assert done(tmp_path) == {"reason": "max_steps", "global_step": max_steps, "checkpoint": f"model.ckpt-{max_steps}"}


def test_run_again_at_max_steps_there_is_nothing_to_do(tmp_path: Path) -> None:
    arguments = TrainSpec(batches(), 12), spec(LatestExporter("latest", receiver))
    train_and_evaluate(make(tmp_path), *arguments)
    before = files(tmp_path)
    assert train_and_evaluate(make(tmp_path), *arguments) == (None, None)
    assert files(tmp_path) == before


def test_a_longer_run_goes_on_and_evaluates_only_what_is_new(tmp_path: Path) -> None:
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec())
    notes, estimator = Notes(), make(tmp_path)
    train_and_evaluate(estimator, TrainSpec(batches(), 25), spec(notes))
    assert notes.calls == [(22, False), (25, True)]
    assert estimator.get_variable_value("weight") == pytest.approx(weight_after(25), rel=1e-6)


def test_the_training_is_one_and_its_input_is_not_begun_again_after_evaluations(tmp_path: Path) -> None:
    estimator = make(tmp_path)
    metrics, _ = train_and_evaluate(estimator, TrainSpec(batches(25)), spec())
    assert metrics is not None and metrics["global_step"] == 25
    assert evaluated_steps(tmp_path) == [10, 20, 25]


# Throttling


def test_evaluations_wait_for_the_throttle_but_the_first_and_the_last_do_not(tmp_path: Path) -> None:
    clock = Clock(seconds_per_save=100)
    train_spec = TrainSpec(batches(), 62, saving_listeners=[clock])
    train_and_evaluate(make(tmp_path), train_spec, spec(throttle_secs=250), clock=clock)
    assert evaluated_steps(tmp_path) == [10, 40, 62]


def test_a_throttle_longer_than_the_run_leaves_the_first_and_the_last_evaluation(tmp_path: Path) -> None:
    notes = Notes()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 50), spec(notes, throttle_secs=600), clock=Clock(1.0))
    assert notes.calls == [(10, False), (50, True)]


def test_the_throttle_counts_from_the_beginning_of_an_evaluation(tmp_path: Path) -> None:
    clock = Clock(seconds_per_save=0, seconds_per_evaluation=250)
    train_spec = TrainSpec(batches(), 40, saving_listeners=[clock])
    eval_spec = spec(throttle_secs=250)
    train_and_evaluate(make(tmp_path), train_spec, eval_spec, evaluation_listeners=[clock.evaluated], clock=clock)
    assert evaluated_steps(tmp_path) == [10, 20, 30, 40]


# How training ends


def early(run_context: RunContext) -> None:
    run_context.request_stop("early stopping")


@pytest.mark.parametrize("step", [20, 23])
def test_early_stopping_ends_with_a_final_evaluation_and_export(tmp_path: Path, step: int) -> None:
    exporters = [LatestExporter("latest", receiver), FinalExporter("final", receiver)]
    train_spec = TrainSpec(batches(), 1000, [AtStep(step, early)])
    metrics, exported = train_and_evaluate(make(tmp_path), train_spec, spec(*exporters))
    assert metrics is not None and metrics["global_step"] == step
    assert exported is not None and all(Path(path.decode()).is_dir() for path in exported if path)
    assert len(exported) == 2 and None not in exported
    assert len(os.listdir(tmp_path / "export" / "latest")) == len(evaluated_steps(tmp_path))
    assert len(os.listdir(tmp_path / "export" / "final")) == 1
    assert done(tmp_path) == {"reason": "early_stop", "global_step": step, "checkpoint": f"model.ckpt-{step}"}


@pytest.mark.parametrize("count", [20, 23])
def test_the_end_of_the_data_is_an_end_too(tmp_path: Path, count: int) -> None:
    notes, final = Notes(), FinalNotes()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(count)), spec(notes, final))
    # That the checkpoint of step 20 is the last one is seen only when it was exported and no batch follows.
    assert notes.calls == [(10, False), (20, False), (count, True)]
    assert final.calls == [(count, True)]
    assert done(tmp_path) == {"reason": "data_end", "global_step": count, "checkpoint": f"model.ckpt-{count}"}


def test_an_exporter_that_exports_every_checkpoint_does_not_export_the_last_one_twice(tmp_path: Path) -> None:
    _, exported = train_and_evaluate(make(tmp_path), TrainSpec(batches(20)), spec(LatestExporter("latest", receiver)))
    assert len(os.listdir(tmp_path / "export" / "latest")) == 2
    assert exported is not None and exported[0] is not None and Path(exported[0].decode()).is_dir()


def test_data_that_end_short_of_max_steps_are_an_end_too(tmp_path: Path) -> None:
    final = FinalNotes()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(13), 1000), spec(final))
    assert final.calls == [(13, True)]
    assert done(tmp_path)["reason"] == "data_end"


def test_a_tuner_that_is_to_be_told_another_metric_is_refused_before_training(tmp_path: Path) -> None:
    told = TunerFile(path=str(tmp_path / "metrics"), tag="accuracy", metric="accuracy")
    with pytest.raises(UsageError, match="told accuracy, which evaluations do not report. Accepted: .*loss, global_st"):
        train_and_evaluate(make(tmp_path), TrainSpec(batches(), 5), spec(), evaluation_listeners=[told])
    assert not list(tmp_path.iterdir())


def test_a_saving_listener_may_end_training(tmp_path: Path) -> None:
    class Enough(CheckpointSaverListener):
        def after_save(self, global_step_value: int) -> bool:
            return global_step_value == 20

    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 1000, saving_listeners=[Enough()]), spec())
    assert done(tmp_path) == {"reason": "early_stop", "global_step": 20, "checkpoint": "model.ckpt-20"}


def test_a_failure_is_recorded_and_raised(tmp_path: Path) -> None:
    final = FinalNotes()
    with pytest.raises(RuntimeError, match="the hook failed"):
        train_and_evaluate(make(tmp_path), TrainSpec(batches(), 30, [AtStep(15, fail)]), spec(final))
    assert final.calls == []
    assert done(tmp_path) == {"reason": "failed", "global_step": 10, "checkpoint": "model.ckpt-10"}


def test_a_loss_that_is_nan_is_a_failure_that_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="The loss is NaN at step 1; the last good checkpoint is model.ckpt-0 in "):
        train_and_evaluate(make(tmp_path, {"scale": float("nan")}), TrainSpec(batches(), 30), spec())
    assert done(tmp_path) == {"reason": "failed", "global_step": 0, "checkpoint": "model.ckpt-0"}


def test_an_exporter_that_fails_after_training_fails_the_run(tmp_path: Path) -> None:
    class Failing(FinalNotes):
        def export(self, *arguments: Any) -> bytes | None:
            if arguments[-1]:
                raise RuntimeError("no space left")
            return None

    arguments = TrainSpec(batches(), 12), spec(Failing())
    with pytest.raises(RuntimeError, match="no space left"):
        train_and_evaluate(make(tmp_path), *arguments)
    assert done(tmp_path)["reason"] == "failed"
    assert train_and_evaluate(make(tmp_path), *arguments) == (None, None)
    assert done(tmp_path) == {"reason": "max_steps", "global_step": 12, "checkpoint": "model.ckpt-12"}


def test_an_interrupted_run_has_not_ended_and_is_continued(tmp_path: Path) -> None:
    estimator, notes = make(tmp_path), Notes()
    hook = AtStep(15, lambda context: estimator.stop.request("a signal"))
    metrics, _ = train_and_evaluate(estimator, TrainSpec(batches(), 25, [hook]), spec(notes))
    assert (notes.calls, metrics and metrics["global_step"]) == ([(10, False)], 10)
    assert estimator.latest_checkpoint() == str(tmp_path / "model.ckpt-15")
    assert not (tmp_path / "training_done.json").exists()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 25), spec(notes))
    assert notes.calls[1:] == [(25, True)]
    assert done(tmp_path)["reason"] == "max_steps"


def test_a_run_that_was_killed_after_its_last_save_is_recorded_when_run_again(tmp_path: Path) -> None:
    make(tmp_path).train(batches(), max_steps=12)
    assert train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec()) == (None, None)
    assert done(tmp_path) == {"reason": "max_steps", "global_step": 12, "checkpoint": "model.ckpt-12"}


KILLED = """
import sys
from tests.estimator.one_weight import batches, make
from trainer.estimator import CheckpointSaverListener

class Say(CheckpointSaverListener):
    def after_save(self, global_step_value):
        print(global_step_value, flush=True)

make(sys.argv[1], save_checkpoints_steps=1, keep_checkpoint_max=1).train(batches(), saving_listeners=[Say()])
"""


@pytest.mark.process
def test_a_run_that_is_killed_between_its_saves_goes_on_from_a_whole_checkpoint(
    forking_python: Path, tmp_path: Path
) -> None:
    command = [forking_python, "-c", KILLED, str(tmp_path)]
    root = Path(__file__).parents[2]
    reached = 0
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while reached < 40 and (line := process.stdout.readline()):
            reached = int(line)
        process.kill()
        _, errors = process.communicate()
    assert reached == 40, errors
    estimator = make(tmp_path)
    step = int(estimator.get_variable_value("global_step"))
    assert step >= 40
    train_and_evaluate(estimator, TrainSpec(batches(), step + 5), spec())
    assert estimator.get_variable_value("weight") == pytest.approx(weight_after(step + 5), rel=1e-6)


def test_while_training_goes_on_there_is_no_record_of_its_end(tmp_path: Path) -> None:
    there: list[bool] = []
    hook = AtStep(15, lambda context: there.append((tmp_path / "training_done.json").exists()))
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec())
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 18, [hook]), spec())
    assert (there, done(tmp_path)["global_step"]) == ([False], 18)


def test_the_record_of_the_end_is_written_last(tmp_path: Path) -> None:
    there: list[bool] = []

    class Looking(FinalNotes):
        def export(self, *arguments: Any) -> bytes | None:
            there.append((tmp_path / "training_done.json").exists())
            return super().export(*arguments)

    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec(Looking()))
    assert there == [False, False]


# Evaluation and exports


def test_evaluations_are_told_with_their_checkpoint(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    def listener(metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        told.append((int(metrics["global_step"]), checkpoint_path))

    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec(), evaluation_listeners=[listener])
    assert told == [(step, str(tmp_path / f"model.ckpt-{step}")) for step in (10, 12)]


def test_the_evaluation_takes_its_steps_name_and_hooks_from_the_spec(tmp_path: Path) -> None:
    class Count(TrainingHook):
        batches = 0

        def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
            self.batches += 1

    count = Count()
    eval_spec = EvalSpec(batches(), steps=3, name="valid", hooks=[count], throttle_secs=0)
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), eval_spec)
    assert count.batches == 6
    assert list(read_scalars(str(tmp_path / "eval_valid"))) == [10, 12]
    assert not (tmp_path / "eval").exists()


def test_exports_lie_below_the_name_of_their_exporter(tmp_path: Path) -> None:
    exporters = [LatestExporter("a", receiver), BestExporter("b", receiver), FinalExporter("c", receiver)]
    _, exported = train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec(*exporters))
    assert exported is not None
    parents = [Path(path.decode()).parent for path in exported if path]
    assert parents == [tmp_path / "export" / name for name in "abc"]


def test_a_restart_does_not_export_the_best_again(tmp_path: Path) -> None:
    exporter = BestExporter("best", receiver)
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec(exporter))
    before = sorted(os.listdir(tmp_path / "export" / "best"))
    worse = make(tmp_path, {"scale": 100.0})
    train_and_evaluate(worse, TrainSpec(batches(), 14), spec(BestExporter("best", receiver)))
    assert sorted(os.listdir(tmp_path / "export" / "best")) == before


def test_without_exporters_nothing_is_exported(tmp_path: Path) -> None:
    _, exported = train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec())
    assert exported == []
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({}, "The evaluation gave {}. It has to give a dict of metrics"),
        (None, "The evaluation gave None. It has to give a dict of metrics"),
        ({"loss": 1.0}, "The evaluation gave loss, and no global_step. It has to give the step of the checkpoint"),
    ],
)
def test_an_evaluation_gives_metrics_and_their_step(tmp_path: Path, result: Any, message: str) -> None:
    class Odd(Estimator):
        def evaluate(self, *arguments: Any, **settings: Any) -> Any:
            return result

    plain = make(tmp_path)
    odd = Odd(lambda features, labels, mode: plain.model_fn(features, labels, mode, plain.config), config=plain.config)
    with pytest.raises(ValueError) as raised:
        train_and_evaluate(odd, TrainSpec(batches(), 12), spec())
    assert message in str(raised.value)
    assert done(tmp_path)["reason"] == "failed"


# The cluster


def test_a_chief_does_not_evaluate_where_another_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(CHIEF_BESIDE_AN_EVALUATOR))
    last = {"global_step": 22, "final": True, "metrics": {"loss": 0.5}}
    (tmp_path / "evaluator.json").write_text(json.dumps(last))  # the evaluator has done its part
    notes = Notes()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 22), spec(notes))
    assert notes.calls == []
    assert not (tmp_path / "eval").exists()
    assert done(tmp_path) == {"reason": "max_steps", "global_step": 22, "checkpoint": "model.ckpt-22"}


def test_a_chief_whose_evaluator_has_left_evaluates_the_last_checkpoint_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(CHIEF_BESIDE_AN_EVALUATOR))
    earlier = {"global_step": 10, "final": True, "metrics": {"loss": 0.5}, "left": True}
    (tmp_path / "evaluator.json").write_text(json.dumps(earlier))
    notes = Notes()
    metrics, exports = train_and_evaluate(make(tmp_path), TrainSpec(batches(), 22), spec(notes))
    assert notes.calls == [(22, True)]
    assert metrics is not None and metrics["global_step"] == 22 and exports is not None
    assert json.loads((tmp_path / "evaluator.json").read_text())["metrics"]["global_step"] == 22


def test_a_chief_alone_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {**CHIEF_BESIDE_AN_EVALUATOR, "cluster": {"chief": ["a:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(alone))
    notes = Notes()
    train_and_evaluate(make(tmp_path), TrainSpec(batches(), 12), spec(notes))
    assert notes.calls == [(10, False), (12, True)]


# What is checked before anything starts


def test_saving_off_is_refused_before_anything_starts(tmp_path: Path) -> None:
    estimator = make(tmp_path, save_checkpoints_steps=None)
    with pytest.raises(ValueError, match="called while saving is off. It evaluates and exports checkpoints. Set save_"):
        train_and_evaluate(estimator, TrainSpec(batches(), 12), spec())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_argument_of_a_wrong_type_is_refused_before_anything_starts(tmp_path: Path, position: int) -> None:
    arguments: list[Any] = [make(tmp_path), TrainSpec(batches(), 12), spec()]
    arguments[position] = 3
    with pytest.raises(TypeError, match="(estimator|train_spec|eval_spec) is 3. It takes an? [A-Z]"):
        train_and_evaluate(*arguments)
    assert os.listdir(tmp_path) == []


def test_the_defaults_of_the_specs_are_the_references() -> None:
    train_spec, eval_spec = TrainSpec(batches()), EvalSpec(batches())
    assert (train_spec.max_steps, train_spec.hooks, train_spec.saving_listeners) == (None, (), ())
    assert (eval_spec.steps, eval_spec.name, eval_spec.hooks, eval_spec.exporters) == (100, None, (), ())
    assert (eval_spec.start_delay_secs, eval_spec.throttle_secs) == (120, 600)


def test_one_exporter_needs_no_list() -> None:
    notes = Notes()
    assert EvalSpec(batches(), exporters=notes).exporters == (notes,)
    assert EvalSpec(batches(), exporters=None).exporters == ()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"input_fn": 3}, TypeError, "input_fn is 3. It takes a function"),
        ({"max_steps": 0}, ValueError, "max_steps is 0. It takes 1 or more"),
        ({"max_steps": "9"}, TypeError, "max_steps is '9'. It takes a number"),
        ({"hooks": [3]}, TypeError, "hooks has 3. Hooks are objects of TrainingHook or of SessionRunHook"),
        ({"saving_listeners": [3]}, TypeError, "saving_listeners has 3. They are CheckpointSaverListener objects"),
    ],
)
def test_a_train_spec_is_checked_when_it_is_built(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        TrainSpec(**{"input_fn": batches(), **settings})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"input_fn": 3}, TypeError, "input_fn is 3. It takes a function"),
        ({"steps": 0}, ValueError, "steps is 0. It takes 1 or more"),
        ({"name": 3}, TypeError, "EvalSpec was given name=3. It takes a string that is not empty, or None"),
        ({"start_delay_secs": -1}, ValueError, "start_delay_secs is -1. It takes 0 or more"),
        ({"throttle_secs": -1}, ValueError, "throttle_secs is -1. It takes 0 or more"),
        ({"throttle_secs": None}, TypeError, "throttle_secs is None. It takes a number"),
        ({"hooks": [3]}, TypeError, "hooks has 3. Hooks are objects of TrainingHook or of SessionRunHook"),
        ({"exporters": 3}, TypeError, "exporters is 3. It takes an Exporter, or a list of them"),
        ({"exporters": [3]}, TypeError, "exporters has 3. They are LatestExporter, BestExporter, FinalExporter"),
        ({"exporters": [Notes(), Notes()]}, ValueError, "exporters has the name 'notes' twice. Each needs a name"),
    ],
)
def test_an_eval_spec_is_checked_when_it_is_built(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        EvalSpec(**{"input_fn": batches(), **settings})
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["", None, 3])
def test_an_exporter_without_a_name_is_refused(name: Any) -> None:
    class Nameless(Notes):
        pass

    Nameless.name = name
    with pytest.raises(ValueError, match="exporters has the name .* It takes a string that is not empty"):
        EvalSpec(batches(), exporters=[Nameless()])
