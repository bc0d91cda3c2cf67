"""A run that starts again takes the programs that XLA compiled for it before, and none that are not its own."""

from __future__ import annotations

import os
import pathlib
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from trainer.storage.compiled_programs import VARIABLE

ROOT = pathlib.Path(__file__).parents[4]
PROBLEM = '''
"""A weight learns a mean, through a loop, which XLA compiles from the first step on."""
import dataclasses
from trainer import Problem

@dataclasses.dataclass(frozen=True)
class Params:
    powers: int = 3

def input_fn(data):
    import tensorflow as tf
    return tf.data.Dataset.range(64).map(lambda x: {"x": tf.cast(x, tf.float32) / 64}).repeat().batch(4)

def model_fn(features, mode, params):
    import tensorflow as tf
    from trainer.estimator import EstimatorSpec
    weight = tf.compat.v1.get_variable("weight", [4], initializer=tf.compat.v1.ones_initializer())
    value = tf.while_loop(lambda i, _: i < params.powers, lambda i, v: (i + 1, v * weight), [0, features["x"]],
                          maximum_iterations=params.powers)[1]
    loss = tf.reduce_mean((value - 1.0) ** 2)
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    return EstimatorSpec(mode, {"value": value}, loss, train_op)

PROBLEM = Problem(
    model_fn=model_fn, params=Params, train_input_fn=input_fn, eval_input_fn=input_fn, metrics={"loss": "min"}
)
'''

pytestmark = pytest.mark.process


class Machine:
    """Runs jobs that share a scratch directory.

    Args:
      python: with TensorFlow imported.
      folder: for all files.
    """

    def __init__(self, python: pathlib.Path, folder: pathlib.Path) -> None:
        self._python, self._folder = python, folder
        self._problem = folder / "problem.py"
        self._problem.write_text(PROBLEM)

    def run(self, name: str, steps: int, *flags: str) -> np.ndarray:
        """The weight [4] after a run in a directory of that name."""
        output, environ = self._folder / name, dict(os.environ)
        environ.pop(VARIABLE, None)  # a job that ran within this process may have left its directory there
        environ["TRAINER_SCRATCH"] = str(self._folder / "scratch")
        given = [
            f"--problem={self._problem}",
            f"--output_dir={output}",
            f"--train_steps={steps}",
            "--eval_steps=1",
            "--noreport",
        ]
        command = [self._python, "-m", "trainer.task", *given, *flags]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "aot_loader" not in done.stderr and "text_format" not in done.stderr
        value: np.ndarray = tf.train.load_variable(str(output), "weight")
        return value

    def programs(self) -> dict[pathlib.Path, int]:
        """When each was compiled, in nanoseconds."""
        found = (self._folder / "scratch").glob("compiled-programs/*/*.pb")
        return {path: path.stat().st_mtime_ns for path in found}


@pytest.fixture
def machine(forking_python: pathlib.Path, tmp_path: pathlib.Path) -> Machine:
    return Machine(forking_python, tmp_path)


def test_a_restart_compiles_nothing_and_computes_what_a_new_compilation_would(machine: Machine) -> None:
    machine.run("run", 10)
    programs = machine.programs()
    continued = machine.run("run", 20)
    assert machine.programs() == programs and programs
    for path in programs:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    np.testing.assert_array_equal(machine.run("unbroken", 20), continued)
    compiled_anew = machine.programs()
    assert all(compiled_anew[path] > programs[path] for path in programs)


def test_a_changed_model_is_compiled(machine: Machine) -> None:
    machine.run("three", 5)
    before = machine.programs()
    machine.run("four", 5, "--powers=4")
    assert before.items() < machine.programs().items()
