"""`tf.train`, with the hook whose own makes a Session's writer."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {"ProfilerHook": "trainer.estimator:ProfilerHook"}
_ADVICE: dict[str, str] = {}
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1.train", _ADVICE)
