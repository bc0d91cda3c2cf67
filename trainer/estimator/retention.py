"""Which checkpoints stay: a pure decision."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as retention sees it: its path and the time of its save in seconds."""

    path: str
    saved_at: float


def expired(
    checkpoints: Sequence[Checkpoint],
    keep_max: int | None,
    keep_every_secs: float,
    first_kept_until: float,
    in_use: Collection[str] = (),
) -> tuple[list[Checkpoint], float]:
    """Which of the checkpoints may go, as `tf.train.Saver` decides.

    Args:
      checkpoints: oldest first.
      keep_max: how many of the newest stay; 0 or None keeps all.
      keep_every_secs: one checkpoint of every so many seconds stays for good.
      first_kept_until: the time from which the next one is kept for good.
      in_use: paths that stay whatever their age: what is being read.

    Returns:
      The checkpoints to delete, oldest first, and the new `first_kept_until`.
    """
    if not keep_max:
        return [], first_kept_until
    gone, next_kept = [], first_kept_until
    for checkpoint in checkpoints[: max(0, len(checkpoints) - keep_max)]:
        if checkpoint.saved_at > next_kept:
            next_kept += keep_every_secs
        elif checkpoint.path not in in_use:
            gone.append(checkpoint)
    return gone, next_kept
