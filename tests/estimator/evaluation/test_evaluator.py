"""The evaluator: follows checkpoints that a training beside it saves, in a time of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.estimator.one_weight import batches, make, receiver
from trainer.estimator import Estimator, EvalSpec, Exporter, FinalExporter, LatestExporter
from trainer.estimator.evaluation.evaluations import Evaluations
from trainer.estimator.evaluation.evaluator import Awaited, Follower, stand_in, wait_for_last
from trainer.estimator.saving.coordination_files import EVALUATOR, TRAINING_DONE, being_read, read_record
from trainer.estimator.saving.job_directory import on_disk
from trainer.estimator.saving.verification import DamagedCheckpointError
from trainer.estimator.steps.timing.stop import Stop


class World:
    """A training in another process, as the evaluator sees it: a list of things that happen while it waits."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now = directory, 0.0
        self.evaluated: list[tuple[float, int]] = []
        self.stop = Stop()
        self._plan: list[tuple[float, Callable[[], None]]] = []
        self._training = make(directory)

    def at(self, secs: float, happens: Callable[[], None]) -> None:
        self._plan.append((secs, happens))

    def saved(self, step: int) -> None:
        self._training.train(batches(), max_steps=step)

    def done(self, reason: str, step: int) -> None:
        record = {"reason": reason, "global_step": step, "checkpoint": f"model.ckpt-{step}" if step else None}
        (self.directory / TRAINING_DONE).write_text(json.dumps(record))

    def wait(self, secs: float) -> None:
        assert self.now < 10_000, "the evaluator waits for ever"
        self.now += secs
        due = [happens for at, happens in self._plan if at <= self.now]
        self._plan = [entry for entry in self._plan if entry[0] > self.now]
        for happens in due:
            happens()

    def note(self, metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        self.evaluated.append((self.now, int(metrics["global_step"])))

    def follow(
        self, *exporters: Exporter, delay: float = 0.0, throttle: float = 0.0, max_steps: int | None = None
    ) -> Evaluations:
        evaluations = self.evaluations(*exporters)
        Follower(evaluations, delay, throttle, max_steps, self.stop, self.wait).follow()
        return evaluations

    def evaluations(self, *exporters: Exporter) -> Evaluations:
        return Evaluations(
            make(self.directory), EvalSpec(batches(1), steps=None, exporters=exporters), [self.note], lambda: self.now
        )

    def tell(self, **record: Any) -> None:
        """What an evaluator in another process writes."""
        (self.directory / EVALUATOR).write_text(json.dumps(record))

    @property
    def steps(self) -> list[int]:
        return [step for _, step in self.evaluated]

    @property
    def record(self) -> dict[str, Any]:
        return read_record(on_disk(str(self.directory)), EVALUATOR)

    def exports(self, name: str) -> int:
        return len(list((self.directory / "export" / name).glob("[0-9]*")))


class Notes(Exporter):
    """Notes of which steps it is told, and whether as the last."""

    name = "notes"

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> None:
        self.calls.append((int(eval_result["global_step"]), is_the_final_export))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def both() -> list[Exporter]:
    return [LatestExporter("latest", receiver), FinalExporter("final", receiver)]


# What it reads


def test_a_checkpoint_that_is_deleted_before_it_is_read_is_skipped(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.saved(10)

    def input_fn() -> tf.data.Dataset:
        if not world.record["global_step"] and world.record["reading"] == "model.ckpt-10":
            world.saved(20)
            for file in world.directory.glob("model.ckpt-10.*"):
                file.unlink()
            world.done("max_steps", 20)
        return batches(1)()

    evaluations = Evaluations(make(world.directory), EvalSpec(input_fn, steps=None), [world.note], lambda: world.now)
    Follower(evaluations, 0.0, 0.0, 20, world.stop, world.wait).follow()
    assert world.steps == [20]
    line = f"{world.directory}/model.ckpt-10 was deleted before it was evaluated; going on with a newer one."
    assert caplog.messages.count(line) == 1


def test_an_error_in_an_evaluation_whose_checkpoint_is_there_ends_it(world: World) -> None:
    world.saved(10)

    def input_fn() -> tf.data.Dataset:
        raise RuntimeError("a fault of the input function")

    evaluations = Evaluations(make(world.directory), EvalSpec(input_fn, steps=None))
    with pytest.raises(RuntimeError, match="a fault of the input function"):
        Follower(evaluations, 0.0, 0.0, 20, world.stop, world.wait).follow()


def test_what_it_keeps_from_being_deleted_is_what_it_reads_and_exports(world: World) -> None:
    class ReadsRecord(Notes):
        def export(self, estimator: Estimator, export_path: str, checkpoint_path: str, *rest: Any) -> None:
            read.append((world.record["reading"], Path(checkpoint_path).name))

    read: list[tuple[str, str]] = []
    world.saved(10)

    def input_fn() -> tf.data.Dataset:
        if not read:
            world.saved(20)  # while the one before it is evaluated
            world.done("max_steps", 20)
        return batches(1)()

    spec = EvalSpec(input_fn, steps=None, exporters=ReadsRecord())
    Follower(
        Evaluations(make(world.directory), spec, [world.note], lambda: world.now), 0.0, 0.0, 20, world.stop, world.wait
    ).follow()
    assert read == [("model.ckpt-10", "model.ckpt-10"), ("model.ckpt-20", "model.ckpt-20")]
    assert world.steps == [10, 20]


def test_while_no_checkpoint_is_whole_it_waits_for_another_one(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.saved(10)
    for data in world.directory.glob("model.ckpt-*.data-*"):
        data.write_bytes(b"damaged")

    def saved_elsewhere() -> None:
        for file in world.directory.glob("model.ckpt-*"):
            file.unlink()
        world.saved(20)
        world.done("max_steps", 20)

    world.at(5, saved_elsewhere)
    world.follow(max_steps=20)
    assert world.steps == [20]
    assert len([line for line in caplog.messages if line.startswith("No checkpoint in ")]) == 1


def test_once_training_has_ended_checkpoints_of_which_none_is_whole_are_an_error(world: World) -> None:
    world.saved(10)
    world.done("max_steps", 10)
    for index in world.directory.glob("model.ckpt-*.index"):
        index.unlink()
    with pytest.raises(DamagedCheckpointError, match=r"is whole: model\.ckpt-10\.index is missing"):
        world.follow(max_steps=10)


# How it ends


def test_it_evaluates_each_checkpoint_once_and_the_one_of_max_steps_as_the_last(world: World) -> None:
    world.saved(10)
    world.at(5, lambda: world.saved(20))
    world.at(9, lambda: world.done("max_steps", 20))
    world.follow(*both(), max_steps=20)
    assert world.steps == [10, 20]
    assert (world.record["global_step"], world.record["final"], world.record["reading"]) == (20, True, None)
    assert (world.exports("latest"), world.exports("final")) == (2, 1)


@pytest.mark.parametrize("reason", ["early_stop", "data_end", "failed"])
@pytest.mark.parametrize("max_steps", [None, 1000])
def test_it_ends_with_a_final_export_whatever_ended_training(world: World, reason: str, max_steps: int | None) -> None:
    world.saved(10)
    world.at(5, lambda: world.done(reason, 10))
    world.follow(*both(), max_steps=max_steps)
    assert world.steps == [10]
    assert world.record["final"]
    assert (world.exports("latest"), world.exports("final")) == (1, 1)


def test_it_ends_at_max_steps_though_nobody_records_the_end(world: World) -> None:
    world.saved(10)
    world.at(5, lambda: world.saved(20))
    notes = Notes()
    world.follow(notes, throttle=600, max_steps=20)
    assert (world.steps, notes.calls) == ([10, 20], [(10, False), (20, True)])
    assert (world.record["final"], world.record["left"]) == (True, True)


def test_it_does_not_take_the_end_of_a_shorter_training_for_that_of_a_longer_one(world: World) -> None:
    world.saved(10)
    world.follow(max_steps=10)
    world.at(world.now + 200, lambda: world.saved(20))
    notes = Notes()
    world.follow(notes, max_steps=20)
    assert (world.steps, notes.calls) == ([10, 20], [(20, True)])


@pytest.mark.parametrize("reason", ["early_stop", "data_end"])
def test_an_exporter_hears_once_that_a_checkpoint_was_the_last(world: World, reason: str) -> None:
    notes = Notes()
    world.saved(10)
    world.at(5, lambda: world.done(reason, 10))
    world.follow(notes)
    assert notes.calls == [(10, False), (10, True)]


def test_the_last_checkpoint_is_evaluated_when_training_ended_right_after_it(world: World) -> None:
    world.saved(10)
    world.at(5, lambda: (world.saved(20), world.done("early_stop", 20)))
    world.follow(*both(), throttle=600)
    assert world.steps == [10, 20]
    assert (world.record["final"], world.exports("final")) == (True, 1)


def test_it_ends_when_training_failed_before_the_first_checkpoint(world: World) -> None:
    world.at(5, lambda: world.done("failed", 0))
    world.follow(max_steps=100)
    assert world.steps == []


def test_it_ends_at_once_when_a_stop_is_asked_for(world: World) -> None:
    world.saved(10)
    world.at(3, lambda: world.stop.request("SIGTERM"))
    world.follow(throttle=600)
    assert world.steps == [10]
    assert not world.record["final"]
    assert world.now <= 4


def test_the_end_of_an_earlier_and_shorter_training_is_not_believed(world: World) -> None:
    world.saved(10)
    world.done("max_steps", 10)
    world.at(5, lambda: world.saved(30))
    world.at(9, lambda: world.done("max_steps", 30))
    world.follow(max_steps=30)
    assert world.steps == [10, 30]


def test_the_early_end_of_an_earlier_training_is_not_believed_before_the_next_one_can_have_begun(world: World) -> None:
    world.saved(10)
    world.done("early_stop", 10)
    world.at(20, (world.directory / TRAINING_DONE).unlink)
    world.at(100, lambda: world.saved(30))
    world.at(110, lambda: world.done("early_stop", 30))
    world.follow(max_steps=1000)
    assert world.steps == [10, 30]


# Damaged records


@pytest.mark.parametrize("content", ["{", '{"reason": "early_stop", "global_step": 10, "crc32": "00000000"}'])
def test_a_damaged_record_of_the_end_is_said_once_and_tells_the_end(
    world: World, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    world.saved(10)
    world.at(5, lambda: (world.directory / TRAINING_DONE).write_text(content))
    world.follow(*both(), throttle=5)
    assert (world.steps, world.record["final"], world.exports("final")) == ([10], True, 1)
    assert caplog.text.count(f"{world.directory / TRAINING_DONE} is damaged: it ") == 1


def test_a_damaged_record_of_the_evaluator_is_said_and_made_anew(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.saved(10)
    world.done("max_steps", 10)
    (world.directory / EVALUATOR).write_text('{"global_step": "10"}')
    world.follow(max_steps=10)
    assert (world.steps, world.record["global_step"]) == ([10], 10)
    assert f"{world.directory / EVALUATOR} is damaged: its global_step cannot be str. It is passed over." in caplog.text


def test_the_chief_survives_a_damaged_record_of_its_evaluator(world: World) -> None:
    (world.directory / EVALUATOR).write_bytes(b"\xff\x00")
    assert being_read(on_disk(str(world.directory)), now=0.0) == ()
    assert wait_for_last(on_disk(str(world.directory)), 10, 300, world.wait) == Awaited(gone=True)


# Restarts


def test_a_restarted_evaluator_evaluates_nothing_twice(world: World) -> None:
    world.saved(10)
    world.at(2, lambda: world.stop.request("SIGTERM"))
    world.follow()
    world.stop.clear()
    world.at(world.now + 3, lambda: world.saved(20))
    world.at(world.now + 5, lambda: world.done("max_steps", 20))
    world.follow(max_steps=20)
    assert world.steps == [10, 20]


def test_an_evaluator_restarted_after_the_last_evaluation_still_makes_the_final_export(world: World) -> None:
    world.saved(10)
    world.at(2, lambda: world.stop.request("SIGTERM"))
    world.follow(*both())
    world.stop.clear()
    world.done("early_stop", 10)
    world.follow(*both())
    assert (world.record["final"], world.exports("final")) == (True, 1)


def test_run_again_after_the_end_there_is_nothing_to_do(world: World) -> None:
    world.saved(10)
    world.done("max_steps", 10)
    world.follow(*both(), max_steps=10)
    world.follow(*both(), max_steps=10)
    assert world.steps == [10]
    assert (world.exports("latest"), world.exports("final")) == (1, 1)


# Time


def test_the_delay_comes_before_the_first_evaluation_and_the_throttle_between_two(world: World) -> None:
    world.saved(10)
    world.at(125, lambda: world.saved(20))
    world.at(130, lambda: world.saved(30))
    world.at(300, lambda: world.done("early_stop", 30))
    world.follow(delay=120, throttle=60)
    assert world.evaluated == [(120.0, 10), (180.0, 30)]


def test_neither_delay_nor_throttle_outlast_training(world: World) -> None:
    world.saved(10)
    world.at(5, lambda: world.done("early_stop", 10))
    world.follow(delay=120, throttle=600)
    assert world.steps == [10]
    assert world.now <= 6


# The chief's side


def test_while_a_checkpoint_is_read_the_record_says_so(world: World) -> None:
    world.saved(10)
    seen: list[Any] = []
    world.note = lambda metrics, checkpoint_path: seen.append(world.record["reading"])  # type: ignore[method-assign]
    world.done("early_stop", 10)
    world.follow()
    assert (seen, world.record["reading"]) == (["model.ckpt-10"], None)


def test_the_chief_gets_the_metrics_of_the_last_evaluation(world: World) -> None:
    world.saved(10)
    world.at(3, lambda: world.done("early_stop", 10))
    world.at(3, lambda: None)
    evaluations = world.follow()
    awaited = wait_for_last(on_disk(str(world.directory)), 10, 300, world.wait)
    assert (awaited.metrics, awaited.gone) == (pytest.approx(evaluations.metrics), False)


def test_the_chief_waits_for_an_evaluator_at_work_no_longer_than_it_may(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tell(reading="model.ckpt-10")
    assert wait_for_last(on_disk(str(world.directory)), 10, 300, world.wait) == Awaited(metrics=None, gone=False)
    assert world.now == pytest.approx(300)
    assert "The evaluator has not evaluated step 10 in time, so the job ends without its metrics." in caplog.text


def test_the_chief_waits_long_for_an_evaluator_that_may_still_start(world: World) -> None:
    assert wait_for_last(on_disk(str(world.directory)), 10, 300, world.wait) == Awaited(gone=True)
    assert world.now == pytest.approx(300)


def test_the_chief_does_not_wait_for_an_evaluator_that_has_left(world: World) -> None:
    world.saved(10)
    world.at(5, lambda: world.done("failed", 10))
    world.follow(max_steps=20)
    left_at = world.now
    assert wait_for_last(on_disk(str(world.directory)), 20, 300, world.wait) == Awaited(gone=True)
    assert world.now == left_at


def test_the_chief_waits_a_minute_for_an_evaluator_that_has_fallen_silent(world: World) -> None:
    world.tell(at=1.0)
    world.at(30, lambda: world.tell(at=2.0))
    assert wait_for_last(on_disk(str(world.directory)), 10, 300, world.wait) == Awaited(gone=True)
    assert world.now == pytest.approx(90, abs=1)


def test_an_evaluator_that_waits_is_never_silent_for_a_minute(world: World) -> None:
    told: list[float] = []
    for secs in range(20, 400, 20):
        world.at(secs, lambda: told.append(world.record["at"]))
    world.at(400, lambda: world.stop.request("SIGTERM"))
    world.follow(delay=200)
    assert len(told) == len(set(told)) == 19
    assert not world.record["left"]


def test_the_chief_does_what_an_evaluator_that_is_gone_has_left(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.saved(10)
    evaluations = world.evaluations(*both())
    stand_in(evaluations)
    assert world.steps == [10]
    assert (world.exports("latest"), world.exports("final")) == (1, 1)
    assert "The evaluator is gone, so the chief evaluates step 10 and exports it itself." in caplog.text
    world.done("max_steps", 10)
    world.follow(*both(), max_steps=10)
    assert world.steps == [10]
    assert (world.exports("latest"), world.exports("final")) == (1, 1)


def test_what_the_evaluator_has_told_is_not_told_again_by_the_chief(world: World) -> None:
    world.saved(10)
    world.at(2, lambda: world.stop.request("SIGTERM"))
    world.follow(*both())
    stand_in(world.evaluations(*both()))
    assert world.steps == [10]
    assert (world.exports("latest"), world.exports("final")) == (1, 1)
