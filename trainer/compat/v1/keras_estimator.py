"""`tf.keras.estimator`."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {"model_to_estimator": "trainer.estimator:model_to_estimator"}
_ADVICE: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
