"""Several heads side by side, on logits of their own, whose losses are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.modes import numbered
from trainer.estimator.heads import keras_metrics, parts, training
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.keys import MetricKeys, of_head


class MultiHead(Head):
    """Trains several heads at once; the loss is the sum of theirs.

    Logits are a dict by the names of the heads, or a tensor with theirs beside each other; labels are a dict. Metrics
    are called `accuracy/NAME`, predictions `(NAME, "logits")`, signatures `NAME` and `NAME/predict`. The first head
    gives the default signature.

    Args:
      heads: a list of heads with names.
      head_weights: what the loss of each is multiplied by; None for ones.

    Raises:
      ValueError: there are no heads, one has no name, or there are more or fewer weights.
    """

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float] | None = None) -> None:
        parts.check(heads, head_weights)
        self._heads, self._head_weights = tuple(heads), tuple(head_weights or ())

    @property
    def name(self) -> str:
        return "_".join(str(head.name) for head in self._heads)

    @property
    def logits_dimension(self) -> Any:
        return sum(head.logits_dimension for head in self._heads)

    @property
    def loss_reduction(self) -> str:
        reductions = {head.loss_reduction for head in self._heads}
        if len(reductions) > 1:
            raise ValueError(f"The heads of a MultiHead have reductions {sorted(reductions)}. Give all the same one")
        return reductions.pop()

    def loss(
        self, labels: Any, logits: Any, features: Any = None, mode: Any = None, regularization_losses: Any = None
    ) -> tf.Tensor:
        given, true = parts.logits_of(self._heads, logits), parts.labels_of(self._heads, labels)
        losses = [head.loss(true[head.name], given[head.name], features, mode) for head in self._heads]
        loss, added = parts.loss_of(losses, self._head_weights), training.summed(regularization_losses)
        return loss if added is None else loss + added

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        given = parts.logits_of(self._heads, logits)
        return {
            (head.name, key): tensor
            for head in self._heads
            for key, tensor in head.predictions(given[head.name]).items()
            if not keys or key in keys
        }

    def metrics(self, regularization_losses: Any = None) -> dict[str, keras.metrics.Metric]:
        keys = [of_head(MetricKeys.LOSS, head.name) for head in self._heads]
        if regularization_losses is not None:
            keys.append(self._regularization_key)
        made: dict[str, keras.metrics.Metric] = {key: keras_metrics.mean(key) for key in keys}
        for head in self._heads:
            made |= head.metrics()
        return made

    @property
    def _regularization_key(self) -> str:
        return of_head(MetricKeys.LOSS_REGULARIZATION, self.name)

    def update_metrics(
        self,
        eval_metrics: dict[str, keras.metrics.Metric],
        features: Any,
        logits: Any,
        labels: Any,
        mode: Any = None,
        regularization_losses: Any = None,
    ) -> dict[str, keras.metrics.Metric]:
        given, true = parts.logits_of(self._heads, logits), parts.labels_of(self._heads, labels)
        added = training.summed(regularization_losses)
        if added is not None:
            eval_metrics[self._regularization_key].update_state(added)
        for head in self._heads:
            own = (given[head.name], true[head.name])
            eval_metrics[of_head(MetricKeys.LOSS, head.name)].update_state(head.loss(own[1], own[0], features, mode))
            eval_metrics |= head.update_metrics(eval_metrics, features, *own)
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
        with tf.compat.v1.name_scope(self.name, "multi_head"):
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                given = parts.logits_of(self._heads, logits)
                specs = [head.create_estimator_spec(features, mode, given[head.name]) for head in self._heads]
                return EstimatorSpec(mode, predictions, export_outputs=parts.outputs_of(self._heads, specs))
            loss = self.loss(labels, logits, features, mode, regularization_losses)
            if mode == ModeKeys.EVAL:
                told = self.update_metrics(
                    self.metrics(regularization_losses), features, logits, labels, mode, regularization_losses
                )
                return EstimatorSpec(mode, predictions, loss, eval_metric_ops=told)
            train_op = training.scoped_train_op(loss, optimizer, trainable_variables, train_op_fn, update_ops)
        self._summarize(features, logits, labels, loss, regularization_losses)
        return EstimatorSpec(mode, predictions, loss, train_op)

    def _summarize(self, features: Any, logits: Any, labels: Any, loss: tf.Tensor, regularization_losses: Any) -> None:
        """Writes the loss [] and those of the heads.

        Args:
          features: of the batch; so are logits and labels.
          logits: see above.
          labels: see above.
          loss: [].
          regularization_losses: a list of losses []; None for none.
        """
        given, true = parts.logits_of(self._heads, logits), parts.labels_of(self._heads, labels)
        training.summarize(
            {
                MetricKeys.LOSS: loss,
                MetricKeys.LOSS_REGULARIZATION: training.summed(regularization_losses),
                **{
                    of_head(MetricKeys.LOSS, head.name): head.loss(true[head.name], given[head.name], features)
                    for head in self._heads
                },
            }
        )
