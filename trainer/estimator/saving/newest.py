"""The newest checkpoint of a directory, opened."""

from __future__ import annotations

from trainer.estimator.saving import checkpoints
from trainer.estimator.saving.checkpoint_store import CheckpointStore
from trainer.estimator.saving.checkpoints import Reader


def read(store: CheckpointStore) -> Reader:
    """Opens the newest checkpoint of a directory.

    Raises:
      ValueError: there is none.
    """
    newest = store.latest()
    if newest is None:
        raise ValueError(
            f"Could not find a trained model in model_dir {store.path!r}: it holds no checkpoint. Train first"
        )
    return checkpoints.read(newest)
