"""Datasets of Python generators, whose elements come to TensorFlow many at a time.

`Dataset.from_generator` calls Python for each element, from a thread of TensorFlow and by way of several functions,
which takes some hundred microseconds. A chunk of elements, an array for each component, takes about as much, once.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.data.ops import from_generator_op
from tensorflow.python.data.util import nest

from trainer.estimator.graph.inside.datasets import respecified

_MOST_ELEMENTS = 256
_MOST_BYTES = 1 << 20
_MOST_SECS = 0.005
"""A slow generator is not waited for: what it has given by then goes on."""

_chunked: ContextVar[bool] = ContextVar("generators_chunked", default=False)


@contextlib.contextmanager
def in_chunks() -> Iterator[None]:
    """Inside, datasets of generators take elements in chunks, which reads ahead by at most one of them."""
    token = _chunked.set(True)
    try:
        yield
    finally:
        _chunked.reset(token)


def chunks(
    elements: Iterator[Any], spec: Any, clock: Callable[[], float] = time.perf_counter
) -> Iterator[list[np.ndarray]]:
    """Elements in chunks: for each component an array [elements, …].

    A chunk ends where the next element has another shape, and before an element that raises an error.

    Args:
      elements: nested values, as a person's generator gives them.
      spec: of an element, of `tf.TensorSpec`s.
      clock: seconds.

    Raises:
      TypeError: an element is not what the spec says, in TensorFlow's words.
    """
    flat = tf.nest.flatten(spec)
    convert, most, following = _converter(spec, flat), 1, None
    while True:
        chunk: list[list[np.ndarray]] = [] if following is None else [following]
        error: Exception | None = None
        following, until = None, clock() + _MOST_SECS
        while len(chunk) < most and (not chunk or clock() < until):
            try:
                element = convert(next(elements))
            except Exception as raised:  # whatever the generator raises, its end too
                error = raised
                break
            if chunk and any(one.shape != first.shape for one, first in zip(element, chunk[0], strict=True)):
                following = element
                break
            chunk.append(element)
        # The first chunk is one element, so that the first batch does not wait for others.
        if chunk:
            num_bytes = sum(part.nbytes for part in chunk[0])
            most = max(1, min(2 * most, _MOST_ELEMENTS, _MOST_BYTES // max(1, num_bytes)))
            yield [np.stack(parts) for parts in zip(*chunk, strict=True)]
        if isinstance(error, StopIteration):
            return
        if error is not None:
            raise error


def _converter(spec: Any, flat: Sequence[tf.TensorSpec]) -> Callable[[Any], list[np.ndarray]]:
    """From an element to its components as arrays […].

    Args:
      spec: of an element.
      flat: those of its components.
    """
    parts = [(each.dtype.as_numpy_dtype, each.shape, _known(each.shape)) for each in flat]

    def convert(element: Any) -> list[np.ndarray]:
        arrays = []
        for value, (dtype, shape, known) in zip(_flattened(element, spec), parts, strict=True):
            try:
                array = np.asarray(value, dtype, order="C")
            except (TypeError, ValueError) as error:
                raise TypeError(
                    "`generator` yielded an element that could not be converted to the expected type. The expected "
                    f"type was {tf.as_dtype(dtype).name}, but the yielded element was {value}."
                ) from error
            if array.shape != known and not shape.is_compatible_with(array.shape):
                raise TypeError(
                    f"`generator` yielded an element of shape {array.shape} where an element of shape {shape} was "
                    "expected."
                )
            arrays.append(array)
        return arrays

    return convert


def _known(shape: tf.TensorShape) -> tuple[int, ...] | None:
    return tuple(shape.as_list()) if shape.is_fully_defined() else None


def _flattened(element: Any, spec: Any) -> list[Any]:
    """The components of an element. TensorFlow's own way takes ten times as long, and is there for what is unusual."""
    if isinstance(spec, tf.TensorSpec):
        return [element]
    if type(element) is type(spec) is tuple and len(element) == len(spec):
        return [part for one, inner in zip(element, spec, strict=True) for part in _flattened(one, inner)]
    if type(element) is type(spec) is dict and element.keys() == spec.keys():
        return [part for key in sorted(spec) for part in _flattened(element[key], spec[key])]
    try:
        flat: list[Any] = nest.flatten_up_to(spec, element)
    except (TypeError, ValueError) as error:
        types = nest.map_structure(lambda each: each.dtype, spec)
        raise TypeError(
            "`generator` yielded an element that did not match the expected structure. The expected structure was "
            f"{types}, but the yielded element was {element}."
        ) from error
    return flat


def _is_plain(spec: Any) -> bool:
    """Whether elements are of numbers and texts in tuples and dicts."""
    if isinstance(spec, tf.TensorSpec):
        return bool(spec.dtype.is_numpy_compatible and spec.dtype not in (tf.resource, tf.variant))
    if isinstance(spec, Mapping):
        return all(map(_is_plain, spec.values()))
    return isinstance(spec, tuple) and all(map(_is_plain, spec))


@tf.autograph.experimental.do_not_convert
def _slices(*chunk: Any) -> tf.data.Dataset:
    """The elements of a chunk. `unbatch` crashes on arrays without elements."""
    return tf.data.Dataset.from_tensor_slices(chunk if len(chunk) > 1 else chunk[0])


def _batched(spec: tf.TensorSpec) -> tf.TensorSpec:
    return tf.TensorSpec(None if spec.shape.rank is None else [None, *spec.shape], spec.dtype)


def _install() -> None:
    """`_from_generator` is what the methods of both versions call. Nothing public says how elements are taken."""
    make = from_generator_op._from_generator

    @functools.wraps(make)
    def from_generator(generator: Any, types: Any, shapes: Any, args: Any, signature: Any, name: Any) -> Any:
        plain = make(generator, types, shapes, args, signature, name)  # which checks what it is given
        spec = plain.element_spec
        if not (_chunked.get() and _is_plain(spec) and tf.nest.flatten(spec)):
            return plain

        # A generator of chunks in the place of the program's: TensorFlow starts, repeats and closes it as ever.
        def in_chunks_of(*arguments: Any) -> Iterator[Any]:
            for arrays in chunks(iter(generator(*arguments)), spec):
                yield tf.nest.pack_sequence_as(spec, arrays)

        made = make(in_chunks_of, None, None, args, tf.nest.map_structure(_batched, spec), name)
        return respecified(made.flat_map(_slices), spec)

    from_generator_op._from_generator = from_generator


_install()
