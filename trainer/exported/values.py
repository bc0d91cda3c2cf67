"""Values of JSON as arrays of the types and shapes that a signature takes, and back.

The mapping is that of TensorFlow Serving's REST interface (https://www.tensorflow.org/tfx/serving/api_rest): numbers,
booleans and nested lists as they are, strings as UTF-8, bytes as `{"b64": "…"}`, and the tokens NaN and Infinity.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.exported.signatures import Port

BYTES_SUFFIX = "_bytes"
"""Ends the names of outputs that are answered as `{"b64": "…"}`, whatever they hold."""
_MOST_SHOWN = 60


class ValueFault(ValueError):
    """A value that an input does not take, said in words for whoever sent it."""


def array(values: Any, port: Port, *, has_bools: bool = True) -> np.ndarray:
    """What was sent for an input.

    Args:
      values: as JSON has them, rows in the outer list.
      port: of the signature.
      has_bools: whether `true` or `false` may be among numbers, where they have no business; looking costs time.

    Returns:
      The array, of the port's type and shape.

    Raises:
      ValueFault: another kind of value, another shape, a number out of range.
    """
    if port.dtype == tf.string:
        found = _strings(values, port)
    else:
        if has_bools and port.dtype != tf.bool and any(isinstance(value, bool) for value in _leaves(values)):
            raise ValueFault(f"{port.name}: a boolean where {_kind(port)} belongs")
        found = _numbers(values, port)
    return _shaped(found, port)


def plain(values: np.ndarray, name: str) -> Any:
    """What is answered, as JSON has it.

    Args:
      values: of an output; strings are bytes.
      name: of the output.
    """
    if values.dtype.kind not in "OS":
        return values.tolist()
    as_bytes = name.endswith(BYTES_SUFFIX)
    return _texts(values.tolist(), as_bytes)


def _texts(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(each, as_bytes) for each in value]
    if not as_bytes:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode("ascii")}


def _numbers(values: Any, port: Port) -> np.ndarray:
    try:
        found = np.array(values)
    except (ValueError, OverflowError, TypeError):
        raise ValueFault(f"{port.name}: lists of different lengths or depths, where {port} is taken") from None
    if not found.size:
        return found.astype(port.dtype.as_numpy_dtype)
    kinds = "b" if port.dtype == tf.bool else "iu" if port.dtype.is_integer else "fiu"
    if found.dtype.kind not in kinds:
        wrong = next((value for value in _leaves(values) if not _fits(value, kinds)), values)
        raise ValueFault(f"{port.name}: {_shown(wrong)} where {_kind(port)} belongs")
    return _cast(found, port)


def _cast(found: np.ndarray, port: Port) -> np.ndarray:
    target = port.dtype.as_numpy_dtype
    if port.dtype.is_integer:
        limits = np.iinfo(target)
        if found.min() < limits.min or found.max() > limits.max:
            raise ValueFault(f"{port.name}: {found.min()} to {found.max()}, which {port.dtype.name} does not hold")
        return found.astype(target)
    with np.errstate(over="ignore"):
        cast = found.astype(target)
    if port.dtype.is_floating and bool(np.any(np.isinf(cast) & np.isfinite(found))):
        raise ValueFault(f"{port.name}: a number that is too large for {port.dtype.name}")
    return cast


def _strings(values: Any, port: Port) -> np.ndarray:
    texts = _encoded(values, port)
    try:
        return np.array(texts, dtype=object) if isinstance(texts, list) else np.array(texts, dtype=object).reshape([])
    except ValueError:
        raise ValueFault(f"{port.name}: lists of different lengths or depths, where {port} is taken") from None


def _encoded(value: Any, port: Port) -> Any:
    match value:
        case list():
            return [_encoded(each, port) for each in value]
        case str():
            try:
                return value.encode("utf-8")
            except UnicodeEncodeError:
                raise ValueFault(f"{port.name}: {_shown(value)} is half a character, which UTF-8 cannot hold") from None
        case {"b64": str(text)} if len(value) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise ValueFault(f"{port.name}: {_shown(text)} is not base64") from None
    raise ValueFault(f'{port.name}: {_shown(value)} where a string, or {{"b64": "…"}}, belongs')


def _shaped(found: np.ndarray, port: Port) -> np.ndarray:
    """The array, if its shape is the port's; an empty one takes that shape."""
    if port.shape is None:
        return found
    if found.shape == (0,) and len(port.shape) > 1:
        return found.reshape([0, *(size or 0 for size in port.shape[1:])])
    if found.ndim != len(port.shape) or any(
        size not in (None, given) for size, given in zip(port.shape, found.shape, strict=True)
    ):
        given = ", ".join(map(str, found.shape))
        raise ValueFault(f"{port.name}: the shape [{given}] where {port} is taken, ? being any size")
    return found


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _fits(value: Any, kinds: str) -> bool:
    if isinstance(value, bool):
        return "b" in kinds
    if isinstance(value, float):
        return "f" in kinds
    return isinstance(value, int) and "i" in kinds and -(1 << 63) <= value < (1 << 64)


def _kind(port: Port) -> str:
    if port.dtype == tf.bool:
        return "true or false"
    return f"a whole number ({port.dtype.name})" if port.dtype.is_integer else f"a number ({port.dtype.name})"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def first_not_finite(arrays: Sequence[tuple[Port, np.ndarray]]) -> str | None:
    """The first input that holds something else than finite numbers, in words; None where all do."""
    for port, found in arrays:
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            return f"{port.name}: {found[~np.isfinite(found)][0]} where a finite number belongs"
    return None
