"""Canned Estimators of TensorFlow 1: `tf.compat.v1.estimator` and `tf.contrib.estimator`."""
