"""`Head`, what every head is, and the heads of tf.estimator's second version, which measure by Keras metrics."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.modes import numbered
from trainer.estimator.heads import keras_metrics, training
from trainer.estimator.heads.keys import MetricKeys, of_head
from trainer.estimator.heads.objective import Objective

REDUCTIONS = ("auto", "sum", "sum_over_batch_size")


class Head(abc.ABC):
    """Makes losses, predictions, metrics and signatures of the logits of a model.

    A head of one's own fills in the abstract methods and `create_estimator_spec`.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """Follows a slash in the names of its metrics; None for a head without a name."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> Any:
        """The last dimension of the logits that it takes."""

    @property
    @abc.abstractmethod
    def loss_reduction(self) -> str:
        """How the losses of a batch become one: `sum_over_batch_size` or `sum`."""

    @abc.abstractmethod
    def loss(
        self, labels: Any, logits: Any, features: Any = None, mode: Any = None, regularization_losses: Any = None
    ) -> tf.Tensor:
        """The loss [] of a batch, in training and evaluation.

        Args:
          labels: as the input function gives them.
          logits: [D0, …, DN, logits_dimension].
          features: a dict; needed for weights.
          mode: a value of ModeKeys.
          regularization_losses: a list of losses [] that are added; None for none.
        """

    @abc.abstractmethod
    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        """Predictions by name, [D0, …, DN, any] each, from logits [D0, …, DN, logits_dimension].

        Args:
          logits: see above.
          keys: which; None for all.
        """

    @abc.abstractmethod
    def metrics(self, regularization_losses: Any = None) -> dict[str, keras.metrics.Metric]:
        """New metrics by name, with one for regularization losses if those are given."""

    @abc.abstractmethod
    def update_metrics(
        self,
        eval_metrics: dict[str, keras.metrics.Metric],
        features: Any,
        logits: Any,
        labels: Any,
        mode: Any = None,
        regularization_losses: Any = None,
    ) -> dict[str, keras.metrics.Metric]:
        """Tells metrics of a batch, and returns them.

        Args:
          eval_metrics: what `metrics` gave.
          features: as for `loss`; so are logits, labels, the mode and regularization losses.
          logits: see there.
          labels: see there.
          mode: see there.
          regularization_losses: see there.
        """

    @numbered
    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Any = None,
        train_op_fn: training.TrainOpFn | None = None,
        update_ops: Any = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """What a model function returns.

        Args:
          features: a dict; needed for weights.
          mode: a value of ModeKeys.
          logits: [D0, …, DN, logits_dimension].
          labels: as the input function gives them; not needed in PREDICT.
          optimizer: of Keras; this or train_op_fn in TRAIN.
          trainable_variables: a list or tuple of those that the optimizer changes.
          train_op_fn: takes the loss [] and gives a train_op.
          update_ops: a list or tuple of what else a step of training runs.
          regularization_losses: a list of losses [] that are added; None for none.
        """
        spec = self._create_tpu_estimator_spec(
            features=features,
            mode=mode,
            logits=logits,
            labels=labels,
            optimizer=optimizer,
            trainable_variables=trainable_variables,
            train_op_fn=train_op_fn,
            update_ops=update_ops,
            regularization_losses=regularization_losses,
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
      loss_reduction: a value of `tf.losses.Reduction`, but for NONE.
      name: of the head; None for none.

    Raises:
      ValueError: another reduction.
    """

    def __init__(self, objective: Objective, loss_reduction: str, name: str | None) -> None:
        if loss_reduction not in REDUCTIONS:
            raise ValueError(
                f"A head was given loss_reduction {loss_reduction!r}. It takes {', '.join(map(repr, REDUCTIONS))}. "
                "Heads of TensorFlow 1 are in tf.contrib.estimator"
            )
        self._objective, self._loss_reduction, self._name = objective, loss_reduction, name

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def logits_dimension(self) -> Any:
        return self._objective.logits_dimension

    @property
    def loss_reduction(self) -> str:
        return self._loss_reduction

    def loss(
        self, labels: Any, logits: Any, features: Any = None, mode: Any = None, regularization_losses: Any = None
    ) -> tf.Tensor:
        with tf.name_scope("losses"):
            batch = self._objective.judge(labels, logits, features)
            weighted = batch.loss if batch.weights is None else batch.loss * batch.weights
            loss = tf.reduce_sum(weighted)
            if self._loss_reduction != "sum":
                loss = tf.math.divide_no_nan(loss, tf.cast(tf.size(weighted), loss.dtype))
            added = training.summed(regularization_losses)
            return loss if added is None else loss + added

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        return dict(self._objective.predictions(logits, keys))

    def metrics(self, regularization_losses: Any = None) -> dict[str, keras.metrics.Metric]:
        made = {
            self._key(measure.key): keras_metrics.made(measure, self._key(measure.key))
            for measure in self._objective.measures()
        }
        if regularization_losses is not None:
            key = self._key(MetricKeys.LOSS_REGULARIZATION)
            made[key] = keras_metrics.mean(key)
        return made

    def update_metrics(
        self,
        eval_metrics: dict[str, keras.metrics.Metric],
        features: Any,
        logits: Any,
        labels: Any,
        mode: Any = None,
        regularization_losses: Any = None,
    ) -> dict[str, keras.metrics.Metric]:
        batch = self._objective.judge(labels, logits, features)
        for measure in self._objective.measures():
            keras_metrics.update(eval_metrics[self._key(measure.key)], measure, batch)
        added = training.summed(regularization_losses)
        if added is not None:
            eval_metrics[self._key(MetricKeys.LOSS_REGULARIZATION)].update_state(added)
        return eval_metrics

    @numbered
    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Any = None,
        train_op_fn: training.TrainOpFn | None = None,
        update_ops: Any = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        with tf.compat.v1.name_scope(self._name, "head"):
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = self._objective.outputs(predictions)
                return EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
            loss = self.loss(labels, logits, features, mode, regularization_losses)
            if mode == ModeKeys.EVAL:
                told = self.update_metrics(
                    self.metrics(regularization_losses), features, logits, labels, mode, regularization_losses
                )
                return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=told)
            train_op = training.scoped_train_op(loss, optimizer, trainable_variables, train_op_fn, update_ops)
        training.summarize(self._summaries(loss, regularization_losses))
        return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=train_op)

    def _key(self, key: str) -> str:
        return of_head(key, self._name)

    def _summaries(self, loss: tf.Tensor, regularization_losses: Any) -> Mapping[str, tf.Tensor | None]:
        """What a step writes for a loss [], by name."""
        return {
            self._key(MetricKeys.LOSS): loss,
            self._key(MetricKeys.LOSS_REGULARIZATION): training.summed(regularization_losses),
        }
