"""Which checkpoints stay: a pure decision."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as retention sees it: its path and the time of its save in seconds."""

    path: str
    saved_at: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of the checkpoints of a directory. One that is kept for good is in neither list.

    Attributes:
      listed: what the state file names, oldest first: the newest ones and those in use.
      expired: what to delete, oldest first.
      kept_until: the time from which the next one is kept for good.
    """

    listed: list[Checkpoint]
    expired: list[Checkpoint]
    kept_until: float


def decide(
    checkpoints: Sequence[Checkpoint],
    keep_max: int | None,
    keep_every_secs: float,
    kept_until: float,
    in_use: Collection[str] = (),
) -> Decision:
    """Which of the checkpoints stay, as `tf.train.Saver` decides.

    Args:
      checkpoints: oldest first.
      keep_max: how many of the newest stay; 0 or None keeps all.
      keep_every_secs: one checkpoint of every so many seconds stays for good.
      kept_until: the time from which the next one is kept for good.
      in_use: paths that stay whatever their age: what is being read. Their turn comes when nobody reads them any more.
    """
    if not keep_max:
        return Decision(listed=list(checkpoints), expired=[], kept_until=kept_until)
    surplus = max(0, len(checkpoints) - keep_max)
    listed: list[Checkpoint] = []
    expired: list[Checkpoint] = []
    for checkpoint in checkpoints[:surplus]:
        if checkpoint.saved_at > kept_until:
            kept_until += keep_every_secs
        else:
            (listed if checkpoint.path in in_use else expired).append(checkpoint)
    return Decision(listed=[*listed, *checkpoints[surplus:]], expired=expired, kept_until=kept_until)
