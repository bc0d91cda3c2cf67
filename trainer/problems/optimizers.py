"""Optimizers as flags, for model functions (`tf.compat.v1`) and for Keras models alike."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from trainer.job.config import require_not_negative, setting
from trainer.job.errors import UsageError
from trainer.problems import schedules
from trainer.problems.schedules import Epochs, Rates, Schedule

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from trainer.estimator import RunConfig
    from trainer.job.config import DataConfig


class Optimizer(enum.Enum):
    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"
    RMSPROP = "rmsprop"
    ADAGRAD = "adagrad"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(schedules.Settings):
    """How weights follow from gradients."""

    optimizer: Optimizer = setting(Optimizer.ADAM, "how a gradient becomes a step", choices=Optimizer)
    momentum: float = setting(0.9, "share of the last step that the momentum optimizer keeps")
    clip_norm: float | None = setting(
        None, "scale the whole gradient down to this norm; default: never", positive="a number above 0", may_change=True
    )
    weight_decay: float = setting(
        0.0, "share of itself that each weight loses in a step, times the learning rate, as in AdamW", may_change=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_not_negative("weight_decay", self.weight_decay)
        if not 0 <= self.momentum < 1:
            raise UsageError(f"--momentum={self.momentum}", "at least 0 and below 1", "Try --momentum=0.9")


def rates(params: Settings, examples: int | None, data: DataConfig, config: RunConfig) -> Rates:
    """The learning rate of every step of a run.

    Args:
      params: the settings.
      examples: to train on; None where they are not counted.
      data: says the size of batches and the number of epochs.
      config: says how many batches a step of the job is on.

    Raises:
      UsageError: the settings speak of epochs and nobody knows how long one is, or a cosine has no end.
    """
    from trainer.estimator.distribution import devices

    if params.learning_rate_schedule is Schedule.CONSTANT:
        return schedules.rates(params, Epochs())
    step_examples = data.train_batch_size * devices.batches_per_step(config)
    steps = None if examples is None else examples / step_examples
    return schedules.rates(params, Epochs(steps=steps, count=data.num_epochs))


def train_op(loss: tf.Tensor, params: Settings, rates: Rates | None = None) -> tf.Operation:
    """One step on all trainable variables of the model function that is being traced.

    Args:
      loss: float [].
      params: the settings.
      rates: of `rates`; None for those of settings that do not speak of epochs.
    """
    import tensorflow as tf

    variables = tf.compat.v1.trainable_variables()
    gradients = tf.gradients(loss, variables)
    if params.clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, params.clip_norm)
    rate = _rate(rates or schedules.rates(params, Epochs()))
    decays = []
    if params.weight_decay:  # of what the gradients were computed at (Loshchilov & Hutter 2019, arXiv 1711.05101)
        with tf.control_dependencies([gradient for gradient in gradients if gradient is not None]):
            decays = [variable.assign_sub(variable * (rate * params.weight_decay)) for variable in variables]
    with tf.control_dependencies(decays):
        return for_model_functions(params, rate).apply_gradients(zip(gradients, variables, strict=True))


def _rate(rates: Rates) -> float | tf.Tensor:
    """The rate of the step that is being traced: a number where all have the same, else float32 [], as events tell."""
    import tensorflow as tf

    if rates.is_constant:
        return rates.learning_rate
    rate = rates.at(tf.compat.v1.train.get_or_create_global_step())
    tf.compat.v1.summary.scalar("learning_rate", rate)
    return rate


def for_model_functions(params: Settings, rate: float | tf.Tensor) -> tf.compat.v1.train.Optimizer:
    """TensorFlow's own, one op a variable: a step of the course's LSTM takes three quarters of the time of Keras's.

    Args:
      params: the settings.
      rate: of learning, float32 [].
    """
    import tensorflow as tf

    train = tf.compat.v1.train
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


def for_keras(params: Settings, rates: Rates | None = None) -> keras.optimizers.Optimizer:
    """The optimizer that a Keras model is compiled with.

    Args:
      params: the settings.
      rates: of `rates`; None for those of settings that do not speak of epochs.
    """
    import keras

    from trainer.problems.keras_schedule import RateSchedule

    rates = rates or schedules.rates(params, Epochs())
    settings = {
        "learning_rate": rates.learning_rate if rates.is_constant else RateSchedule(**vars(rates)),
        "global_clipnorm": params.clip_norm,
        "weight_decay": params.weight_decay or None,
    }
    kinds = keras.optimizers
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
