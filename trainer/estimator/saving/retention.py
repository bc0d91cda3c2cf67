"""Which checkpoints to keep: a pure decision."""

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
    """What to do with the checkpoints of a directory. One that is kept for good is in neither list.

    Attributes:
      listed: those that the state file is to name, oldest first: the newest ones and those in use.
      expired: those to delete, oldest first.
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
    """Which checkpoints to keep, by the rule of `tf.train.Saver`.

    With keep_max 2, one in 100 seconds, and the next one due from 150 on: of the checkpoints saved at 120, 160, 200 and
    240 seconds, the last two are listed, 160 is kept for good, 120 is deleted, and the next one is due from 250 on.

    Args:
      checkpoints: oldest first.
      keep_max: how many of the newest to keep; 0 or None keeps all.
      keep_every_secs: one checkpoint in so many seconds is kept for good.
      kept_until: the time from which the next one is kept for good.
      in_use: paths to keep whatever their age, because they are being read; later decisions find them again.
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
