"""Whether numbers are finite: of a tensor in a graph, of values in hand, and of variables where they are."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_PROBED = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128)
_PARTS = {tf.complex64: tf.float32, tf.complex128: tf.float64}
_COUNTS = 3  # mode of the op: how many numbers there are, and how many of each kind are not finite


class Health(enum.IntFlag):
    """What is among some numbers."""

    FINITE = 0
    INFINITE = 1
    NAN = 2

    def __str__(self) -> str:
        return {0: "finite", 1: "infinite", 2: "NaN"}.get(int(self), "NaN and infinite")


def can_be_probed(tensor: tf.Tensor) -> bool:
    """Whether a tensor [...] is of a type that has infinities and NaN."""
    return tensor.dtype in _PROBED


def probe(tensor: tf.Tensor) -> tf.Tensor:
    """Counts what is not finite in a tensor [...], in one pass and without memory for it.

    Returns:
      float64 [5]: a number that means nothing, of elements, of -inf, of inf, of NaN.
    """
    if tensor.dtype in _PARTS:
        tensor = tf.bitcast(tensor, _PARTS[tensor.dtype])
    return tf.raw_ops.DebugNumericSummaryV2(
        input=tensor, output_dtype=tf.float64, tensor_debug_mode=_COUNTS, tensor_id=0
    )


def read_probe(counts: np.ndarray) -> Health:
    """What a `probe`, float64 [5], has found."""
    _, _, below, above, nans = counts
    return (Health.NAN if nans else Health.FINITE) | (Health.INFINITE if below or above else Health.FINITE)


def of_array(values: np.ndarray) -> Health:
    """Of values [...] of any type."""
    if values.dtype.kind not in "fcV":  # V: bfloat16, which numpy does not know
        return Health.FINITE
    wide = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
    nan = Health.NAN if np.isnan(wide).any() else Health.FINITE
    return nan | (Health.INFINITE if np.isinf(wide).any() else Health.FINITE)


def of_variables(variables: Mapping[str, Any]) -> dict[str, Health]:
    """Those of some variables that are not finite, by name; each is looked at on the device where it is.

    Args:
      variables: `tf.Variable`s of any shapes, or such that consist of several `shards`.
    """
    probes: dict[str, list[tf.Tensor]] = {}
    for name, variable in variables.items():
        probes[name] = [_probed(piece) for piece in _pieces(variable) if can_be_probed(piece)]
    found = {name: [read_probe(counts.numpy()) for counts in counted] for name, counted in probes.items()}
    healths = {name: _all_of(each) for name, each in found.items()}
    return {name: health for name, health in healths.items() if health}


def _pieces(variable: Any) -> Iterable[tf.Variable]:
    return getattr(variable, "shards", None) or [variable]


def _probed(variable: tf.Variable) -> tf.Tensor:
    """The probe, float64 [5], of a variable."""
    with tf.device(variable.device):
        return probe(variable.read_value())


def _all_of(each: Iterable[Health]) -> Health:
    found = Health.FINITE
    for health in each:
        found |= health
    return found
