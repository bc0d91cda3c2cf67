"""`tf.keras.layers`: those of Keras 3, and DenseFeatures."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {"DenseFeatures": "trainer.estimator.graph.inside.legacy_layers:dense_features"}
_ADVICE: dict[str, str] = {}
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "keras.layers", _ADVICE)
