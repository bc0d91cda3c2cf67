"""`tf.nn.rnn_cell`, as tf_keras has kept it."""

from __future__ import annotations

from typing import Any

from trainer.compat import names
from trainer.estimator.graph.inside import legacy_layers


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    legacy = legacy_layers.module("rnn_cell")
    return getattr(legacy, name) if hasattr(legacy, name) else names.found(__name__, name, {}, None, {})
