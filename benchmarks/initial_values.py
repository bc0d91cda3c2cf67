"""Where the variables of models begin, in every package."""

from __future__ import annotations

import numpy as np


def initial(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform float32 values in [-0.5, 0.5); RandomState's stream is the same in every numpy."""
    return np.random.RandomState(seed).uniform(-0.5, 0.5, shape).astype(np.float32)
