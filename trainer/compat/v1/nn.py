"""`tf.nn`, with the cells of `tf.nn.rnn_cell`."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN: dict[str, str] = {"rnn_cell": "trainer.compat.v1.rnn_cell"}
_ADVICE: dict[str, str] = {}
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1.nn", _ADVICE)
