"""The learning rates of a run as a schedule of Keras, which a compiled model can be rebuilt with."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from trainer.problems.schedules import Rates


class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """`Rates`, made of its fields."""

    def __init__(self, **fields: Any) -> None:
        self._rates = Rates(**fields)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate, float32 [], of a step, a number []."""
        return self._rates.at(step)

    def get_config(self) -> dict[str, Any]:
        """The fields of the rates."""
        return dataclasses.asdict(self._rates)
