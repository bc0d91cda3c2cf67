"""`tf.estimator`, which is `trainer.estimator` with the places that its names had in TensorFlow 1."""

from __future__ import annotations

from typing import Any

from trainer import estimator
from trainer.compat import names

_OWN: dict[str, str] = {}
_ADVICE = {
    name: "Train boosted trees with TensorFlow Decision Forests or XGBoost"
    for name in ("BoostedTreesClassifier", "BoostedTreesRegressor", "BoostedTreesEstimator")
}


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and hasattr(estimator, name):
        return getattr(estimator, name)
    return names.found(__name__, name, _OWN, None, _ADVICE)
