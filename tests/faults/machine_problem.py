"""A problem of one weight whose training meets a trouble of the machine: TROUBLE in the environment says which.

python -m trainer.task --problem=tests/faults/machine_problem.py, with TROUBLE=full
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
from collections.abc import Callable
from typing import Any

from trainer import Problem

BEGINS, PASSES = 25, 45
EVERY = 5
"""Steps at which the trouble begins and, if it does, passes; it is looked at after every so many steps."""
_SMALL = 64  # bytes: less than any checkpoint


def _limit(kind: int, soft: int) -> None:
    resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))


def _no_files_left() -> None:
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    _limit(resource.RLIMIT_NOFILE, lowest)


def _no_memory_left() -> None:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + (64 << 20))
    import tensorflow as tf

    tf.zeros([1 << 28]).numpy()


def _aborted() -> None:
    ctypes.CDLL(None).abort()  # as C++ does where an exception is not caught, without the interpreter's lock


def troubles(directory: str) -> dict[str, tuple[Callable[[], None], Callable[[], None] | None]]:
    """What each trouble does when it begins and when it passes; None where it stays.

    Args:
      directory: of the job.
    """

    def full() -> None:
        _limit(resource.RLIMIT_FSIZE, _SMALL)

    def room() -> None:
        _limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)

    def files() -> None:
        _limit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1])

    def nothing() -> None:
        pass

    return {
        "none": (nothing, nothing),
        "full": (full, None),
        "full for a while": (full, room),
        "deleted": (lambda: shutil.rmtree(directory), nothing),
        "files": (_no_files_left, None),
        "files for a while": (_no_files_left, files),
        "memory": (_no_memory_left, None),
        "aborted": (_aborted, None),
    }


def hooks(config: Any) -> list[Any]:
    """The hook that makes the trouble."""
    from trainer.estimator import TrainingHook

    begin, end = troubles(config.model_dir)[os.environ["TROUBLE"]]

    class Trouble(TrainingHook):
        every_n_steps = EVERY

        def after_run(self, run_context: Any, run_values: Any) -> None:
            if run_values.global_step == BEGINS:
                begin()
            if run_values.global_step == PASSES and end is not None:
                end()

    return [Trouble()]


def _input_fn() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(({"x": [[1.0]]}, [[2.0]])).repeat()


def model_fn(features: Any, labels: Any, mode: str) -> Any:
    """The weight [] that is multiplied with x."""
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec

    weight = tf.compat.v1.get_variable("w", [], initializer=tf.compat.v1.zeros_initializer())
    loss = tf.reduce_mean((labels - weight * features["x"]) ** 2) if labels is not None else None
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.01)
    train_op = optimizer.minimize(loss, tf.compat.v1.train.get_or_create_global_step()) if mode == "train" else None
    return EstimatorSpec(mode, predictions={"y": weight * features["x"]}, loss=loss, train_op=train_op)


PROBLEM = Problem(
    model_fn=model_fn,
    train_input_fn=_input_fn,
    eval_input_fn=lambda: _input_fn().take(1),
    metrics={"loss": "min"},
    hooks=hooks,
)
