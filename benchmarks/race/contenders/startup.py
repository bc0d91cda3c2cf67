"""From the command to the first step and the first checkpoint, in whole processes.

Frameworks are imported inside the functions, for that is most of what is measured.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.race.contenders.task import Figures, Task


def since_start(task: Task) -> float:
    """Seconds since the command was given; those of the processor where the race counts them."""
    return task.clock() if task.get("clock") == "cpu" else time.time() - task["started"]


def figures(first_step: float, imported: float, saved: float) -> Figures:
    """Seconds since the command was given, when each was done."""
    return Figures(rate=first_step, notes={"s to the end of imports": imported, "s to the first checkpoint": saved})


def estimator(task: Task) -> Figures:
    """The course's model function; tf.estimator saves before its first step too, which is not the save meant here."""
    from benchmarks import sines
    from benchmarks.race.contenders import lstm_estimator
    from benchmarks.race.contenders.estimator_clock import Stopwatch

    imported = since_start(task)
    watch = Stopwatch(lambda: since_start(task))
    made = lstm_estimator.estimator(task, task.get("model_dir") or tempfile.mkdtemp())
    made.train(sines.csv_in_order(task["csv"], task["batch_size"]), steps=1, saving_listeners=[watch])
    last = max(watch.ended)
    return figures(watch.began[last], imported, watch.ended[last])


def keras(task: Task) -> Figures:
    """A step of `fit`, and the weights in a file."""
    from benchmarks import sines
    from benchmarks.race.contenders import lstm_keras

    imported = since_start(task)
    model = lstm_keras.made(task)
    dataset = sines.csv_in_order(task["csv"], task["batch_size"])().map(lstm_keras.as_sequence)
    model.fit(dataset, steps_per_epoch=1, verbose=0)
    first_step = since_start(task)
    model.save_weights(tempfile.mkdtemp() + "/model.weights.h5")
    return figures(first_step, imported, since_start(task))


def torch(task: Task) -> Figures:
    """A step of the eager loop, and the weights in a file."""
    import torch

    from benchmarks.race.contenders import lstm_torch, lstm_values

    imported = since_start(task)
    histories, labels = (torch.from_numpy(stack.copy()) for stack in lstm_values.batches(task))
    model, step = lstm_torch.begin_eager(task["units"])
    step(histories[0][..., None], labels[0])
    first_step = since_start(task)
    torch.save(model.state_dict(), tempfile.mkdtemp() + "/model.pt")
    return figures(first_step, imported, since_start(task))


def jax(task: Task) -> Figures:
    """A scan of one step, and the weights in a file."""
    import numpy as np

    from benchmarks.race.contenders import lstm_jax, lstm_values

    imported = since_start(task)
    histories, labels = lstm_values.batches(task)
    (params, _), losses = lstm_jax.train_epoch(lstm_jax.begin(task["units"]), histories[:1], labels[:1])
    losses.block_until_ready()
    first_step = since_start(task)
    np.savez(tempfile.mkdtemp() + "/model.npz", **{name: np.asarray(value) for name, value in params.items()})
    return figures(first_step, imported, since_start(task))


def restart(task: Task) -> Figures:
    """The second of two processes on one directory."""
    with tempfile.TemporaryDirectory() as model_dir:
        for _ in range(2):
            path = pathlib.Path(model_dir, "task.json")
            path.write_text(json.dumps({**task.options, "model_dir": model_dir + "/run", "started": time.time()}))
            command = [sys.executable, "-m", "benchmarks.race.contenders", "startup:estimator", str(path)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Figures(**json.loads(told.splitlines()[-1]))


def command(task: Task) -> Figures:
    """The seconds of a command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        words = [word.replace("FOLDER", folder) for word in task["command"]]
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        return Figures(rate=time.perf_counter() - began)


def course_job(task: Task) -> Figures:
    """What the default job does, by an Estimator: 2,000 steps, an evaluation, an export."""
    import tensorflow as tf

    from benchmarks import sines
    from benchmarks.model_functions import tf_estimator
    from benchmarks.race.contenders import lstm_estimator

    made = lstm_estimator.estimator(task, tempfile.mkdtemp())
    input_fn = sines.batched_csv(task["csv"], task["batch_size"])

    def receiver() -> Any:
        shape = [None, sines.SEQUENCE_LENGTH - sines.N_OUTPUTS]
        features = {sines.FEATURE: tf.compat.v1.placeholder(tf.float32, shape)}
        return tf_estimator.export.ServingInputReceiver(features, features)

    tf_estimator.train_and_evaluate(
        made,
        tf_estimator.TrainSpec(input_fn, max_steps=2_000),
        tf_estimator.EvalSpec(input_fn, steps=10, exporters=tf_estimator.LatestExporter("latest", receiver)),
    )
    return Figures(rate=since_start(task))
