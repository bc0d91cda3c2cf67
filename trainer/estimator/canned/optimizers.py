"""The optimizers that canned Estimators take: by name, as a function that makes one, or made."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.canned import keras2_optimizers
from trainer.estimator.canned.keras2_optimizer import Keras2Optimizer, Settings
from trainer.estimator.graph.inside import keras_optimizers
from trainer.estimator.graph.inside.model_graph import outside

_FIRST = {
    "Adagrad": tf.compat.v1.train.AdagradOptimizer,
    "Adam": tf.compat.v1.train.AdamOptimizer,
    "Ftrl": tf.compat.v1.train.FtrlOptimizer,
    "RMSProp": tf.compat.v1.train.RMSPropOptimizer,
    "SGD": tf.compat.v1.train.GradientDescentOptimizer,
}
_SECOND: dict[str, tuple[type[Keras2Optimizer], type[keras.optimizers.Optimizer]]] = {
    "Adagrad": (keras2_optimizers.Adagrad, keras.optimizers.Adagrad),
    "Adam": (keras2_optimizers.Adam, keras.optimizers.Adam),
    "Ftrl": (keras2_optimizers.Ftrl, keras.optimizers.Ftrl),
    "RMSProp": (keras2_optimizers.RMSprop, keras.optimizers.RMSprop),
    "SGD": (keras2_optimizers.SGD, keras.optimizers.SGD),
}
# What was a variable of an optimizer of Keras 2, and so is in its checkpoints, beside `learning_rate`.
_NUMBERS = {
    "beta_1",
    "beta_2",
    "rho",
    "momentum",
    "learning_rate_power",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "beta",
    "decay",
}
_CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
# What Keras 2's optimizers did not do; with one of these an optimizer is Keras 3's.
_NEW = ("weight_decay", "use_ema", "loss_scale_factor", "gradient_accumulation_steps")


def ftrl_rate(greatest: float, columns: Sequence[Any]) -> float:
    """The learning rate of linear models: 1/√n of their columns, but no more than `greatest`."""
    return min(greatest, 1.0 / math.sqrt(len(columns)))


def first_version(optimizer: Any, learning_rate: float | None) -> Any:
    """An optimizer of TensorFlow 1.

    Args:
      optimizer: a name, an optimizer, or a function without arguments that makes one.
      learning_rate: of one that is made by its name.

    Raises:
      ValueError: an unknown name, or something else.
    """
    if isinstance(optimizer, str):
        return _named(optimizer, _FIRST)(learning_rate=learning_rate)
    made = optimizer() if callable(optimizer) else optimizer
    if not isinstance(made, tf.compat.v1.train.Optimizer):
        raise ValueError(
            f"A canned Estimator of TensorFlow 1 was given the optimizer {made!r}. "
            "It takes one of tf.compat.v1.train. Those of Keras go to the Estimators of trainer.estimator"
        )
    return made


@dataclasses.dataclass(frozen=True)
class Like:
    """Makes the like of an optimizer that a person gave.

    Attributes:
      given: the optimizer.
      config: what its class makes one of.
    """

    given: Any
    config: Mapping[str, Any]

    def __call__(self) -> Any:
        """A new one."""
        # Some of Keras's take parts out of what they are given.
        return type(self.given).from_config(dict(self.config))

    def counted_by(self, iterations: tf.Variable) -> None:
        """Lets the optimizer, if it is one of Keras 2, show the variable [] that counts its steps, as it did there."""
        if keras_optimizers.is_keras_2(self.given):
            keras_optimizers.show_counter(self.given, iterations)


def as_given(optimizer: Any) -> Any:
    """What an Estimator keeps of an optimizer: of one of Keras what makes its like.

    Its variables may be out of reach when a training begins, because they are of another graph, or were made before
    this process joined a cluster.
    """
    if not _is_of_keras(optimizer):
        return optimizer
    with tf.Graph().as_default(), outside():
        return Like(optimizer, keras_optimizers.configuration(optimizer))


def second_version(optimizer: Any, learning_rate: float | None, iterations: tf.Variable | None) -> Any:
    """An optimizer for a training of TensorFlow 2, with variables of its own in the trace.

    Adagrad, Adam, Ftrl, RMSprop and SGD are those of Keras 2, with the values that they were given; all others are
    copies of what was given.

    Args:
      optimizer: a name, an optimizer of Keras or of `tf_keras.optimizers.legacy`, or a function without arguments that
        makes one.
      learning_rate: of one that is made by its name; None for the optimizer's usual one.
      iterations: the variable [] that counts its steps; None for one of its own.

    Raises:
      ValueError: an unknown name, or something else.
    """
    if isinstance(optimizer, Like) and iterations is not None:
        optimizer.counted_by(iterations)
    # Away from the trace's graph, which would keep the variables of this one beside those of the copy.
    with tf.Graph().as_default(), outside():
        if isinstance(optimizer, str):
            usual = {} if learning_rate is None else {"learning_rate": learning_rate}
            made = _named(optimizer, _SECOND)[1](**usual)
        else:
            made = optimizer() if callable(optimizer) else optimizer
        if not _is_of_keras(made):
            raise ValueError(
                f"A canned Estimator of TensorFlow 2 was given the optimizer {made!r}. It takes one of Keras, or of "
                "tf_keras.optimizers.legacy. Those of tf.compat.v1.train go to the Estimators of tf.compat.v1.estimator"
            )
        config = keras_optimizers.configuration(made)
        for kind, of_keras in _SECOND.values():
            as_in_keras_2 = type(made) is of_keras and not any(config.get(key) for key in _NEW)
            if as_in_keras_2 or keras_optimizers.is_stock_keras_2(made, kind.__name__):
                return kind(_settings(kind.__name__, config), iterations)
    copy = type(made).from_config(config)
    if keras_optimizers.is_keras_2(made) and iterations is not None:
        copy.iterations = iterations
    return copy


def _is_of_keras(optimizer: Any) -> bool:
    return isinstance(optimizer, keras.optimizers.Optimizer) or keras_optimizers.is_keras_2(optimizer)


def step(optimizer: Any, loss: tf.Tensor, variables: Sequence[Any]) -> Any:
    """An op that makes a step.

    Args:
      optimizer: that `second_version` gave.
      loss: [].
      variables: that are trained.
    """
    if hasattr(optimizer, "get_updates"):
        return optimizer.get_updates(loss, variables)[0]
    return optimizer.apply_gradients(list(zip(tf.gradients(loss, list(variables)), variables, strict=True)))


def _named(name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise ValueError(
            f"Unsupported optimizer name: {name!r}. A canned Estimator knows {', '.join(sorted(known))}. "
            "Give it an optimizer that is made"
        )
    return known[name]


def _settings(kind: str, config: Mapping[str, Any]) -> Settings:
    # Keras 3 makes `rm_sprop` or `sgd_1` of the name of a class, where Keras 2 took it as it is.
    named = config["name"]
    automatic = re.fullmatch(rf"{kind}(_\d+)?", named.replace("rm_sprop", "rmsprop"), re.IGNORECASE)
    return Settings(
        name=kind if automatic else named,
        learning_rate=config["learning_rate"],
        numbers={key: float(value) for key, value in config.items() if key in _NUMBERS},
        others={key: value for key, value in config.items() if key not in _NUMBERS},
        **{key: config.get(key) for key in _CLIPPING},
    )
