"""Histograms are those of TensorBoard, and of a shape that is known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.histogram import summary_v2

from trainer.estimator.graph import histograms


@pytest.mark.parametrize("values", [[0.5, 1.0, 1.5, 7.0, -2.0], [3.0, 3.0], list(range(100))])
def test_buckets_are_those_of_tensorboard(values: list[float]) -> None:
    expected = summary_v2.histogram_pb("tag", np.array(values)).value[0]
    np.testing.assert_allclose(histograms.buckets(tf.constant(values)), tf.make_ndarray(expected.tensor), atol=1e-9)
    assert expected.metadata.SerializeToString() == histograms.METADATA.SerializeToString()


def test_no_values_have_empty_buckets() -> None:
    np.testing.assert_array_equal(histograms.buckets(tf.zeros([0, 3])), np.zeros([30, 3]))


def test_the_shape_is_known_whatever_that_of_the_values_is() -> None:
    assert tf.function(histograms.buckets).get_concrete_function(tf.TensorSpec(None)).output_shapes == [30, 3]
