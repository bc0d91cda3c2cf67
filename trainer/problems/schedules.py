"""The learning rate as a function of the step, as flags: constant, by steps or along a cosine, after a warm-up."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING

from trainer.job.config import Checked, require_not_negative, setting
from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import tensorflow as tf


class Schedule(enum.Enum):
    CONSTANT = "constant"
    COSINE = "cosine"
    STEP = "step"


_OF_DECAY = ("decay_rate", "decay_epochs", "decay_steps", "constant_epochs")
_NEED_EPOCHS = ("decay_epochs", "constant_epochs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """How large steps are, and how that changes while training goes on."""

    learning_rate: float = setting(0.01, "step size of the optimizer", positive="a number above 0", may_change=True)
    learning_rate_schedule: Schedule = setting(
        Schedule.CONSTANT,
        "constant; step: times --decay_rate every --decay_epochs; cosine: down to 0 within --decay_epochs",
        choices=Schedule,
        may_change=True,
    )
    decay_rate: float | None = setting(
        None, "factor of each decay of the step schedule; default: 0.5", positive="a number above 0", may_change=True
    )
    decay_epochs: float | None = setting(
        None,
        "passes over the training data between two decays, or until the cosine is at 0; default: 1, for the cosine all "
        "of --num_epochs",
        positive="a number above 0",
        may_change=True,
    )
    decay_steps: int | None = setting(
        None, "the same in steps, for data that are not counted", positive="a whole number from 1 up", may_change=True
    )
    constant_epochs: float | None = setting(
        None, "passes over the training data before the decay sets in; default: 0", may_change=True
    )
    warmup_steps: int = setting(0, "steps in which the rate rises from near 0 to what it is to be", may_change=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_not_negative("warmup_steps", self.warmup_steps)
        require_not_negative("constant_epochs", self.constant_epochs or 0)
        schedule = self.learning_rate_schedule
        unused = [name for name in _OF_DECAY if getattr(self, name) is not None] if schedule is _CONSTANT else []
        if schedule is Schedule.COSINE and self.decay_rate is not None:
            unused = ["decay_rate"]
        if unused:
            raise UsageError(
                f"--{unused[0]}={getattr(self, unused[0]):g} with --learning_rate_schedule={schedule.value}, which has "
                "no use for it",
                None,
                "Add --learning_rate_schedule=step, or drop the flag",
            )
        if self.decay_epochs is not None and self.decay_steps is not None:
            got = f"--decay_epochs={self.decay_epochs:g} together with --decay_steps={self.decay_steps}"
            raise UsageError(got, "one of the two", "Drop one")


_CONSTANT = Schedule.CONSTANT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """The rate of every step. Values are as JSON has them.

    Attributes:
      learning_rate: the largest.
      schedule: of the decay.
      first: the step at which the decay sets in.
      length: steps between two decays, or until the cosine is at 0.
      decay_rate: the factor of each decay.
      warmup_steps: in which the rate rises.
    """

    learning_rate: float
    schedule: str = Schedule.CONSTANT.value
    first: float = 0.0
    length: float = 1.0
    decay_rate: float = 1.0
    warmup_steps: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether all steps have the same."""
        return self.schedule == Schedule.CONSTANT.value and not self.warmup_steps

    def at(self, step: tf.Tensor) -> tf.Tensor:
        """The rate of a step: float32 [].

        The warm-up is a factor (step + 1) / warmup_steps up to 1 on what the schedule says. The cosine is half a
        period: (1 + cos(pi * progress)) / 2 (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts).

        Args:
          step: a number [], 0 for the first.
        """
        import tensorflow as tf

        # Progress is computed in float64, in which whole steps are exact.
        exact = tf.cast(step, tf.float64)
        progress = tf.maximum(exact - self.first, 0.0) / self.length
        factor = tf.constant(1.0, tf.float64)
        if self.schedule == Schedule.STEP.value:
            factor = tf.pow(tf.constant(self.decay_rate, tf.float64), tf.floor(progress))
        elif self.schedule == Schedule.COSINE.value:
            factor = (1.0 + tf.cos(math.pi * tf.minimum(progress, 1.0))) / 2.0
        if self.warmup_steps:
            factor *= tf.minimum((exact + 1.0) / self.warmup_steps, 1.0)
        return tf.cast(self.learning_rate * factor, tf.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Epochs:
    """What is known of the passes over the training data.

    Attributes:
      steps: of the whole job in one pass, which need not be a whole number; None where the examples are not counted.
      count: how many passes are made; None for as many as training takes.
    """

    steps: float | None = None
    count: int | None = None


def rates(settings: Settings, epochs: Epochs) -> Rates:
    """The rate of every step.

    Args:
      settings: as the flags say.
      epochs: of the training data.

    Raises:
      UsageError: the settings speak of epochs and nobody knows how long one is, or a cosine has no end.
    """
    schedule, warmup = settings.learning_rate_schedule, settings.warmup_steps
    if schedule is Schedule.CONSTANT:
        return Rates(learning_rate=settings.learning_rate, warmup_steps=warmup)
    first = settings.constant_epochs or 0.0
    length = settings.decay_epochs
    if length is None and settings.decay_steps is None:
        length = 1.0 if schedule is Schedule.STEP else _rest(epochs.count, first)
    in_epochs = first > 0 or length is not None
    if in_epochs and epochs.steps is None:
        name = next((name for name in _NEED_EPOCHS if getattr(settings, name)), "learning_rate_schedule")
        raise UsageError(
            f"--{name} counts passes over the training data, whose examples are not counted before they are read",
            "--decay_steps in place of --decay_epochs and --constant_epochs",
            "Set --decay_steps",
        )
    epoch_steps = epochs.steps or 0.0
    return Rates(
        learning_rate=settings.learning_rate,
        schedule=schedule.value,
        first=first * epoch_steps,
        length=float(settings.decay_steps or 0) if length is None else length * epoch_steps,
        decay_rate=0.5 if settings.decay_rate is None else settings.decay_rate,
        warmup_steps=warmup,
    )


def _rest(count: int | None, first: float) -> float:
    """The passes from the `first` on that a cosine has."""
    if count is None or count <= first:
        raise UsageError(
            "--learning_rate_schedule=cosine does not say when the rate is at 0",
            "--decay_steps, --decay_epochs, or more --num_epochs than --constant_epochs",
            "Set --decay_steps to the steps of training",
        )
    return count - first
