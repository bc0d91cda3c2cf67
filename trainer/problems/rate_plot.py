"""The learning rate of every step of a run, as its schedule says, for a report."""

from __future__ import annotations

import numpy as np

from trainer.problems.schedules import Rates
from trainer.reporting import curves
from trainer.reporting.plot import Plot

_POINTS = 300


def plots(rates: Rates, steps: int) -> list[Plot]:
    """A plot of the schedule; none of a rate that is always the same.

    Args:
      rates: of the run.
      steps: of it.
    """
    if rates.is_constant or steps < 2:
        return []
    import tensorflow as tf

    at = np.unique(np.linspace(0, steps - 1, _POINTS).astype(np.int64))
    return [curves.learning_rate((at + 1, rates.at(tf.constant(at)).numpy()))]
