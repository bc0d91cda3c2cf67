"""`tf.keras`: Keras 3, with `estimator` and the layer of feature columns."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {"estimator": "trainer.compat.v1.keras_estimator", "layers": "trainer.compat.v1.keras_layers"}
_ADVICE: dict[str, str] = {}
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "keras", _ADVICE)
