"""What networks make of feature columns: one dense tensor, or a weighted sum of the features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned import categories
from trainer.estimator.canned.categories import DenseCategories
from trainer.estimator.graph.inside import feature_columns
from trainer.estimator.graph.inside.feature_columns import ColumnVariables

_NO_SCOPE = re.compile(r"[^A-Za-z0-9_.\-]")


def dense(features: dict[str, Any], columns: Iterable[Any]) -> tf.Tensor:
    """The columns beside each other in the order of their names, float32 [batch, sum of their sizes].

    Variables are `input_layer/<column>/…` in the open variable scope.

    Args:
      features: by their keys, dense or sparse tensors [batch, …].
      columns: dense ones.

    Raises:
      ValueError: no columns, two of one name, or one that has to be wrapped.
    """
    ordered = list(columns)
    if not feature_columns.all_second(ordered):
        return tf.compat.v1.feature_column.input_layer(features, ordered)
    ordered = _ordered(ordered)
    for column in ordered:
        if not feature_columns.is_dense(column):
            raise ValueError(
                f"A deep network was given the feature column {column}. It takes columns that give numbers. "
                "Wrap it in tf.feature_column.embedding_column or indicator_column"
            )
    variables, cache = ColumnVariables(), feature_columns.transformations(features)
    read = DenseCategories(cache, variables)
    with tf.compat.v1.variable_scope("input_layer"):
        parts = []
        for column in ordered:
            with tf.compat.v1.variable_scope(_scope(column)):
                column.create_state(variables)
                tensor = _numbers(column, read, variables)
                if tensor is None:
                    tensor = column.get_dense_tensor(cache, variables)
                parts.append(tf.reshape(tensor, [tf.shape(tensor)[0], column.variable_shape.num_elements()]))
        _check_batch(parts, ordered)
        return tf.concat(parts, -1)


def weighted_sum(
    features: dict[str, Any], columns: Iterable[Any], units: int, combiner: str
) -> tuple[tf.Tensor, Any, list[Any]]:
    """A linear function of the columns.

    Variables are `linear_model/<column>/weights` and `linear_model/bias_weights` in the open variable scope.

    Args:
      features: by their keys, dense or sparse tensors [batch, …].
      columns: dense or categorical ones.
      units: outputs.
      combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Returns:
      The function float32 [batch, units], its bias [units], and the weights [size of a column, units] of each column.

    Raises:
      ValueError: no columns, two of one name, or something that is none.
    """
    ordered = list(columns)
    if not feature_columns.all_second(ordered):
        made: dict[Any, Any] = {}
        total = tf.compat.v1.feature_column.linear_model(features, ordered, units, combiner, cols_to_vars=made)
        return total, made.pop("bias"), list(made.values())
    ordered = _ordered(ordered)
    variables, cache = ColumnVariables(), feature_columns.transformations(features)
    read = DenseCategories(cache, variables)
    sums, weights = [], []
    with tf.compat.v1.variable_scope("linear_model"):
        for column in ordered:
            with tf.compat.v1.variable_scope(_scope(column)):
                column.create_state(variables)
                shape = [_size(column), units]
                weights.append(tf.compat.v1.get_variable("weights", shape, initializer=_zeros(), use_resource=True))
                found = read.of(column)
                if found is not None:
                    sums.append(categories.looked_up(weights[-1], found, combiner))
                else:
                    sums.append(_summed(column, weights[-1], combiner, cache, variables))
        bias = tf.compat.v1.get_variable("bias_weights", [units], initializer=_zeros(), use_resource=True)
        _check_batch(sums, ordered)
        return tf.nn.bias_add(tf.add_n(sums), tf.convert_to_tensor(bias)), bias, weights


def check_second_version(columns: Sequence[Any]) -> None:
    """Refuses columns that only `tf.compat.v1.feature_column` makes.

    Raises:
      ValueError: there is one.
    """
    if columns and not feature_columns.all_second(columns):
        raise ValueError(
            "Feature columns of TensorFlow 1 were given to an Estimator of TensorFlow 2, which takes those of "
            "tf.feature_column. Make them there, or take the Estimator from tf.compat.v1.estimator"
        )


def _numbers(column: Any, read: DenseCategories, variables: ColumnVariables) -> tf.Tensor | None:
    """What an embedding or indicator column makes of dense features, [batch, size]; None for any other column."""
    if not isinstance(column, feature_columns.Embedding | feature_columns.Indicator):
        return None
    found = read.of(column.categorical_column)
    if found is None or type(column) is feature_columns.Indicator:
        return None if found is None else categories.indicated(found, column.categorical_column.num_buckets)
    # What restores itself, or gives no zeros for examples without a category, TensorFlow does itself.
    if column.ckpt_to_load_from is not None or not column.use_safe_embedding_lookup:
        return None
    weights = variables.get_variable(column, "embedding_weights")
    return categories.looked_up(weights, found, column.combiner, column.max_norm)


def _summed(column: Any, weights: Any, combiner: str, cache: Any, variables: ColumnVariables) -> tf.Tensor:
    """What a column adds to a linear function, float32 [batch, units]."""
    if not _is_categorical(column):
        tensor = column.get_dense_tensor(cache, variables)
        flat = tf.reshape(tensor, [tf.shape(tensor)[0], column.variable_shape.num_elements()])
        return tf.matmul(flat, tf.convert_to_tensor(weights))
    pair = column.get_sparse_tensors(cache, variables)
    # The sum over a row's categories is a lookup of their weights, which touches those rows alone.
    return tf.nn.safe_embedding_lookup_sparse(
        weights, _rows(pair.id_tensor), sparse_weights=_rows(pair.weight_tensor), combiner=combiner
    )


def _rows(sparse: tf.SparseTensor | None) -> tf.SparseTensor | None:
    """[batch, …] as [batch, all others]."""
    return None if sparse is None else tf.sparse.reshape(sparse, [tf.shape(sparse)[0], -1])


def _is_categorical(column: Any) -> bool:
    # One that is both, as a bucketized column is, has a weight for each bucket either way.
    return hasattr(column, "get_sparse_tensors")


def _size(column: Any) -> int:
    return int(column.num_buckets if _is_categorical(column) else column.variable_shape.num_elements())


def _ordered(columns: Sequence[Any]) -> list[Any]:
    """By name, as the rows of the first layer's kernel are in checkpoints."""
    if not columns:
        raise ValueError("No feature columns were given. A model takes at least one, of tf.feature_column")
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Duplicate feature column names: {', '.join(twice)}. Each column of a model has a name of its own. "
            "Leave one out, or give its feature another key"
        )
    for column in columns:
        if not (_is_categorical(column) or feature_columns.is_dense(column)):
            raise ValueError(
                f"A model was given the feature column {column!r}. It takes dense and categorical ones. "
                "Make them with tf.feature_column"
            )
    return sorted(columns, key=lambda column: str(column.name))


def _scope(column: Any) -> str:
    return _NO_SCOPE.sub("_", column.name)


def _zeros() -> Any:
    return tf.compat.v1.zeros_initializer()


def _check_batch(tensors: Sequence[tf.Tensor], columns: Sequence[Any]) -> None:
    """Refuses columns [batch, any] of different batch sizes, where these are known."""
    sizes = {column.name: tensor.shape.as_list()[0] for column, tensor in zip(columns, tensors, strict=True)}
    if len({size for size in sizes.values() if size is not None}) > 1:
        raise ValueError(f"Batch sizes of features differ: {sizes}. All are of one. Look at the input function")
