"""Training jobs for TensorFlow in the programming model of tf.estimator: one model function, one input function."""

__version__ = "0.1.0"

from trainer.problem import Problem

__all__ = ["Problem"]
