"""Ends a training whose numbers are no longer finite, before they are saved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np

from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps.diagnosis.bad_step import broken
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError, Why


class Explain(Protocol):
    """Says why training broke."""

    @property
    def together(self) -> bool:
        """Whether all processes have to look for that at once."""

    def __call__(self, last: int, in_loss: bool) -> Why:
        """Why the step `last`, or one before it, broke; where `in_loss`, its loss shows that to all processes."""


class FiniteCheck:
    """Looks at losses and at what is to be saved.

    Args:
      store: the variables that are trained.
      last_good: tells in words which checkpoint was saved last.
      explain: says why the step with this number, or one before it, broke; None leaves it out.
    """

    def __init__(self, store: VariableStore, last_good: Callable[[], str], explain: Explain | None) -> None:
        self._store, self._last_good, self._explain = store, last_good, explain
        self._together = explain is not None and explain.together
        self._from_the_start: Collection[str] | None = None

    def losses(self, losses: np.ndarray, step: int) -> None:
        """Looks at the losses of a call.

        Args:
          losses: float32 [steps made].
          step: the last one of them.

        Raises:
          NanLossError: one of them is NaN.
        """
        bad = np.flatnonzero(np.isnan(losses))
        if bad.size:
            raise self._error("The loss is NaN", step - len(losses) + int(bad[0]) + 1, in_loss=True)

    def variables(self, step: int, *, goes_on: bool) -> bool:
        """Whether what is to be saved at a step is finite: its loss may have been so still when its update was not.

        Args:
          step: the global step.
          goes_on: whether another step will be made, whose loss shows it to all processes, so that nothing is raised.

        Raises:
          NanLossError: weights are not finite, or another variable is NaN that was not so at the first look.
        """
        found = broken(self._store)
        if self._from_the_start is None:
            self._from_the_start = found
        for name, kind in found.items():
            if name not in self._from_the_start:
                if goes_on and self._together:
                    return False
                raise self._error(f"Variable {name} is {kind}", step, in_loss=False)
        return True

    def _error(self, what: str, step: int, *, in_loss: bool) -> NanLossError:
        last_good = self._last_good()  # first: it waits for a checkpoint that is being written, where the search begins
        why = self._explain(step, in_loss) if self._explain else Why()
        return NanLossError(f"{what} at step {step}; {last_good}", why)
