from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer.formats.schema import Schema
from trainer.networks import scaling

SCHEMA = Schema(steps=2, columns=("a", "b"), horizon=1, targets=("b",), mean=(10.0, 100.0), scale=(2.0, 50.0))


def test_each_column_is_standardised_by_its_own_mean_and_deviation():
    values = tf.constant([[[12.0, 100.0], [8.0, 200.0]]])
    np.testing.assert_array_equal(scaling.standardize_values(values, SCHEMA), [[[1.0, 0.0], [-1.0, 2.0]]])


def test_targets_are_standardised_as_the_column_that_they_are():
    np.testing.assert_array_equal(scaling.standardize_targets(tf.constant([[[150.0]]]), SCHEMA), [[[1.0]]])


def test_restoring_undoes_standardising():
    targets = tf.constant([[[150.0]], [[-3.0]]])
    restored = scaling.restore_targets(scaling.standardize_targets(targets, SCHEMA), SCHEMA)
    np.testing.assert_allclose(restored, targets, rtol=1e-6)


def test_a_target_that_is_no_feature_column_keeps_its_units():
    schema = dataclasses.replace(SCHEMA, targets=("c",))
    np.testing.assert_array_equal(scaling.standardize_targets(tf.constant([[[150.0]]]), schema), [[[150.0]]])


def test_values_of_another_shape_than_the_schemas_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1,3,2\]"):
        scaling.standardize_values(tf.zeros([1, 3, 2]), SCHEMA)


FAR = Schema(steps=2, columns=("a",), horizon=1, targets=("a",), mean=(1e9,), scale=(0.5,), dtype="float64")


def test_values_far_from_zero_are_standardised_in_the_type_that_they_have():
    values = tf.constant([[[1e9 + 0.125], [1e9 - 0.25]]], tf.float64)
    standardized = scaling.standardize_values(values, FAR)
    assert standardized.dtype == tf.float32
    np.testing.assert_array_equal(standardized, [[[0.25], [-0.5]]])


def test_forecasts_and_errors_of_values_far_from_zero_keep_their_digits():
    forecast = scaling.restore_targets(tf.constant([[[0.25]]]), FAR)
    np.testing.assert_array_equal(forecast, np.array([[[1e9 + 0.125]]]))
    np.testing.assert_array_equal(scaling.errors(forecast, tf.constant([[[1e9]]], tf.float64), FAR), [[[0.125]]])
