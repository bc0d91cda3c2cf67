"""The newest checkpoint of a directory, opened."""

from __future__ import annotations

import numpy as np

from trainer.estimator.saving import checkpoints
from trainer.estimator.saving.checkpoints import Reader
from trainer.estimator.saving.job_directory import JobDirectory


def read(directory: JobDirectory) -> Reader:
    """Opens the newest checkpoint of a directory.

    Raises:
      ValueError: there is none.
    """
    newest = directory.checkpoints.latest()
    if newest is None:
        raise ValueError(
            f"Could not find a trained model in model_dir {directory.path!r}: it holds no checkpoint. Train first"
        )
    return checkpoints.read(newest, lambda path: directory)


def value(directory: JobDirectory, name: str) -> np.ndarray:
    """The value of a variable in the newest checkpoint of a directory.

    Args:
      directory: of the checkpoints.
      name: of the variable, also as its tensor is called, with `:0`.

    Raises:
      ValueError: there is no checkpoint, or no such variable in it.
    """
    reader = read(directory)
    name = name.removesuffix(":0")
    if name not in reader:
        raise ValueError(f"{reader.checkpoint_path} has no variable {name!r}; it has {', '.join(reader.names())}")
    return reader.value(name)
