"""The error of a training whose numbers are no longer finite."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from trainer.estimator.steps.bad_step import BatchNumber
from trainer.job.errors import TrainingError


@dataclasses.dataclass(frozen=True)
class Why:
    """Why a step broke, as far as that is known.

    Attributes:
      text: sentences; '' where it is not known.
      number: of the batch that the step took; None where it is not known.
      rows: of that batch which are to blame; empty where none are in particular.
    """

    text: str = ""
    number: BatchNumber | None = None
    rows: tuple[int, ...] = ()


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
