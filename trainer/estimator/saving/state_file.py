"""The state file of a directory of checkpoints: TensorFlow's text format, with relative paths."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format

from trainer.estimator.graph.inside.files import CheckpointState
from trainer.estimator.saving.retention import Checkpoint

STATE_FILE = "checkpoint"


def read(directory: str) -> bytes | None:
    """The content of the state file of a local directory; None where there is none."""
    try:
        return Path(directory, STATE_FILE).read_bytes()
    except FileNotFoundError:
        return None


def write(directory: str, checkpoints: Sequence[Checkpoint], kept_until: float) -> None:
    """Replaces the state file of a local directory.

    Args:
      directory: local.
      checkpoints: oldest first.
      kept_until: the time from which the next one is kept for good.
    """
    write_whole(Path(directory, STATE_FILE), render(checkpoints, kept_until))


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file under a new name, makes it durable, and publishes it."""
    fresh = file.with_name(f".{file.name}.tmp-{os.getpid()}")
    with fresh.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def parse(content: bytes) -> CheckpointState | None:
    """The state in the content of a file, in TensorFlow's text format; None where it is not a state file."""
    try:
        return text_format.Parse(content.decode("utf-8"), CheckpointState())
    except (text_format.ParseError, UnicodeDecodeError):
        return None


def listed(state: CheckpointState) -> list[Checkpoint]:
    """The checkpoints that a state file names.

    Oldest first, except that `model_checkpoint_path` is the last. The time is 0 where it names none, as in the files of
    early TensorFlow versions.
    """
    paths, times = state.all_model_checkpoint_paths, state.all_model_checkpoint_timestamps
    saved_at: dict[str, float] = dict(zip(paths, itertools.chain(times, itertools.repeat(0.0)), strict=False))
    newest = state.model_checkpoint_path
    if newest:
        saved_at[newest] = saved_at.pop(newest, 0.0)
    return [Checkpoint(path, time) for path, time in saved_at.items()]


def render(checkpoints: Sequence[Checkpoint], kept_until: float) -> bytes:
    """The content of a state file.

    Args:
      checkpoints: oldest first.
      kept_until: the time from which the next one is kept for good.
    """
    state = CheckpointState(
        model_checkpoint_path=checkpoints[-1].path,
        all_model_checkpoint_paths=[checkpoint.path for checkpoint in checkpoints],
        all_model_checkpoint_timestamps=[checkpoint.saved_at for checkpoint in checkpoints],
        last_preserved_timestamp=kept_until,
    )
    return text_format.MessageToString(state).encode()
