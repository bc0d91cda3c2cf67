"""The heads of tf.estimator's first version, which measure by the metrics of TensorFlow 1 and take its optimizers."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.modes import numbered
from trainer.estimator.heads import training, v1_metrics
from trainer.estimator.heads.keys import MetricKeys, of_head
from trainer.estimator.heads.measures import Batch
from trainer.estimator.heads.objective import Objective

_REDUCTION = tf.compat.v1.losses.Reduction


class LossSpec(NamedTuple):
    """The loss of a batch and what it is made of.

    Attributes:
      training_loss: [], weighted and reduced.
      unreduced_loss: float32 [D0, …, DN, 1 or logits_dimension].
      weights: float32 [D0, …, DN, 1 or logits_dimension], or 1.0.
      processed_labels: as losses take them, [D0, …, DN, 1 or logits_dimension].
    """

    training_loss: Any
    unreduced_loss: Any
    weights: Any
    processed_labels: Any


class Head(abc.ABC):
    """Makes losses, predictions, metrics and signatures of the logits of a model."""

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """Follows a slash in the names of its metrics; None for a head without a name."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> Any:
        """The last dimension of the logits that it takes."""

    @abc.abstractmethod
    def create_loss(self, features: Any, mode: Any, logits: Any, labels: Any) -> LossSpec:
        """The loss of a batch.

        Args:
          features: a dict; needed for weights.
          mode: a value of ModeKeys.
          logits: [D0, …, DN, logits_dimension].
          labels: as the input function gives them.
        """

    @numbered
    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: training.TrainOpFn | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """What a model function returns.

        Args:
          features: a dict; needed for weights.
          mode: a value of ModeKeys.
          logits: [D0, …, DN, logits_dimension].
          labels: as the input function gives them; not needed in PREDICT.
          optimizer: of `tf.compat.v1.train` or of Keras; this or train_op_fn in TRAIN.
          train_op_fn: takes the loss [] and gives a train_op.
          regularization_losses: a list of losses [] that are added; None or an empty one for none.
        """
        spec = self._create_tpu_estimator_spec(
            features, mode, logits, labels, optimizer, train_op_fn, regularization_losses
        )
        return spec.as_estimator_spec()

    def _create_tpu_estimator_spec(self, *_: Any, **__: Any) -> Any:
        """A TPUEstimatorSpec, in the heads of one's own that have this in place of `create_estimator_spec`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no create_estimator_spec. A head of your own needs one. "
            "Return an EstimatorSpec for each mode from it"
        )


class ObjectiveHead(Head):
    """The head of an objective.

    Args:
      objective: what the logits mean.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`, but for NONE.
      name: of the head; None for none.

    Raises:
      ValueError: another reduction.
    """

    def __init__(self, objective: Objective, loss_reduction: str, name: str | None) -> None:
        accepted = [reduction for reduction in _REDUCTION.all() if reduction != _REDUCTION.NONE]
        if loss_reduction not in accepted:
            raise ValueError(
                f"A head was given loss_reduction {loss_reduction!r}. It takes a value of "
                f"tf.compat.v1.losses.Reduction but NONE: {', '.join(map(repr, accepted))}"
            )
        self._objective, self._loss_reduction, self._name = objective, loss_reduction, name

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def logits_dimension(self) -> Any:
        return self._objective.logits_dimension

    def create_loss(self, features: Any, mode: Any, logits: Any, labels: Any) -> LossSpec:
        batch = self._objective.judge(labels, logits, features)
        return LossSpec(self._reduced(batch), batch.loss, _weights(batch), batch.labels)

    def _reduced(self, batch: Batch) -> tf.Tensor:
        """The loss [] of a batch, [D0, …, DN, any] each."""
        return tf.compat.v1.losses.compute_weighted_loss(
            batch.loss, weights=_weights(batch), reduction=self._loss_reduction
        )

    @numbered
    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: training.TrainOpFn | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        with tf.compat.v1.name_scope(self._name, "head"):
            predictions = self._objective.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = self._objective.outputs(predictions)
                return EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
            batch = self._objective.judge(labels, logits, features)
            own = self._reduced(batch)
            added = training.summed(regularization_losses or None)
            loss = own if added is None else own + added
            if mode == ModeKeys.EVAL:
                return EstimatorSpec(mode, predictions, loss, eval_metric_ops=self._metrics(batch, added))
            train_op = training.train_op(loss, optimizer, train_op_fn, minimized)
            mean = own / tf.reduce_sum(_weights(batch) * tf.ones_like(batch.loss))
        summed_up = self._loss_reduction == _REDUCTION.SUM
        training.summarize(
            {
                self._key(MetricKeys.LOSS): loss,
                self._key(MetricKeys.LOSS_MEAN): mean if summed_up else None,
                self._key(MetricKeys.LOSS_REGULARIZATION): added,
            }
        )
        return EstimatorSpec(mode, predictions, loss, with_update_ops(train_op))

    def _metrics(self, batch: Batch, regularization: tf.Tensor | None) -> dict[str, v1_metrics.Pair]:
        """The metrics of a batch, [D0, …, DN, any] each, and the mean of the regularization [] if there is one."""
        with tf.name_scope("metrics"):
            pairs = {self._key(one.key): v1_metrics.measured(one, batch) for one in self._objective.measures()}
            if regularization is not None:
                key = MetricKeys.LOSS_REGULARIZATION
                pairs[self._key(key)] = v1_metrics.mean(regularization, key)
            return pairs

    def _key(self, key: str) -> str:
        return of_head(key, self._name)


def _weights(batch: Batch) -> Any:
    return 1.0 if batch.weights is None else batch.weights


def minimized(optimizer: Any, loss: tf.Tensor) -> Any:
    """A step of an optimizer, of TensorFlow 1 or of Keras, on a loss []."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return training.minimized(optimizer, loss, tf.compat.v1.trainable_variables())
    return optimizer.minimize(loss, global_step=tf.compat.v1.train.get_global_step())


def with_update_ops(train_op: Any) -> Any:
    """A train_op with the UPDATE_OPS of the graph."""
    return training.with_updates(train_op, tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS) or None)
