"""A checkpoint of a problem as an export that nobody keeps, so that it is asked as any export is.

The directory of the run is read only: a training that goes on in it does not notice.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from trainer import continuing, storage
from trainer.bound_problem import BoundProblem
from trainer.estimator import RunConfig
from trainer.estimator.saving import state_file
from trainer.job.errors import UsageError
from trainer.problem import Problem

LATEST = "latest"
_STATE_FILE = "checkpoint"


@contextlib.contextmanager
def written(problem: Problem, data: Any, params: Any, model_dir: str, checkpoint: str) -> Iterator[str]:
    """The directory of a SavedModel of a checkpoint, for as long as it is open.

    Args:
      problem: that was trained.
      data: its settings of data, as the run had them.
      params: its settings of the model, as the run had them.
      model_dir: of the run, local or in a bucket.
      checkpoint: its name, or `latest`.

    Raises:
      UsageError: there is no such checkpoint, or it was trained with other settings.
    """
    schema = problem.call("describe", data=data, params=params, output_dir=None) if problem.describe else None
    with tempfile.TemporaryDirectory(prefix="trainer-checkpoint-") as folder:
        prefix = _fetched(model_dir, _name(model_dir, checkpoint), folder)
        bound = continuing.as_trained(BoundProblem(problem=problem, data=data, params=params, schema=schema), prefix)
        estimator = bound.estimator(RunConfig(model_dir=os.path.join(folder, "model")))
        receiver_fn = bound.serving_input_receiver_fn()
        exported = estimator.export_saved_model(os.path.join(folder, "export"), receiver_fn, checkpoint_path=prefix)
        yield os.fsdecode(exported)


def _name(model_dir: str, checkpoint: str) -> str:
    """The name of the checkpoint in the directory."""
    if checkpoint != LATEST:
        return checkpoint.rpartition("/")[2].removesuffix(".index")
    path = storage.join(model_dir, _STATE_FILE)
    state = state_file.parse(storage.read(path)) if storage.exists(path) else None
    if state is None or not state.model_checkpoint_path:
        raise UsageError(f"--checkpoint=latest: {path} names none", "a run's directory", "Name the checkpoint itself")
    return str(state.model_checkpoint_path).rpartition("/")[2]


def _fetched(model_dir: str, name: str, folder: str) -> str:
    """The local prefix of a checkpoint."""
    pattern = storage.join(storage.escaped(model_dir), f"{storage.escaped(name)}.*")
    files = storage.entries(pattern)
    if not any(entry.path.endswith(".index") for entry in files):
        got = f"--checkpoint={name}: {model_dir} has no such checkpoint"
        raise UsageError(got, "latest, or a name as model.ckpt-1000", "See what is there")
    if not storage.is_remote(model_dir):
        return os.path.join(model_dir, name)
    for entry in files:
        storage.fetch(entry, os.path.join(folder, entry.path.rpartition("/")[2]))
    return os.path.join(folder, name)
