"""Several requests as one call of a model, in a thread: joined, padded, answered and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.estimator.steps.diagnosis.refusals import told
from trainer.exported.model import Model
from trainer.exported.signatures import Signature
from trainer.serving.faults import RequestFault
from trainer.serving.rest import Arrays

_REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.OutOfRangeError,
    tf.errors.NotFoundError,
    tf.errors.DataLossError,
)

_WHOLE = "Data type: int64 but expected type: float"


class _NotByRowError(Exception):
    """An output has no row for each row of the inputs, so that rows cannot be joined."""


def answers(
    model: Model, signature: Signature, requests: Sequence[tuple[Arrays, int]], *, can_join: bool
) -> list[Arrays | RequestFault]:
    """The outputs of a signature for each of several requests, or why one gets none.

    Args:
      model: that is asked.
      signature: of the model.
      requests: their inputs [rows, …], by name, and how many rows each has.
      can_join: whether rows can be joined; without that there is one request, which is asked as it is.
    """
    try:
        return _together(model, signature, requests) if can_join else [_call(model, signature, requests[0][0])]
    except _REFUSALS as error:
        if len(requests) == 1:
            return [RequestFault(400, f"The model refuses the values: {told(error)}{_advice(error)}")]
    except _NotByRowError:
        if len(requests) == 1:
            return [_call(model, signature, requests[0][0])]
    except tf.errors.ResourceExhaustedError:
        if len(requests) == 1:
            return [RequestFault(503, "There is no memory for a request of this size", 1)]
    # One of them is to blame, and the others shall not suffer for it.
    return [found for request in requests for found in answers(model, signature, [request], can_join=can_join)]


def _advice(error: tf.errors.OpError) -> str:
    """What to do where numbers of examples are whole and should be floats, which JSON tells apart by the point."""
    return ". Write the number with a point, as in 3.0" if _WHOLE in str(error.message) else ""


def _together(
    model: Model, signature: Signature, requests: Sequence[tuple[Arrays, int]]
) -> list[Arrays | RequestFault]:
    joined = {name: np.concatenate([inputs[name] for inputs, _ in requests]) for name in signature.inputs}
    counts = [rows for _, rows in requests]
    outputs = _in_parts(model, signature, joined, sum(counts))
    ends = np.cumsum(counts)
    return [
        {name: array[end - rows : end] for name, array in outputs.items()}
        for end, rows in zip(ends.tolist(), counts, strict=True)
    ]


def _in_parts(model: Model, signature: Signature, inputs: Arrays, rows: int) -> dict[str, np.ndarray]:
    """The outputs [rows, …], of as many calls as a signature of a fixed number of rows takes."""
    size = signature.batch_size or _padded_size(rows)
    parts = []
    for start in range(0, max(rows, 1), size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        outputs = _call(model, signature, {name: _padded(array, size) for name, array in part.items()})
        wrong = next((name for name, array in outputs.items() if array.shape[:1] != (size,)), None)
        if wrong is not None:
            raise _NotByRowError
        parts.append({name: array[: min(size, rows - start)] for name, array in outputs.items()})
    return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _padded_size(rows: int) -> int:
    """The next power of two: whatever comes, a compiled model meets few shapes."""
    return 1 << max(0, rows - 1).bit_length()


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    """The rows [n, …], with the last one again up to `size` of them."""
    return array if len(array) == size else np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)])


def _call(model: Model, signature: Signature, inputs: Arrays) -> dict[str, np.ndarray]:
    tensors = {name: tf.constant(array, signature.inputs[name].dtype) for name, array in inputs.items()}
    return {name: value.numpy() for name, value in model.call(signature, tensors).items()}
