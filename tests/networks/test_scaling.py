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
