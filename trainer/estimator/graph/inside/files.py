"""The message of a state file of checkpoints, which tf.train reads and writes but does not name."""

from __future__ import annotations

from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

__all__ = ["CheckpointState"]
