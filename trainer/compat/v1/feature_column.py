"""`tf.feature_column`, with the columns that share an embedding."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.compat import names

__path__: list[str] = []  # imports go through it, see dotted.py


def shared_embedding_columns(*arguments: Any, **settings: Any) -> list[Any]:
    """Columns that share one embedding, for `input_layer` and the Estimators of TensorFlow 1.

    TensorFlow makes them in a graph alone, which a program of TensorFlow 1 always had around it. They keep nothing of
    it: the embedding is made where they are used.
    """
    with tf.Graph().as_default():
        columns: list[Any] = tf.compat.v1.feature_column.shared_embedding_columns(*arguments, **settings)
        return columns


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, {}, "compat.v1.feature_column", {})
