"""What an optimizer of Keras knows of itself and keeps private."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float | Callable[..., Any]:
    """The number, the schedule or the function that an optimizer was made with.

    The property of this name gives the rate of the present step, which a schedule cannot be told from.
    """
    rate = optimizer._learning_rate
    return float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else rate
