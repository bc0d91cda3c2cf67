"""Jobs of several processes on this machine: parameter servers, and training in step."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import cluster_processes
from benchmarks.race.contenders.task import Figures, Task, steps_per_second


def parameter_servers(task: Task) -> Figures:
    """A chief, a worker and a parameter server of the package that this interpreter has."""
    size = task["units"], task["batch_size"], task["steps"]
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, task.get("push_every", 1)))


def in_step(task: Task) -> Figures:
    """A chief and workers that train in step."""
    size = task["units"], task["batch_size"], task["steps"]
    jobs = {"chief": 1, "worker": task["workers"]}
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, 1, jobs))


def ring(task: Task) -> Figures:
    """Sums over two processes by TensorFlow's gRPC ring, of as many numbers as the gradients have, and nothing else."""
    ends = cluster_processes.addresses({"worker": 2})
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home, "task.json")
        path.write_text(json.dumps(dict(task.options)))
        command = [sys.executable, "-m", "benchmarks.race.contenders", "clusters:ring_member", str(path)]
        members = []
        for index in range(2):
            place = json.dumps({"cluster": ends, "task": {"type": "worker", "index": index}})
            environ = {**os.environ, "TF_CONFIG": place}
            members.append(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True))
        told = [member.communicate()[0] for member in members]
    return Figures(rate=json.loads(told[0].splitlines()[-1])["rate"])


def ring_member(task: Task) -> Figures:
    """One of both."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    size = 4 * task["units"] * (task["units"] + 2) + task["units"] + 1

    def summed(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)

    @tf.function
    def loop(steps: tf.Tensor) -> tf.Tensor:
        values = tf.ones(size)
        for _ in tf.range(steps):
            values = strategy.run(summed, (values,))
        return values

    def train(steps: int) -> None:
        loop(tf.constant(steps)).numpy()

    return Figures(rate=steps_per_second(task, train))
