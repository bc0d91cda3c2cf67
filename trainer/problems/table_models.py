"""Models of tables: linear, dense layers over embeddings, or both at once (Cheng et al. 2016, Wide & Deep)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats.tables.schema import TableSchema

if TYPE_CHECKING:
    import tensorflow as tf


class Model(enum.Enum):
    LINEAR = "linear"
    DNN = "dnn"
    WIDE_DEEP = "wide_deep"


def outputs(features: dict[str, tf.Tensor], schema: TableSchema, params: Any, *, training: bool) -> tf.Tensor:
    """What the model that `params.model` names gives.

    Args:
      features: {"numbers": float32 [batch, numbers], "categories": int32 [batch, categories]}; one may be missing.
      schema: of the table.
      params: with model, hidden_units, embedding_dim and dropout.
      training: whether units are dropped out.

    Returns:
      float32 [batch, outputs]: logits of classes, of which two have one, or the standardised label.
    """
    count = 1 if len(schema.classes) <= 2 else len(schema.classes)
    parts = []
    if params.model in (Model.LINEAR, Model.WIDE_DEEP):
        parts.append(_wide(features, schema, count))
    if params.model in (Model.DNN, Model.WIDE_DEEP):
        parts.append(_deep(features, schema, count, params, training=training))
    return sum(parts[1:], start=parts[0])


def _rows(features: dict[str, tf.Tensor], schema: TableSchema, dim: int, name: str, start: str) -> tf.Tensor:
    """Rows of one table for all categories, one below the other: float32 [batch, categories, dim]."""
    import keras
    import tensorflow as tf

    sizes = [*schema.category_sizes.values()]
    first = tf.constant(np.cumsum([0, *sizes[:-1]]), tf.int32)
    table = keras.layers.Embedding(sum(sizes), dim, embeddings_initializer=start, name=name)
    rows: tf.Tensor = table(features["categories"] + first)
    return rows


def _wide(features: dict[str, tf.Tensor], schema: TableSchema, count: int) -> tf.Tensor:
    """A weight for each number and for each value of a category: float32 [batch, count]."""
    import keras
    import tensorflow as tf

    parts = []
    if "numbers" in features:
        layer = keras.layers.Dense(count, use_bias=False, kernel_initializer="zeros", name="wide_numbers")
        parts.append(layer(features["numbers"]))
    if "categories" in features:
        parts.append(tf.reduce_sum(_rows(features, schema, count, "wide_categories", "zeros"), axis=1))
    bias = tf.Variable(tf.zeros([count]), name="wide_bias")
    return sum(parts, start=bias)


def _deep(features: dict[str, tf.Tensor], schema: TableSchema, count: int, params: Any, *, training: bool) -> tf.Tensor:
    """Rectified layers over numbers and embeddings, then a linear one: float32 [batch, count].

    Args:
      features: of `outputs`.
      schema: of the table.
      count: of outputs.
      params: with hidden_units, embedding_dim and dropout.
      training: whether units are dropped out.
    """
    import keras
    import tensorflow as tf

    parts = [features["numbers"]] if "numbers" in features else []
    if "categories" in features:
        rows = _rows(features, schema, params.embedding_dim, "embeddings", "uniform")
        parts.append(tf.reshape(rows, [-1, len(schema.category_sizes) * params.embedding_dim]))
    units = tf.concat(parts, axis=1)
    for number, size in enumerate(params.hidden_units, start=1):
        layer = keras.layers.Dense(size, activation="relu", kernel_initializer="he_normal", name=f"hidden_{number}")
        units = layer(units)
        if training and params.dropout:
            units = tf.nn.dropout(units, params.dropout)
    start = keras.initializers.RandomNormal(stddev=0.01)
    result: tf.Tensor = keras.layers.Dense(count, kernel_initializer=start, name="deep_outputs")(units)
    return result
