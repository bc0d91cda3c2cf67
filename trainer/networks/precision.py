"""In which type networks compute, by a flag: products in bfloat16, variables and sums in float32 (Micikevicius et al.

2018, arXiv 1710.03740; bfloat16 has the range of float32, so that losses need not be scaled).
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer.job.config import Checked, setting

if TYPE_CHECKING:
    import tensorflow as tf


class MixedPrecision(enum.Enum):
    OFF = "off"
    BFLOAT16 = "bfloat16"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """In which type networks compute."""

    mixed_precision: MixedPrecision = setting(
        MixedPrecision.OFF,
        "off, or bfloat16: products of training and serving in that type, variables in float32",
        choices=MixedPrecision,
        may_change=True,
    )


@contextlib.contextmanager
def policy(params: Settings) -> Iterator[None]:
    """Within it, layers of Keras and `product` compute as the settings say; in this thread alone."""
    import keras

    before = keras.config.dtype_policy()
    if params.mixed_precision is MixedPrecision.BFLOAT16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The sum over the last axis of one and the first of the other, with factors in the type of the `policy`.

    Args:
      left: float32 [..., n].
      right: float32 [n, ...].

    Returns:
      float32 [..., ...].
    """
    import keras
    import tensorflow as tf

    kind = keras.config.dtype_policy().compute_dtype
    return tf.cast(tf.tensordot(tf.cast(left, kind), tf.cast(right, kind), axes=1), tf.float32)
