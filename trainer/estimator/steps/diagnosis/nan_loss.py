"""The error of a training whose numbers are no longer finite."""

from __future__ import annotations

import dataclasses
import json

import tensorflow as tf

from trainer.estimator.steps.diagnosis.bad_step import BatchNumber
from trainer.job.errors import TrainingError

_MOST_TEXT, _MOST_SENT, _LENGTH = 4000, 100, 1 << 15
"""Of what other processes are sent: characters of the text, rows, and bytes of it all (a character may take six)."""


@dataclasses.dataclass(frozen=True)
class Why:
    """Why a step broke, as far as that is known.

    Attributes:
      text: sentences; '' where it is not known.
      number: of the batch that the step took; None where it is not known.
      rows: of that batch which are to blame; empty where none are in particular.
      found: whether the operation is known.
    """

    text: str = ""
    number: BatchNumber | None = None
    rows: tuple[int, ...] = ()
    found: bool = False

    def to_bytes(self) -> bytes:
        """In a form for other processes, of one length."""
        number = None if self.number is None else dataclasses.astuple(self.number)
        sent = [self.text[:_MOST_TEXT], number, self.rows[:_MOST_SENT], self.found]
        return json.dumps(sent).encode().ljust(_LENGTH)

    @classmethod
    def of_bytes(cls, sent: bytes) -> Why:
        """What another process has sent."""
        text, number, rows, found = json.loads(sent)
        return cls(text, None if number is None else BatchNumber(*number), tuple(rows), found)


class NanLossError(TrainingError, tf.compat.v1.train.NanLossDuringTrainingError):
    """The loss is NaN, or weights are not finite. Also what programs for tf.estimator catch.

    Args:
      got: at which step, and what is saved.
      why: it broke.
      places: of the rows to blame, as `data.csv:118`; empty where they are not known.

    Attributes:
      why: as given.
    """

    def __init__(self, got: str, why: Why = Why(), places: tuple[str, ...] = ()) -> None:
        self.why, self._got, self._places = why, got, places
        super().__init__(got, do="Lower the learning rate, clip the gradients, or look for wrong values in the data")

    def at(self, places: tuple[str, ...]) -> NanLossError:
        """The same, with the places of the rows to blame."""
        return NanLossError(self._got, self.why, places)

    def __str__(self) -> str:
        found, rows = self.findings[0], f"\n  In the files: {', '.join(self._places)}." if self._places else ""
        return f"{found.got}.\n  {self.why.text}{rows}\n  {found.do}." if self.why.text else str(found)
