"""Categories of features as dense ids, whose shapes the values do not change, so that XLA compiles what follows.

TensorFlow's columns make sparse tensors of dense features first, with as many ids as there are values. Here a missing
value keeps its place. A vocabulary of "cook" and "baker" on a batch of three::

    [["cook"], [""], ["smith"]]   ids [[0], [-1], [-1]]   present [[True], [False], [True]]

What comes of it is the same, to the rows of a table that a step changes: an example without a category looks up row 0,
as it does in TensorFlow, and its result and gradient are zeros.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside import feature_columns
from trainer.estimator.graph.inside.feature_columns import ColumnVariables


@dataclasses.dataclass(frozen=True, kw_only=True)
class Categories:
    """Of the examples of a batch.

    Attributes:
      ids: int64 [batch, n]; below 0 for values that are of no category.
      present: bool [batch, n], False where there is no value, whatever the id; None where there is one everywhere.
      limit: what the ids have to be below, where nothing but the data says so; None where they are.
    """

    ids: tf.Tensor
    present: tf.Tensor | None = None
    limit: int | None = None

    @property
    def known(self) -> tf.Tensor:
        """Which of them are of a category, bool [batch, n]."""
        is_category = self.ids >= 0
        return is_category if self.present is None else is_category & self.present


class DenseCategories:
    """The categories of columns, where they can be had from dense features.

    Args:
      cache: of what columns compute from the features.
      variables: of the columns.
    """

    def __init__(self, cache: Any, variables: ColumnVariables) -> None:
        self._cache, self._variables = cache, variables
        self._known: dict[Any, Categories | None] = {}

    def of(self, column: Any) -> Categories | None:
        """The categories of a column; None where its features are not dense, or it is of another kind."""
        if column not in self._known:
            self._known[column] = self._read(column)
        return self._known[column]

    def _read(self, column: Any) -> Categories | None:
        # By the very class: a subclass may do something else.
        if type(column) in feature_columns.OF_ONE_FEATURE:
            return self._of_feature(column)
        if type(column) is feature_columns.Bucketized:
            return self._buckets(column)
        return self._crossed(column) if type(column) is feature_columns.Crossed else None

    def _values(self, key: str) -> tf.Tensor | None:
        """A feature [batch, n] of texts or whole numbers; None where it is not dense, or n is not known."""
        values = self._cache.get(key, self._variables)
        dense = isinstance(values, tf.Tensor) and values.shape.rank == 2 and values.shape[1] is not None
        return values if dense and (values.dtype == tf.string or values.dtype.is_integer) else None

    def _of_feature(self, column: Any) -> Categories | None:
        values = self._values(column.key)
        if values is None:
            return None
        # A sparse tensor with all values; a column looks at these alone, and its ids come in their order.
        flat, shape = tf.reshape(values, [-1]), tf.shape(values, tf.int64)
        whole = tf.SparseTensor(tf.zeros([tf.size(values), 2], tf.int64), flat, shape)
        given = feature_columns.transformations({column.key: whole})
        ids = tf.reshape(tf.cast(column.transform_feature(given, self._variables).values, tf.int64), tf.shape(values))
        missing = tf.constant("" if values.dtype == tf.string else -1, values.dtype)
        unlimited = type(column) is feature_columns.Identity and column.default_value is None
        limit = column.num_buckets if unlimited else None
        return Categories(ids=ids, present=tf.not_equal(values, missing), limit=limit)

    def _buckets(self, column: Any) -> Categories | None:
        """Of numbers, each of which has buckets of its own."""
        buckets = self._cache.get(column, self._variables)
        if len(column.source_column.shape) != 1 or buckets.shape.rank != 2:
            return None
        numbers = tf.range(column.source_column.shape[0], dtype=tf.int64)
        return Categories(ids=tf.cast(buckets, tf.int64) + (len(column.boundaries) + 1) * numbers)

    def _crossed(self, column: Any) -> Categories | None:
        """Of all pairs, triples, … of the categories of columns and the values of features."""
        columns, features = [], []
        for key in leaves(column):
            if isinstance(key, str):
                values = self._values(key)
                features.append(None if values is None else Categories(ids=values))
            else:
                columns.append(self.of(key))
        # TensorFlow's crosses hash the categories of columns first. A feature's missing value is a value to them.
        crossed = [*columns, *features]
        if any(one is None for one in crossed):
            return None
        parts = [one for one in crossed if one is not None]
        ids = tf.sparse.cross_hashed([one.ids for one in parts], column.hash_bucket_size, column.hash_key).values
        size = math.prod(int(one.ids.shape[1]) for one in parts)
        return Categories(ids=tf.reshape(ids, _batch_of(parts[0].ids, size)), present=_all_present(parts))


def leaves(column: Any) -> list[Any]:
    """What a crossed column crosses: features by their keys, and columns; those of crosses within it among them."""
    is_cross = [isinstance(key, feature_columns.Crossed) for key in column.keys]
    found = [leaves(key) if cross else [key] for key, cross in zip(column.keys, is_cross, strict=True)]
    return [leaf for several in found for leaf in several]


def looked_up(weights: Any, categories: Categories, combiner: str, max_norm: float | None = None) -> tf.Tensor:
    """The sum, mean or sum over the root of the number of the categories' rows, float32 [batch, size of a row].

    Args:
      weights: a variable [rows, size], whole or divided.
      categories: whose rows are taken; zeros for an example that has none.
      combiner: `sum`, `mean` or `sqrtn`.
      max_norm: a longer row is shortened to it; None for none.
    """
    known = categories.known
    ids = tf.where(known, _checked(categories), 0)
    # The place of a missing category takes a row that the example looks up anyway, so no other row is changed.
    ids = tf.where(known, ids, tf.reduce_max(ids, 1, keepdims=True))
    listed = list(weights) if not isinstance(weights, tf.Variable | tf.Tensor) else weights
    rows = tf.compat.v1.nn.embedding_lookup(listed, ids, partition_strategy="div", max_norm=max_norm)
    total = tf.reduce_sum(tf.where(known[:, :, tf.newaxis], rows, 0.0), 1)
    if combiner == "sum" or ids.shape[1] == 1:
        return total
    count = tf.reduce_sum(tf.cast(known, total.dtype), 1, keepdims=True)
    return tf.math.divide_no_nan(total, tf.sqrt(count) if combiner == "sqrtn" else count)


def indicated(categories: Categories, size: int) -> tf.Tensor:
    """How often an example has each of `size` categories, float32 [batch, size]."""
    ids = tf.where(categories.known, categories.ids, -1)
    return tf.reduce_sum(tf.one_hot(ids, size), 1)


def _checked(categories: Categories) -> tf.Tensor:
    """The ids, int64 [batch, n], which a step refuses that are too large: XLA would take the last row for them."""
    if categories.limit is None:
        return categories.ids
    below = tf.reduce_all(tf.where(categories.known, categories.ids, 0) < categories.limit)
    message = f"A categorical_column_with_identity was given a number that is not below num_buckets={categories.limit}"
    check = tf.raw_ops.Assert(condition=below, data=[tf.constant(message)])
    with tf.control_dependencies([check]):
        return tf.identity(categories.ids)


def _all_present(parts: Sequence[Categories]) -> tf.Tensor | None:
    """Which of the combinations [batch, n1 · n2 · …] have all of their values, the last part's changing first."""
    if all(part.present is None for part in parts):
        return None
    each = [tf.ones_like(part.ids, tf.bool) if part.present is None else part.present for part in parts]

    def both(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        pairs = one[:, :, tf.newaxis] & other[:, tf.newaxis, :]
        return tf.reshape(pairs, _batch_of(pairs, int(pairs.shape[1]) * int(pairs.shape[2])))

    return functools.reduce(both, each)


def _batch_of(tensor: tf.Tensor, size: int) -> Any:
    """The shape [batch, size] for the batch of a tensor [batch, …], with numbers where they are known."""
    return [tensor.shape[0] if tensor.shape[0] is not None else tf.shape(tensor)[0], size]
