"""Copies of programs for tf.estimator that run here: what is rewritten, and what is reported."""
