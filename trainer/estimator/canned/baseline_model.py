"""The model that looks at no feature: a bias for each logit."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.canned import optimizers
from trainer.estimator.canned.model_functions import check_features
from trainer.estimator.contract.spec import EstimatorSpec
from trainer.estimator.graph.inside.modes import numbered

# Of an optimizer that is given by its name, in tf.estimator.
_RATE = 0.3


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Baseline(abc.ABC):
    """What both versions have.

    Attributes:
      head: makes the loss and all else of the logits.
      optimizer: as a person gave it.
      weight_column: of the head, whose feature may have a batch size of its own; None for none.
    """

    head: Any
    optimizer: Any
    weight_column: Any

    @numbered
    def model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """As the Estimator calls it."""
        check_features(features)
        size = _batch_size(features, self.weight_column)
        zeros = tf.compat.v1.zeros_initializer()
        with tf.compat.v1.variable_scope("baseline"):
            bias = tf.compat.v1.get_variable("bias", [self.head.logits_dimension], initializer=zeros, use_resource=True)
            logits = bias * tf.ones([size, self.head.logits_dimension])
        return self.head.create_estimator_spec(
            features=features,
            mode=mode,
            labels=labels,
            logits=logits,
            train_op_fn=lambda loss: self._step(loss, bias),
        )

    @abc.abstractmethod
    def _step(self, loss: tf.Tensor, bias: tf.Variable) -> Any:
        """The train_op of a loss []."""


class BaselineFirstVersion(_Baseline):
    """That of TensorFlow 1."""

    def _step(self, loss: tf.Tensor, bias: tf.Variable) -> Any:
        del bias  # all that is trained
        optimizer = optimizers.first_version(self.optimizer, _RATE)
        return optimizer.minimize(loss, global_step=tf.compat.v1.train.get_global_step())


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineSecondVersion(_Baseline):
    """That of TensorFlow 2."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizer", optimizers.as_given(self.optimizer))

    def _step(self, loss: tf.Tensor, bias: tf.Variable) -> Any:
        counter = tf.compat.v1.train.get_or_create_global_step()
        return optimizers.step(optimizers.second_version(self.optimizer, _RATE, counter), loss, [bias])


def _batch_size(features: Mapping[str, Any], weight_column: Any) -> tf.Tensor:
    """The first dimension [] of the features, dense or sparse, which are checked to have one in common."""
    weights = weight_column if isinstance(weight_column, str) else getattr(weight_column, "key", None)
    sizes = [tf.shape(feature)[0] for key, feature in features.items() if key != weights]
    if not sizes:
        raise ValueError(
            "The input function of a baseline gave no features. It takes the batch size from one. Give any feature"
        )
    same = [tf.compat.v1.debugging.assert_equal(sizes[0], size) for size in sizes[1:]]
    with tf.control_dependencies(same):
        return tf.identity(sizes[0])
