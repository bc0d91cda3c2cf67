"""`tf.tpu` and `tf.contrib.tpu`, off the TPU."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_GIVEN = (
    "CrossShardOptimizer",
    "InputPipelineConfig",
    "RunConfig",
    "TPUConfig",
    "TPUEstimator",
    "TPUEstimatorSpec",
)
_OWN = {name: f"trainer.estimator.tpu:{name}" for name in _GIVEN}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1.tpu", {})
