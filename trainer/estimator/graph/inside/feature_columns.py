"""What TensorFlow's feature columns ask of whoever computes with them, which it keeps below `__internal__`.

The classes of columns are of no public name, and what a column does is known by its class alone.

A column says what it computes; a state manager makes its variables, and a cache computes no transformation twice. Both
are passed to the columns' own methods, which are public by their spelling. `tf.keras.layers.DenseFeatures` had them
ready, but is not in Keras 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.feature_column import feature_column_v2

OF_ONE_FEATURE = (
    feature_column_v2.HashedCategoricalColumn,
    feature_column_v2.IdentityCategoricalColumn,
    feature_column_v2.VocabularyFileCategoricalColumn,
    feature_column_v2.VocabularyListCategoricalColumn,
)
"""Columns whose categories are those of the values of a feature, each by itself."""
Bucketized = feature_column_v2.BucketizedColumn
Crossed = feature_column_v2.CrossedColumn
Embedding = feature_column_v2.EmbeddingColumn
Identity = feature_column_v2.IdentityCategoricalColumn
Indicator = feature_column_v2.IndicatorColumn

_COLUMNS = tf.__internal__.feature_column


class ColumnVariables(tf.__internal__.feature_column.StateManager):
    """Makes the variables of columns with `get_variable`, in the scope and with the partitioner that are open."""

    def __init__(self) -> None:
        super().__init__(None, True)
        self._made: dict[tuple[Any, str], Any] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Sequence[int],
        dtype: Any = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Any:
        """A variable of a column, as the column asks for it.

        Args:
          feature_column: that asks.
          name: within the column.
          shape: of the variable.
          dtype: of it; None for float32.
          trainable: whether it is trained.
          use_resource: whether it is a resource variable.
          initializer: as `get_variable` takes it.
        """
        variable = tf.compat.v1.get_variable(
            name, shape, dtype or tf.float32, initializer, trainable=trainable, use_resource=use_resource
        )
        self._made[feature_column, name] = variable
        return variable

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """The variable that the column asked for."""
        return self._made[feature_column, name]


def transformations(features: dict[str, Any]) -> Any:
    """The cache of what columns compute from features, a dict of dense or sparse tensors [batch, …]."""
    return _COLUMNS.FeatureTransformationCache(features)


def is_column(column: Any) -> bool:
    """Whether it is a feature column of `tf.feature_column`, of either version of TensorFlow."""
    return isinstance(column, _COLUMNS.FeatureColumn)


def is_dense(column: Any) -> bool:
    """Whether a column gives numbers, so that it can be the input of a layer."""
    return isinstance(column, _COLUMNS.DenseColumn)


def all_second(columns: Iterable[Any]) -> bool:
    """Whether columns take a state manager; those that only `tf.compat.v1.feature_column` makes do not."""
    return all(is_column(column) and column._is_v2_column for column in columns)
