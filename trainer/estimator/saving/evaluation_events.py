"""The results of an evaluation as events, which TensorBoard shows and early stopping reads."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.saving.events import Events
from trainer.estimator.saving.job_directory import JobDirectories


def write_results(
    directories: JobDirectories, eval_dir: str, results: Mapping[str, Any], checkpoint_path: str | None
) -> None:
    """Writes the results of one evaluation: numbers as scalars, arrays as tensors, the parts of tuples one by one.

    The value of a metric may also be what an op of `tf.compat.v1.summary` gives, as of an image.

    Args:
      directories: of this process.
      eval_dir: where the events of these evaluations go.
      results: by name, `global_step` among them.
      checkpoint_path: what was evaluated; None for variables that no checkpoint gave.
    """
    directory, folder = directories.holding(eval_dir)
    events, step, now = Events(os.path.join(directory.local, folder)), int(results["global_step"]), time.time()
    parts = [part for name, value in results.items() if name != "global_step" for part in _parts(name, value)]
    scalars = {name: part for name, part in parts if np.ndim(part) == 0 and not isinstance(part, bytes)}
    events.scalars(scalars, step, now)
    for name, part in parts:
        if isinstance(part, bytes):
            events.summary(name, part, step, now)
        elif np.ndim(part):
            events.tensor(name, part, b"", step, now)
    if checkpoint_path:
        events.text("checkpoint_path", checkpoint_path, step, now)
    events.close()
    directory.events.publish()


def _parts(name: str, value: Any) -> list[tuple[str, Any]]:
    """The numbers, arrays and summaries of a result, each with its tag."""
    if not isinstance(value, tuple | list | dict):
        return [(name, value)]
    return [(f"{name}/{index}", part) for index, part in enumerate(tf.nest.flatten(value))]
