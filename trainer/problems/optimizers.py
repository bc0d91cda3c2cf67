"""Optimizers as flags, for model functions (`tf.compat.v1`) and for Keras models alike."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class Optimizer(enum.Enum):
    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"
    RMSPROP = "rmsprop"
    ADAGRAD = "adagrad"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """How weights follow from gradients."""

    learning_rate: float = setting(0.01, "step size of the optimizer", positive="a number above 0", may_change=True)
    optimizer: Optimizer = setting(Optimizer.ADAM, "how a gradient becomes a step", choices=Optimizer)
    momentum: float = setting(0.9, "share of the last step that the momentum optimizer keeps")
    clip_norm: float | None = setting(
        None, "scale the whole gradient down to this norm; default: never", positive="a number above 0", may_change=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise UsageError(f"--momentum={self.momentum}", "at least 0 and below 1", "Try --momentum=0.9")


def train_op(loss: tf.Tensor, params: Settings) -> tf.Operation:
    """One step on all trainable variables of the model function that is being traced.

    Args:
      loss: float [].
      params: the settings.
    """
    import tensorflow as tf

    variables = tf.compat.v1.trainable_variables()
    gradients = tf.gradients(loss, variables)
    if params.clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, params.clip_norm)
    return for_model_functions(params).apply_gradients(zip(gradients, variables, strict=True))


def for_model_functions(params: Settings) -> tf.compat.v1.train.Optimizer:
    """TensorFlow's own, one op a variable: a step of the course's LSTM takes three quarters of the time of Keras's."""
    import tensorflow as tf

    train, rate = tf.compat.v1.train, params.learning_rate
    match params.optimizer:
        case Optimizer.SGD:
            return train.GradientDescentOptimizer(rate)
        case Optimizer.MOMENTUM:
            return train.MomentumOptimizer(rate, params.momentum)
        case Optimizer.ADAM:
            return train.AdamOptimizer(rate)
        case Optimizer.RMSPROP:
            return train.RMSPropOptimizer(rate)
        case Optimizer.ADAGRAD:
            return train.AdagradOptimizer(rate)


def for_keras(params: Settings) -> keras.optimizers.Optimizer:
    """The optimizer that a Keras model is compiled with."""
    import keras

    kinds, settings = keras.optimizers, {"learning_rate": params.learning_rate, "global_clipnorm": params.clip_norm}
    match params.optimizer:
        case Optimizer.SGD:
            return kinds.SGD(**settings)
        case Optimizer.MOMENTUM:
            return kinds.SGD(momentum=params.momentum, **settings)
        case Optimizer.ADAM:
            return kinds.Adam(**settings)
        case Optimizer.RMSPROP:
            return kinds.RMSprop(**settings)
        case Optimizer.ADAGRAD:
            return kinds.Adagrad(**settings)
