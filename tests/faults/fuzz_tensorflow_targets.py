"""The readers that need TensorFlow, for the fuzzer: what a training leaves in its directory."""

from __future__ import annotations

import functools
import json
import pathlib
import shutil
import time

import tensorflow as tf

from tests.faults.fuzz_targets import RubbishError, Target
from trainer.estimator.saving import coordination_files, events
from trainer.estimator.saving.job_directory import on_disk
from trainer.estimator.steps.monitoring import goodput_record
from trainer.storage import framing

_STEPS = (100, 200)


def targets(run: pathlib.Path) -> list[Target]:
    """Readers of state files, records and event files, each in a directory as a training leaves it in `run`."""
    _train(run)
    evaluator = {
        "at": time.time(),
        "reading": "model.ckpt-200",
        "global_step": 100,
        "final": False,
        "metrics": {"rmse": 1},
    }
    done = {"reason": "max_steps", "global_step": 200, "checkpoint": "model.ckpt-200"}
    tally = {"at": 1.0, "step": 200, "secs": {"progress": 5.0}, "restarts": 0, "lost_steps": 0}
    goodput = {"now": tally, "ended": False, "saves": [tally]}
    (event_file,) = run.glob("*tfevents*")
    return [
        Target(
            name="state file",
            examples=[(run / "checkpoint").read_bytes()],
            read=functools.partial(_latest, run, "checkpoint"),
        ),
        Target(
            name="manifest",
            examples=[(run / "model.ckpt-200.manifest").read_bytes()],
            read=functools.partial(_latest, run, "model.ckpt-200.manifest"),
        ),
        Target(
            name="index",
            examples=[(run / "model.ckpt-200.index").read_bytes()],
            read=functools.partial(_latest, run, "model.ckpt-200.index"),
        ),
        Target(name="evaluator.json", examples=[json.dumps(evaluator).encode()], read=_evaluator),
        Target(name="training_done.json", examples=[json.dumps(done).encode()], read=_done),
        Target(name="goodput.json", examples=[json.dumps(goodput).encode()], read=_goodput),
        Target(name="event file", examples=[event_file.read_bytes()], read=_events),
        Target(name="event in a file", examples=list(framing.sound_records(str(event_file))), read=_event),
    ]


def _train(directory: pathlib.Path) -> None:
    """Leaves two checkpoints, with what belongs to them, and an event file."""
    from trainer.estimator import Estimator, EstimatorSpec, RunConfig

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = tf.compat.v1.get_variable("w", [3])
        loss = tf.reduce_sum((weight - features) ** 2)
        train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    config = RunConfig(model_dir=str(directory), save_checkpoints_steps=100)
    data = tf.data.Dataset.from_tensors((tf.ones([3]), tf.ones([]))).repeat()
    Estimator(model_fn, config=config).train(lambda: data, max_steps=200)
    (directory / "model.ckpt-0.index").unlink(missing_ok=True)


def _latest(run: pathlib.Path, name: str, data: bytes, folder: pathlib.Path) -> object:
    """The newest checkpoint where one file is damaged: it is one of those that are whole."""
    for file in run.glob("*ckpt*"):
        (folder / file.name).hardlink_to(file)
    if name != "checkpoint":
        shutil.copyfile(run / "checkpoint", folder / "checkpoint")
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(data)
    latest = on_disk(str(folder)).checkpoints.latest()
    # A state file may rightly name an older one, as a person does who goes back.
    if latest is None or pathlib.Path(latest).name not in {f"model.ckpt-{step}" for step in _STEPS}:
        raise RubbishError(f"of checkpoints 100 and 200, of which one is whole at least, it takes {latest}")
    if name != "checkpoint" and data != (run / name).read_bytes() and latest.endswith("-200"):
        _require_same(run, latest)
    return latest


def _require_same(run: pathlib.Path, latest: str) -> None:
    weights = [tf.train.load_checkpoint(path).get_tensor("w") for path in (str(run / "model.ckpt-200"), latest)]
    if weights[0].tolist() != weights[1].tolist():
        raise RubbishError(f"{latest} gives {weights[1]}, where {weights[0]} was saved")


def _record(name: str, data: bytes, folder: pathlib.Path) -> dict[str, object]:
    (folder / name).write_bytes(data)
    return coordination_files.read_record(on_disk(str(folder)), name)


def _evaluator(data: bytes, folder: pathlib.Path) -> object:
    _record(coordination_files.EVALUATOR, data, folder)
    return coordination_files.being_read(on_disk(str(folder)), time.time())


def _done(data: bytes, folder: pathlib.Path) -> object:
    return _record(coordination_files.TRAINING_DONE, data, folder)


def _goodput(data: bytes, folder: pathlib.Path) -> object:
    (folder / goodput_record.GOODPUT).write_bytes(data)
    return goodput_record.read(on_disk(str(folder)))


def _event(data: bytes, folder: pathlib.Path) -> object:
    return _events(framing.frame(data), folder)


def _events(data: bytes, folder: pathlib.Path) -> object:
    (folder / "events.out.tfevents.1.host").write_bytes(data)
    return events.read_scalars(str(folder))
