"""Several heads of tf.estimator's first version side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.modes import numbered
from trainer.estimator.heads import parts, training, v1_metrics
from trainer.estimator.heads.keys import MetricKeys, of_head
from trainer.estimator.heads.v1_head import Head, LossSpec, minimized, with_update_ops


class _MultiHead(Head):
    """See `multi_head`."""

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float]) -> None:
        self._heads, self._head_weights = tuple(heads), tuple(head_weights)

    @property
    def name(self) -> str:
        return "_".join(str(head.name) for head in self._heads)

    @property
    def logits_dimension(self) -> Any:
        return sum(head.logits_dimension for head in self._heads)

    def create_loss(self, features: Any, mode: Any, logits: Any, labels: Any) -> LossSpec:
        given, true = parts.logits_of(self._heads, logits), parts.labels_of(self._heads, labels)
        made = {head.name: head.create_loss(features, mode, given[head.name], true[head.name]) for head in self._heads}
        loss = parts.loss_of([one.training_loss for one in made.values()], self._head_weights)
        weights = dict(zip(made, self._head_weights or [1.0] * len(made), strict=True))
        return LossSpec(
            loss,
            {name: one.unreduced_loss * weights[name] for name, one in made.items()},
            {name: one.weights * weights[name] for name, one in made.items()},
            {name: one.processed_labels for name, one in made.items()},
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
        given = parts.logits_of(self._heads, logits)
        true = {} if mode == ModeKeys.PREDICT else parts.labels_of(self._heads, labels)
        specs = [
            head.create_estimator_spec(
                features, mode, given[head.name], true.get(head.name), train_op_fn=lambda _: tf.no_op()
            )
            for head in self._heads
        ]
        named = list(zip([head.name for head in self._heads], specs, strict=True))
        predictions = {(name, key): value for name, spec in named for key, value in spec.predictions.items()}
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions, export_outputs=parts.outputs_of(self._heads, specs))
        loss = parts.loss_of([spec.loss for spec in specs], self._head_weights)
        added = training.summed(regularization_losses or None)
        loss = loss if added is None else loss + added
        if mode == ModeKeys.EVAL:
            metrics: dict[str, Any] = {}
            for name, spec in named:
                key = of_head(MetricKeys.LOSS, name)
                metrics |= {key: v1_metrics.mean(spec.loss, key), **spec.eval_metric_ops}
            return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
        train_op = training.train_op(loss, optimizer, train_op_fn, minimized)
        training.summarize({MetricKeys.LOSS: loss})
        return EstimatorSpec(mode, predictions, loss, with_update_ops(train_op))


def multi_head(heads: Sequence[Head], head_weights: Sequence[float] | None = None) -> Head:
    """Trains several heads at once; see MultiHead.

    Args:
      heads: of this version, with names.
      head_weights: what the loss [] of each is multiplied by; None for ones.

    Raises:
      ValueError: there are no heads, one has no name, or there are more or fewer weights.
    """
    parts.check(heads, head_weights)
    return _MultiHead(heads, head_weights or ())
