"""Dense categories give what TensorFlow's columns give by sparse tensors, and change the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.canned import categories
from trainer.estimator.canned.categories import Categories, DenseCategories
from trainer.estimator.graph.inside import feature_columns
from trainer.estimator.graph.inside.feature_columns import ColumnVariables

fc = tf.feature_column
JOB = fc.categorical_column_with_vocabulary_list("job", ["cook", "smith"], num_oov_buckets=0)
FEATURES: dict[str, Any] = {
    # Missing, unknown and repeated values, and an example that has none.
    "job": [["cook", "smith"], ["", "smith"], ["", ""], ["baker", "cook"], ["smith", "smith"]],
    "town": [["a"], ["b"], [""], ["a"], ["c"]],
    "size": np.int64([[2, 0], [-1, 4], [-1, -1], [1, 1], [3, -1]]),
    "age": np.float32([[1, 50], [20, 30], [0, 0], [90, 1], [30, 20]]),
    "flat": ["x", "", "y", "x", "z"],
}
AGE = fc.bucketized_column(fc.numeric_column("age", shape=2), [10, 40])
SIZE = fc.categorical_column_with_identity("size", 5)
COLUMNS = {
    "vocabulary": JOB,
    "vocabulary with others": fc.categorical_column_with_vocabulary_list("job", ["smith"], num_oov_buckets=2),
    "hash": fc.categorical_column_with_hash_bucket("town", 7),
    "hash of numbers": fc.categorical_column_with_hash_bucket("size", 7, tf.int64),
    "hash of rank 1": fc.categorical_column_with_hash_bucket("flat", 7),
    "identity": SIZE,
    "identity with a default": fc.categorical_column_with_identity("size", 3, default_value=1),
    "buckets": AGE,
    "cross of features": fc.crossed_column(["job", "town"], 11),
    "cross of both": fc.crossed_column(["town", JOB, "flat", AGE], 13, hash_key=5),
    "cross of columns": fc.crossed_column([SIZE, JOB, "town"], 9),
    "cross of crosses": fc.crossed_column(["town", fc.crossed_column(["job", SIZE], 4)], 9),
}


def features() -> dict[str, tf.Tensor]:
    return {key: tf.constant(value) for key, value in FEATURES.items()}


def read(column: Any, given: dict[str, Any]) -> Categories | None:
    return DenseCategories(feature_columns.transformations(given), ColumnVariables()).of(column)


def of_tensorflow(column: Any) -> tf.SparseTensor:
    cache = feature_columns.transformations(features())
    sparse = column.get_sparse_tensors(cache, ColumnVariables()).id_tensor
    return tf.SparseTensor(sparse.indices, tf.cast(sparse.values, tf.int64), sparse.dense_shape)


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_lookup_and_the_rows_that_it_changes_are_tensorflows(name: str, combiner: str) -> None:
    column = COLUMNS[name]
    table = np.random.default_rng(0).normal(size=[column.num_buckets, 3]).astype(np.float32)

    def gradients(lookup: Any) -> tuple[tf.Tensor, set[int], np.ndarray]:
        weights = tf.Variable(table)
        with tf.GradientTape() as tape:
            result = lookup(weights)
            loss = tf.reduce_sum(result * tf.reshape(tf.range(15.0), [5, 3]))
        slices = tape.gradient(loss, weights)
        return result, set(slices.indices.numpy().tolist()), tf.convert_to_tensor(slices).numpy()

    def ours(weights: tf.Variable) -> tf.Tensor:
        found = read(column, features())
        assert found is not None
        return categories.looked_up(weights, found, combiner, max_norm=1.5)

    def theirs(weights: tf.Variable) -> tf.Tensor:
        return tf.nn.safe_embedding_lookup_sparse(weights, of_tensorflow(column), combiner=combiner, max_norm=1.5)

    (result, rows, gradient), (expected, changed, steepness) = gradients(ours), gradients(theirs)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    assert rows == changed
    np.testing.assert_allclose(gradient, steepness, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", COLUMNS)
def test_indicators_are_tensorflows(name: str) -> None:
    column = COLUMNS[name]
    found = read(column, features())
    assert found is not None
    indicator = fc.indicator_column(column)
    expected = indicator.get_dense_tensor(feature_columns.transformations(features()), ColumnVariables())
    np.testing.assert_array_equal(categories.indicated(found, column.num_buckets), expected)


def test_a_vocabulary_of_a_file_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "jobs.txt").write_text("smith\nbaker\n")
    found = read(fc.categorical_column_with_vocabulary_file("job", str(tmp_path / "jobs.txt")), features())
    assert found is not None
    assert found.ids.numpy()[3].tolist() == [1, -1]


def test_columns_of_sparse_features_and_of_other_kinds_are_left_to_tensorflow() -> None:
    sparse = {**features(), "job": tf.sparse.from_dense([[1, 0]])}
    assert read(JOB, sparse) is None
    assert read(fc.crossed_column(["job", "town"], 3), sparse) is None
    assert read(fc.weighted_categorical_column(JOB, "age"), features()) is None
    assert read(fc.sequence_categorical_column_with_identity("size", 5), features()) is None


def test_a_number_that_is_no_category_is_refused() -> None:
    found = read(SIZE, {"size": tf.constant([[1], [7]], tf.int64)})
    assert found is not None
    with pytest.raises(tf.errors.InvalidArgumentError, match="not below num_buckets=5"):
        categories.looked_up(tf.Variable(tf.zeros([5, 2])), found, "sum")
