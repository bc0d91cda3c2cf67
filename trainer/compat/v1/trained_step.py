"""How far a directory has been trained, for programs that train and evaluate in turns."""

from __future__ import annotations

import os

import tensorflow as tf

from trainer.estimator.graph.variables import GLOBAL_STEP


def load_global_step_from_checkpoint_dir(checkpoint_dir: str | os.PathLike[str]) -> int:
    """The global step of the newest checkpoint; 0 where there is none."""
    newest = tf.train.latest_checkpoint(os.fspath(checkpoint_dir))
    return 0 if newest is None else int(tf.train.load_variable(newest, GLOBAL_STEP))
