"""`tf.contrib.tpu`, which became `tf.tpu`."""

from __future__ import annotations

from typing import Any

from trainer.compat.v1 import tpu


def __getattr__(name: str) -> Any:
    return getattr(tpu, name)
