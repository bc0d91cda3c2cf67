"""Features that an Estimator hands on to its predictions, so that whoever gets those can tell whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import DEFAULT_SIGNATURE, ExportOutput, PredictOutput
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.estimator import Estimator

_PREDICTING = (DEFAULT_SIGNATURE, "predict")


def forward_features(
    estimator: Estimator,
    keys: str | Sequence[str] | None = None,
    sparse_default_values: Mapping[str, Any] | None = None,
) -> Estimator:
    """An Estimator like the given one whose predictions, and signatures of predictions, have features too.

    Args:
      estimator: whose model function, directory and settings are used.
      keys: the names of the features, or one; None for all.
      sparse_default_values: by name, what a sparse feature has where it has nothing; such a feature becomes dense.

    Raises:
      TypeError: keys are something else.
    """
    wanted = [keys] if isinstance(keys, str) else keys
    if wanted is not None and not (isinstance(wanted, list | tuple) and all(isinstance(key, str) for key in wanted)):
        raise TypeError(f"forward_features was given keys {keys!r}. It takes a string, or a list of strings")

    def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        names = features if wanted is None else wanted
        forwarded = {name: _dense(features, name, sparse_default_values or {}) for name in names}
        predictions = _with(spec.predictions, forwarded)
        if mode != ModeKeys.PREDICT:
            return spec._replace(predictions=predictions)
        outputs = {name: _answering(name, output, forwarded) for name, output in (spec.export_outputs or {}).items()}
        return spec._replace(predictions=predictions, export_outputs=outputs)

    return estimator.with_model_fn(model_fn)


def _dense(features: Mapping[str, Any], key: str, defaults: Mapping[str, Any]) -> tf.Tensor:
    """A feature as a tensor [batch, …].

    Args:
      features: that the input function gave.
      key: of the feature.
      defaults: by key, what a sparse one has where it has nothing.

    Raises:
      ValueError: it is missing, or sparse without a default, or dense with one.
    """
    if key not in features:
        raise ValueError(
            f"forward_features was given the key {key!r}, and the features have {', '.join(map(repr, features))}. "
            "Take one of these"
        )
    feature = features[key]
    sparse = isinstance(feature, tf.SparseTensor)
    if sparse == (key in defaults) and not isinstance(feature, tf.RaggedTensor):
        return tf.sparse.to_dense(feature, defaults[key]) if sparse else tf.convert_to_tensor(feature)
    raise ValueError(
        f"Feature {key!r} is a {type(feature).__name__}, and sparse_default_values has {sorted(defaults)}. "
        "A feature that is forwarded is dense, or sparse and among them. Leave others out with keys=[…]"
    )


def _with(predictions: Any, forwarded: Mapping[str, tf.Tensor]) -> dict[Any, tf.Tensor]:
    """Predictions with features, [batch, …] each.

    Raises:
      ValueError: predictions are no dict, or have such a name already.
    """
    if not isinstance(predictions, Mapping):
        raise ValueError(f"forward_features adds to predictions that are a dict, and these are {predictions!r}")
    taken = sorted(set(predictions) & set(forwarded))
    if taken:
        raise ValueError(f"The model predicts {', '.join(map(repr, taken))} itself. Leave them out of keys")
    return {**predictions, **forwarded}


def _answering(name: str, output: ExportOutput, forwarded: Mapping[str, tf.Tensor]) -> ExportOutput:
    """A signature with features, [batch, …] each, if it gives predictions by that name; else as it is."""
    if name in _PREDICTING and isinstance(output, PredictOutput):
        return PredictOutput({**output.outputs, **forwarded})
    return output
