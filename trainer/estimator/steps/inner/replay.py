"""Finds the step at which training broke, by making the steps since a checkpoint once more.

Training computes the same numbers each time, so the steps break where they broke. They are made by the same programs,
in short calls; the call that breaks is taken back and made again step by step. What a step took is then known: the
variables before it and its batch. A call of at most an eighth of the steps is made twice, so this takes little longer
than the steps themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from trainer.estimator.steps.diagnosis.bad_step import BadStep, BatchNumber, assign, broken, components_of, snapshot
from trainer.estimator.steps.steps import NextStep, Steps

_MOST_STEPS = 256


class Repeatable(Steps, Protocol):
    """Steps that can be taken back, to be made once more."""

    def take_back(self, num_steps: int) -> None:
        """Goes back in the data, by no more steps than the last call has made."""

    def next_step(self) -> NextStep:
        """What the next step is made of."""


def find(steps: Repeatable, last: int, check_time: Callable[[], None]) -> BadStep | None:
    """The first step whose loss is NaN, or that leaves weights that are not finite.

    Args:
      steps: at the place in the data, and on the variables, of a checkpoint.
      last: the step at which training is known to be broken.
      check_time: raises what ends the search.

    Returns:
      The step, with the variables set to what it left; None when every step up to the last went well.
    """
    store = steps.traced.store
    start = steps.global_step()
    known, step, most = broken(store).keys(), start, max(1, min(_MOST_STEPS, (last - start) // 8))
    while step < last:
        check_time()
        before = snapshot(store)
        losses = steps.run(min(most, last - step)).losses
        if not len(losses):
            return None
        if not np.isnan(losses).any() and not broken(store).keys() - known:
            step += len(losses)
            continue
        steps.take_back(len(losses))
        if len(losses) == 1:
            taken = steps.next_step()
            parts, number = components_of(taken.element_spec), BatchNumber(taken.number)
            return BadStep(taken.traced, step + 1, before, taken.batch, parts, number, replayed=step - start)
        assign(store, before)
        most = 1
    return None
