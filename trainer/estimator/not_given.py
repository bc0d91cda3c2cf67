"""Names of tf.estimator that are not here, and what to use in their place."""

from __future__ import annotations

_TREES = "Train boosted trees with TensorFlow Decision Forests or XGBoost: TensorFlow has no kernels for them any more"
_RECURRENT = "Write a model function with tf.nn.dynamic_rnn or keras.layers.LSTM and a head"
ADVICE = {
    "BoostedTreesClassifier": _TREES,
    "BoostedTreesEstimator": _TREES,
    "BoostedTreesRegressor": _TREES,
    "RNNClassifier": _RECURRENT,
    "RNNEstimator": _RECURRENT,
    "KMeans": "Cluster with sklearn.cluster.MiniBatchKMeans, or with tf.raw_ops.NearestNeighbors in a model function",
    "LinearSDCA": "Train linear models with optimizer='Ftrl', which has l1 and l2 penalties too",
}


def missing(module: str, name: str) -> AttributeError:
    """The error of a module that is asked for a name that it does not have."""
    advice = f" {ADVICE[name]}" if name in ADVICE else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}.{advice}", name=name)
