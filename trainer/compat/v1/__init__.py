"""TensorFlow 2's `tf.compat.v1` with what it lost: `import trainer.compat.v1 as tf` in a program of TensorFlow 1.

Nothing in TensorFlow is swapped: what is not here comes from there as it is.
"""

from __future__ import annotations

from typing import Any

from trainer.compat import dotted, names

_OWN = {
    name: f"{__name__}.{name}"
    for name in ("contrib", "estimator", "feature_column", "keras", "layers", "lookup", "nn", "tpu", "train")
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1", {})


def __dir__() -> list[str]:
    import tensorflow as tf

    return sorted({*dir(tf.compat.v1), *_OWN})


dotted.offer(__name__)
