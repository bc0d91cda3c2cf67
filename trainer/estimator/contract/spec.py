"""What a model function returns: the mode it was called in and an EstimatorSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.estimator.contract.export import DEFAULT_SIGNATURE, ExportOutput, PredictOutput
from trainer.estimator.contract.hooks import AnyHook, check_hooks
from trainer.estimator.contract.metric_ops import MetricOps


class ModeKeys:
    """What a model function is called for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class _Fields(NamedTuple):
    mode: str | None
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: Mapping[str, Any]
    export_outputs: Mapping[str, ExportOutput] | None
    training_chief_hooks: tuple[AnyHook, ...]
    training_hooks: tuple[AnyHook, ...]
    scaffold: Any
    evaluation_hooks: tuple[AnyHook, ...]
    prediction_hooks: tuple[AnyHook, ...]


class EstimatorSpec(_Fields):
    """The tensors of a model in one mode, checked when built.

    Args:
      mode: a value of ModeKeys; None takes the one that the model function is called in.
      predictions: a tensor or a dict of tensors; needed in PREDICT.
      loss: a scalar, or of one element; needed in TRAIN and EVAL.
      train_op: what an optimizer's `minimize`, `apply_gradients` or `apply` returned, or any op or tensor; needed in
        TRAIN.
      eval_metric_ops: name to Keras metric (updated in the model function) or to a pair (value, update op); the spec
        has pairs.
      export_outputs: signature name to PredictOutput, RegressionOutput or ClassificationOutput; looked at in PREDICT.
      training_chief_hooks: hooks of the chief's training.
      training_hooks: hooks of every training process.
      scaffold: a `tf.compat.v1.train.Scaffold`, by default an empty one: a saver with a map says under which names
        evaluation, prediction and export find the variables; `init_op` and `init_fn` run where there is no checkpoint,
        `local_init_op` at every start. They are given what stands for a Session. Nothing waits for its ready ops.
      evaluation_hooks: hooks of evaluation.
      prediction_hooks: hooks of prediction.

    Raises:
      ValueError: something that the mode needs is missing, or has a wrong shape or value.
      TypeError: something has a wrong type.
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str | None,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Mapping[str, Any] | None = None,
        export_outputs: Mapping[str, ExportOutput] | None = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> EstimatorSpec:
        if mode not in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT, None):
            raise ValueError(f"EstimatorSpec was given mode {mode!r}. It takes ModeKeys.TRAIN, EVAL or PREDICT")
        predictions = _checked_predictions(predictions, mode)
        if mode == ModeKeys.PREDICT:
            export_outputs = _checked_outputs(export_outputs, predictions)
        return super().__new__(
            cls,
            mode=mode,
            predictions=predictions,
            loss=_checked_loss(loss, mode),
            train_op=_checked_train_op(train_op, mode),
            eval_metric_ops=_checked_metrics(eval_metric_ops),
            export_outputs=export_outputs,
            training_chief_hooks=check_hooks(training_chief_hooks, "training_chief_hooks"),
            training_hooks=check_hooks(training_hooks, "training_hooks"),
            scaffold=_checked_scaffold(scaffold),
            evaluation_hooks=check_hooks(evaluation_hooks, "evaluation_hooks"),
            prediction_hooks=check_hooks(prediction_hooks, "prediction_hooks"),
        )

    def _replace(self, **changes: Any) -> EstimatorSpec:
        """A copy with some fields changed, checked again.

        Raises:
          ValueError: the mode would change.
        """
        if changes.get("mode", self.mode) != self.mode:
            raise ValueError(
                f"_replace was given mode {changes['mode']!r} for a spec of mode {self.mode!r}. "
                "The mode stays as it is. Build another EstimatorSpec"
            )
        return EstimatorSpec(**{**self._asdict(), **changes})


def _needed(value: Any, name: str, mode: str | None) -> Any:
    if value is None:
        raise ValueError(f"EstimatorSpec for mode {mode!r} was given no {name}. This mode needs it. Pass {name}=…")
    return value


def _is_tensor(value: Any) -> bool:
    return tf.is_tensor(value) or isinstance(value, tf.Variable | keras.Variable)


def _check_tensor(value: Any, name: str) -> None:
    if not _is_tensor(value):
        raise TypeError(f"EstimatorSpec was given {name} {value!r}. It takes a tensor")
    _check_graph(value, name)


def _checked_tensor(value: Any, name: str) -> Any:
    """A tensor; of a variable, its value at the end of the model function."""
    _check_tensor(value, name)
    return value if tf.is_tensor(value) and not isinstance(value, tf.Variable) else tf.convert_to_tensor(value)


def _check_graph(value: Any, name: str) -> None:
    """Checks that a tensor or an operation is one of the graph that is being built, where one is."""
    if tf.executing_eagerly() or not (isinstance(value, tf.Operation) or tf.is_symbolic_tensor(value)):
        return
    if value.graph is not tf.compat.v1.get_default_graph():
        raise ValueError(
            f"EstimatorSpec was given {name} {value!r}, which is of another graph. "
            "It takes tensors of the graph that the model function is called in. "
            "Build them in the function itself, outside of `with tf.Graph()` and of branches and loops"
        )


def _checked_predictions(predictions: Any, mode: str | None) -> Any:
    if predictions is None and mode != ModeKeys.PREDICT:
        return {}
    _needed(predictions, "predictions", mode)
    if not isinstance(predictions, Mapping):
        return _checked_tensor(predictions, "predictions")
    checked = {name: _checked_tensor(value, f"predictions[{name!r}]") for name, value in predictions.items()}
    return checked if any(checked[name] is not value for name, value in predictions.items()) else predictions


def _checked_loss(loss: Any, mode: str | None) -> Any:
    if loss is None and mode in (ModeKeys.PREDICT, None):
        return None
    loss = _checked_tensor(_needed(loss, "loss", mode), "loss")
    shape = tf.TensorShape(loss.shape)
    if shape.rank == 0:
        return loss
    if shape.rank is None or shape.is_compatible_with([1] * shape.rank):  # where that is open, the step tells
        return tf.reshape(loss, [])
    raise ValueError(
        f"EstimatorSpec was given a loss of shape {shape}. A loss is a scalar. Reduce it, with tf.reduce_mean for one"
    )


def _checked_train_op(train_op: Any, mode: str | None) -> Any:
    if train_op is None:
        return _needed(train_op, "train_op", mode) if mode == ModeKeys.TRAIN else None
    if isinstance(train_op, tf.Operation):
        _check_graph(train_op, "train_op")
        return train_op
    _check_tensor(train_op, "train_op (or an operation)")
    return train_op


def _checked_metrics(metrics: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise TypeError(f"EstimatorSpec was given eval_metric_ops {metrics!r}. It takes a dict of name to metric")
    for name, metric in metrics.items():
        for part in tf.nest.flatten(metric) if isinstance(metric, tuple) else ():
            _check_graph(part, f"eval_metric_ops[{name!r}]")
        if not (isinstance(metric, keras.metrics.Metric | MetricOps) or _is_value_and_update(metric)):
            raise TypeError(
                f"EstimatorSpec was given eval_metric_ops[{name!r}] {metric!r}. "
                "It takes a Keras metric, updated in the model function, "
                "or a pair (value, update op) as tf.compat.v1.metrics returns"
            )
    return {name: MetricOps(m) if isinstance(m, keras.metrics.Metric) else m for name, m in metrics.items()}


def _is_value_and_update(metric: Any) -> bool:
    if not (isinstance(metric, tuple) and len(metric) == 2):
        return False
    values, update = tf.nest.flatten(metric[0]), metric[1]
    return all(_is_tensor(part) or isinstance(part, tf.Operation) for part in [*values, update])


def _checked_outputs(outputs: Any, predictions: Any) -> Mapping[str, ExportOutput]:
    """Export outputs with a `serving_default` among them."""
    if outputs is None:
        return {DEFAULT_SIGNATURE: PredictOutput(predictions)}
    if not isinstance(outputs, Mapping):
        raise TypeError(f"EstimatorSpec was given export_outputs {outputs!r}. It takes a dict of name to output")
    for name, output in outputs.items():
        if not isinstance(output, ExportOutput):
            raise TypeError(
                f"EstimatorSpec was given export_outputs[{name!r}] {output!r}. "
                "It takes a PredictOutput, RegressionOutput or ClassificationOutput"
            )
    if DEFAULT_SIGNATURE in outputs or not outputs:
        return dict(outputs)
    if len(outputs) != 1:
        raise ValueError(
            f"EstimatorSpec was given export_outputs {sorted(outputs)} without a default. "
            f"Of several outputs one is called {DEFAULT_SIGNATURE!r}. "
            "Rename the one that clients get when they name none"
        )
    return {**outputs, DEFAULT_SIGNATURE: next(iter(outputs.values()))}


def _checked_scaffold(scaffold: Any) -> Any:
    if scaffold is None or isinstance(scaffold, tf.compat.v1.train.Scaffold):
        return scaffold or tf.compat.v1.train.Scaffold()
    raise TypeError(f"EstimatorSpec was given scaffold {scaffold!r}. It takes a tf.compat.v1.train.Scaffold, or None")
