"""Evaluation and prediction: a traced model over batches, once."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.graph.composites import COMPOSITE_VALUES, value_of
from trainer.estimator.graph.inside.live_datasets import is_live
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.tracing import TracedModel, metrics_of
from trainer.estimator.steps.compiling.step_function import asked_by, given_to, shapes_of, zeros_of
from trainer.estimator.steps.inference import read_ahead
from trainer.estimator.steps.inference.read_ahead import ReadAhead
from trainer.estimator.steps.timing.cadence import Pacer
from trainer.estimator.steps.timing.stop import Stop
from trainer.job.errors import DataError

_CALL_STEPS = 100
"""Batches in a device call of an evaluation, where no hook asks to be called more often."""


class EmptyDataError(DataError, ValueError):
    """An input function yielded no batch at all."""


class Evaluation:
    """Runs an EVAL graph over batches and reads its metrics.

    Args:
      traced: the model function in EVAL mode.

    Attributes:
      variables: the names of those that the loss and the metrics read, which a checkpoint has to hold.

    Raises:
      ValueError: a metric is called `loss` or `global_step`.
    """

    def __init__(self, traced: TracedModel) -> None:
        taken = {"loss", "global_step"} & set(traced.spec.eval_metric_ops)
        if taken:
            raise ValueError(
                f"eval_metric_ops has a metric called {' and '.join(sorted(taken))}. "
                "The Estimator uses these names itself. Rename it"
            )
        self.traced = traced
        self._metrics = metrics_of(traced)
        self._fetches = asked_by(traced.spec.evaluation_hooks)
        self._part = traced.prune([traced.spec.loss, self._fetches], self._metrics.updates)
        self._results = tf.function(self._values, autograph=False).get_concrete_function()
        self._run: Any = None
        values = [part.variables for part in self._metrics.results.values() if isinstance(part, PrunedFunction)]
        self.variables = set(self._part.variables.union(*values)) & set(traced.store.saved())

    def _values(self) -> dict[str, Any]:
        """The graph that reads the metrics: tensors of any shape, or nested tuples of such, by name."""
        return {name: result() for name, result in self._metrics.results.items()}

    def _loop(self, iterator: Any, count: tf.Tensor, before: tf.Tensor) -> Any:
        """The graph of a device call, which updates the metrics.

        Args:
          iterator: over batches.
          count: int64 [], how many at most.
          before: float64 [], the sum of the losses of earlier calls: how long calls are shall not show in its last bit.

        Returns:
          The number of batches, int64 []; whether there may be more, bool []; the sum of all losses, float64 [];
          what the hooks asked for of the last batch.
        """

        def one(optional: Any) -> tuple[tf.Tensor, Any]:
            batch = tf.nest.flatten(optional.get_value(), expand_composites=True)
            loss, results = self._part(*batch)
            return tf.cast(loss, tf.float64), results

        def body(index: tf.Tensor, _: tf.Tensor, total: tf.Tensor, last: Any) -> Any:
            optional = iterator.get_next_as_optional()
            more = optional.has_value()
            nothing = tf.constant(0.0, tf.float64)
            loss, results = tf.cond(more, lambda: one(optional), lambda: (nothing, last))
            return index + tf.cast(more, tf.int64), more, total + loss, results

        scalar = tf.TensorShape([])
        return tf.while_loop(
            lambda index, more, *_: more & (index < count),
            body,
            [tf.constant(0, tf.int64), True, before, zeros_of(self._fetches)],
            shape_invariants=[scalar, scalar, scalar, shapes_of(self._fetches)],
            parallel_iterations=1,
        )

    def run(
        self, dataset: tf.data.Dataset, steps: int | None, hooks: Sequence[TrainingHook], stop: Stop | None = None
    ) -> dict[str, Any]:
        """Metrics over the batches, with `loss`, the mean of their losses, and `global_step`.

        Args:
          dataset: yields batches.
          steps: how many batches at most; None for all.
          hooks: around the device calls.
          stop: where anything outside asks for the end.

        Raises:
          EmptyDataError: there was no batch.
          StopRequestedError: a stop was asked for.
        """
        stop = Stop() if stop is None else stop
        self.traced.store.reset_metrics()
        # No more is read than is evaluated, and what is live not before it is.
        limited = dataset if steps is None else dataset.take(steps)
        iterator = iter(limited if is_live(dataset) else limited.prefetch(2))
        if self._run is None:
            loop = tf.function(self._loop, autograph=False)
            self._run = loop.get_concrete_function(iterator, tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.float64))
        count, total = self._batches(iterator, steps, [*hooks, *self.traced.spec.evaluation_hooks], stop)
        if not count:
            raise EmptyDataError(
                "The input function of the evaluation yielded no batch", do="Check its paths and its batch size"
            )
        results: dict[str, Any] = tf.nest.map_structure(lambda value: value.numpy(), self._results())
        results["loss"] = np.float32(total / count)
        ordered = {name: results[name] for name in sorted(results)}
        return {**ordered, "global_step": np.int64(self.traced.store.global_step.numpy())}

    def _batches(
        self, iterator: Any, steps: int | None, hooks: Sequence[TrainingHook], stop: Stop
    ) -> tuple[int, float]:
        """Evaluates the batches; their number and the sum of their losses."""
        pacer = Pacer()
        for hook in hooks:
            hook.begin()
        # Hooks count the batches of an evaluation from 0, whatever the global step.
        most = 1 if any(hook.every_n_steps for hook in hooks) else _CALL_STEPS
        context, count, total = RunContext(0), 0, 0.0
        more = True
        while more and count != steps and not context.stop_reason:
            stop.check("The evaluation")
            context = RunContext(count)
            for hook in hooks:
                hook.before_run(context)
            call_steps = min(most, pacer.limit)
            wanted, before, began = call_steps if steps is None else min(call_steps, steps - count), total, time.time()
            num_batches, may_go_on, total_loss, results = self._run(
                iterator, tf.constant(wanted, tf.int64), tf.constant(total, tf.float64)
            )
            more, count, total = bool(may_go_on), count + int(num_batches), float(total_loss)
            pacer.observe(max(1, int(num_batches)), time.time() - began)
            given = {key: value.numpy() for key, value in results.items()}
            for hook in hooks:
                own = given_to(hook, self.traced.spec.evaluation_hooks, given)
                hook.after_run(context, RunValues(count, np.array([total - before], np.float32), own, 0.0))
        for hook in hooks:
            hook.end(context)
        return count, total


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Runs a PREDICT graph over batches.

    Attributes:
      keys: of the requested predictions; None when the predictions are one tensor.
      predictions: the tensors of the model's graph, [batch, …], by key or alone.
      part: computes them for a batch, and what the hooks ask for.
      hooks: of the model function.
    """

    keys: Sequence[str] | None
    predictions: Any
    part: PrunedFunction
    hooks: Sequence[TrainingHook]

    @functools.cached_property
    def _ahead(self) -> ReadAhead:
        return ReadAhead(self.part, self.predictions)

    def batches(self, dataset: tf.data.Dataset, hooks: Sequence[TrainingHook]) -> Iterator[Any]:
        """The predictions for each batch, computed when they are asked for.

        Args:
          dataset: yields features.
          hooks: around each batch, beside those of the model function.

        Yields:
          Arrays [batch, …] by key, and what a Session gave for sparse and ragged tensors; one of these where the
          predictions are one tensor.
        """
        every = [*hooks, *self.hooks]
        if not every and read_ahead.possible(dataset, self.predictions):
            yield from self._ahead.batches(dataset)
            return
        context = RunContext(0)
        for hook in every:
            hook.begin()
        for index, features in enumerate(dataset):
            context = RunContext(index)
            for hook in every:
                hook.before_run(context)
            predicted, results = self.part(*tf.nest.flatten(features, expand_composites=True))
            yield tf.nest.map_structure(lambda tensor: value_of(tensor, lambda one: one.numpy()), predicted)
            given = {key: value.numpy() for key, value in results.items()}
            for hook in every:
                own = given_to(hook, self.hooks, given)
                hook.after_run(context, RunValues(index + 1, np.zeros([0], np.float32), own, 0.0))
            if context.stop_reason:
                break
        for hook in every:
            hook.end(context)


