"""The results of an evaluation as events, which TensorBoard shows and early stopping reads."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer.estimator.saving.events import Events
from trainer.estimator.saving.job_directory import JobDirectories


def write_results(
    directories: JobDirectories, eval_dir: str, results: Mapping[str, Any], checkpoint_path: str | None
) -> None:
    """Writes the results of one evaluation: numbers as scalars, arrays of them as tensors.

    Args:
      directories: of this process.
      eval_dir: where the events of these evaluations go.
      results: by name, `global_step` among them.
      checkpoint_path: what was evaluated; None for variables that no checkpoint gave.
    """
    directory, folder = directories.holding(eval_dir)
    events, step = Events(os.path.join(directory.local, folder)), int(results["global_step"])
    scalars = {name: value for name, value in results.items() if name != "global_step" and np.ndim(value) == 0}
    events.scalars(scalars, step, time.time())
    for name, value in results.items():
        if isinstance(value, np.ndarray) and value.ndim:
            events.tensor(name, value, b"", step, time.time())
    if checkpoint_path:
        events.text("checkpoint_path", checkpoint_path, step, time.time())
    events.close()
    directory.events.publish()
