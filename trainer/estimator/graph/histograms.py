"""Histograms of summaries, as TensorBoard shows them, in ops that XLA compiles.

`tf.summary.histogram` branches on what the values are, so that nobody knows the shape of its result before it runs.
"""

from __future__ import annotations

import tensorflow as tf

_COUNT = 30
METADATA = tf.compat.v1.SummaryMetadata(plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="histograms"))


def buckets(values: tf.Tensor) -> tf.Tensor:
    """Buckets between the least and the greatest of values [...]: float64 [30, 3] of left edge, right edge and count.

    Where all values are equal the last bucket has them all; without values all is 0.
    """
    flat = tf.cast(tf.reshape(values, [-1]), tf.float64)
    low, high = tf.reduce_min(flat), tf.reduce_max(flat)
    width = (high - low) / _COUNT
    places = tf.cast(tf.floor((flat - low) / tf.where(width > 0, width, 1.0)), tf.int32)
    places = tf.where(width > 0, tf.clip_by_value(places, 0, _COUNT - 1), _COUNT - 1)
    counts = tf.reduce_sum(tf.one_hot(places, _COUNT, dtype=tf.float64), 0)
    left = low + width * tf.range(_COUNT, dtype=tf.float64)
    right = tf.concat([left[1:], [high]], 0)
    # The least of no values is infinite, and so are the edges.
    return tf.where(tf.size(flat) > 0, tf.stack([left, right, counts], 1), tf.zeros([_COUNT, 3], tf.float64))
