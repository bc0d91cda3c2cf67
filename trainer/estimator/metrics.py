"""Metrics added to an Estimator from outside its model function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainer.estimator.contract.arguments import accepted, argument_names
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.estimator import Estimator

_ARGUMENTS = {"features", "labels", "predictions", "config"}


def add_metrics(estimator: Estimator, metric_fn: Callable[..., Mapping[str, Any]]) -> Estimator:
    """An Estimator like the given one that evaluates further metrics.

    Args:
      estimator: whose model function, directory and settings are used.
      metric_fn: takes any of features, labels, predictions and config, and returns metrics as `eval_metric_ops` does. A
        metric of a name that the model has takes its place.

    Raises:
      ValueError: metric_fn takes something else.
    """
    unknown = argument_names(metric_fn) - _ARGUMENTS
    if unknown:
        raise ValueError(
            f"metric_fn takes {', '.join(sorted(unknown))}. It may take {', '.join(sorted(_ARGUMENTS))}. "
            "Leave the others out"
        )

    def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        arguments = {"features": features, "labels": labels, "predictions": spec.predictions, "config": config}
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **metric_fn(**accepted(metric_fn, arguments))})

    return estimator.with_model_fn(model_fn)
