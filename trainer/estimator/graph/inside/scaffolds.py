"""What a `Scaffold`'s Saver was told: under which names a checkpoint has the variables."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def saved_as(saver: Any) -> dict[str, Any]:
    """The variables of a `tf.train.Saver` that was given a map, by the names in the checkpoint; {} for another."""
    given = getattr(saver, "_var_list", None)
    if not isinstance(given, dict):
        return {}
    return {name: variable for name, variable in given.items() if isinstance(variable, tf.Variable)}
