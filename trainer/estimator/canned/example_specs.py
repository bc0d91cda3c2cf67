"""How serialized examples are parsed for canned Estimators: their features, the label and the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from trainer.estimator.heads.checks import is_numeric_column


def classifier_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """What `tf.io.parse_example` takes for a classifier.

    Args:
      feature_columns: of the Estimator.
      label_key: of the label, [1] an example.
      label_dtype: int64, or string where the Estimator has a label vocabulary.
      label_default: the label of an example that has none; None makes such an example an error.
      weight_column: of the Estimator: a name or a numeric column; None for none.

    Raises:
      ValueError: a feature is called like the label or the weights, or another kind of column for the weights.
    """
    return _spec(feature_columns, label_key, tf.io.FixedLenFeature((1,), label_dtype, label_default), weight_column)


def regressor_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """What `tf.io.parse_example` takes for a regressor.

    Args:
      feature_columns: of the Estimator.
      label_key: of the label, [label_dimension] an example.
      label_dtype: of the label.
      label_default: the label of an example that has none; None makes such an example an error.
      label_dimension: how many values a label has.
      weight_column: of the Estimator: a name or a numeric column; None for none.

    Raises:
      ValueError: a feature is called like the label or the weights, or another kind of column for the weights.
    """
    label = tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _spec(feature_columns, label_key, label, weight_column)


def _spec(feature_columns: Iterable[Any], label_key: str, label: Any, weight_column: Any) -> dict[str, Any]:
    columns = tf.feature_column.make_parse_example_spec(list(feature_columns))
    if label_key in columns:
        raise ValueError(
            f"label_key is {label_key!r}, and a feature column reads {label_key!r} too. "
            "The label has a key of its own. Take that column out of feature_columns"
        )
    spec = {**columns, label_key: label}
    if weight_column is None:
        return spec
    weights = tf.feature_column.numeric_column(weight_column) if isinstance(weight_column, str) else weight_column
    if not is_numeric_column(weights):
        raise ValueError(
            f"weight_column is {weight_column!r}. It takes a name or a tf.feature_column.numeric_column. Give one"
        )
    if weights.key in spec:
        raise ValueError(
            f"weight_column is {weights.key!r}, and a feature column or the label reads {weights.key!r} too. "
            "Weights have a key of their own. Take that column out of feature_columns"
        )
    return spec | weights.parse_example_spec