def prediction(traced: TracedModel, predict_keys: Sequence[str] | str | None) -> Prediction:
    """The requested predictions of a PREDICT graph.

    Args:
      traced: the model function in PREDICT mode.
      predict_keys: of the predictions; None for all of them.

    Raises:
      ValueError: the model predicts none of the keys, or predicts one tensor, which has none.
    """
    predictions, hooks = traced.spec.predictions, traced.spec.prediction_hooks
    asked = asked_by(hooks)
    if not isinstance(predictions, Mapping):
        if predict_keys:
            raise ValueError(
                f"predict_keys is {predict_keys!r}, but the predictions are one tensor. Leave predict_keys out"
            )
        return Prediction(None, predictions, traced.prune([predictions, asked]), hooks)
    wanted = [predict_keys] if isinstance(predict_keys, str) else predict_keys
    chosen = {key: tensor for key, tensor in predictions.items() if not wanted or key in wanted}
    if not chosen:
        raise ValueError(
            f"predict_keys is {predict_keys!r}; the model predicts {', '.join(predictions)}. Name one of those"
        )
    return Prediction(list(chosen), chosen, traced.prune([chosen, asked]), hooks)


def single_examples(batch: Any) -> Iterable[Any]:
    """The examples of a batch of predictions.

    Raises:
      ValueError: the predictions have different batch lengths, or are no arrays.
    """
    named = batch if isinstance(batch, Mapping) else {"predictions": batch}
    composite = [key for key, value in named.items() if isinstance(value, COMPOSITE_VALUES)]
    if composite:
        raise ValueError(
            f"The predictions {', '.join(composite)} are sparse or ragged. Single examples are rows of dense tensors. "
            "Pass yield_single_examples=False to get whole batches, or predict dense tensors"
        )
    if not isinstance(batch, Mapping):
        return iter(batch)
    lengths = {key: len(value) if np.ndim(value) else None for key, value in batch.items()}
    if len(set(lengths.values())) != 1 or None in lengths.values():
        raise ValueError(
            f"The predictions have batch lengths {lengths}. Single examples need the same length everywhere. "
            "Pass yield_single_examples=False to get whole batches"
        )
    if len(batch) == 1:  # most models have one, and a display of it takes a third of the time
        [(key, rows)] = batch.items()
        return [{key: row} for row in rows]
    return [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
