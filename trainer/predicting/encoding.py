"""Predictions as lines of text, made in the graph: CSV or JSON, with as many digits as say each number exactly."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from trainer.exported.values import BYTES_SUFFIX
from trainer.predicting import columns
from trainer.predicting.settings import OutputFormat

_QUOTED = r'(?s).*[,"\r\n].*'


def header(outputs: Mapping[str, tf.Tensor], kept: Mapping[str, tf.Tensor]) -> tuple[str, ...]:
    """The names of the columns of the predictions [batch, …] and of what is kept [batch] in front of them."""
    return _header(tuple(kept), tuple((name, tuple(value.shape[1:])) for name, value in outputs.items()))


@functools.lru_cache(maxsize=16)
def _header(kept: tuple[str, ...], shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[str, ...]:
    return (*kept, *(column for name, shape in shapes for column in columns.names(name, shape)))


def lines(
    outputs: Mapping[str, tf.Tensor], kept: Mapping[str, tf.Tensor], form: OutputFormat, *, kept_is_json: bool
) -> tf.Tensor:
    """All rows as one text, string [], each with its line end.

    Args:
      outputs: [batch, …], by name.
      kept: string [batch], by name, in front of them.
      form: of the text.
      kept_is_json: whether what is kept is JSON already.
    """
    if form is OutputFormat.CSV:
        rows = tf.strings.reduce_join(_csv_fields(outputs, kept), axis=1, separator=",")
    else:
        rows = _objects(outputs, kept, kept_is_json)
    return tf.strings.reduce_join(tf.strings.join([rows, "\n"]))


def _csv_fields(outputs: Mapping[str, tf.Tensor], kept: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """String [batch, fields]."""
    parts = [_quoted(value)[:, tf.newaxis] for value in kept.values()]
    for value in outputs.values():
        texts = _quoted(value) if value.dtype == tf.string else _numbers(value)
        parts.append(tf.reshape(texts, [tf.shape(value)[0], -1]))
    return tf.concat(parts, axis=1)


def _quoted(texts: tf.Tensor) -> tf.Tensor:
    """Strings of any shape, in quotes where CSV asks for them."""
    doubled = tf.strings.join(['"', tf.strings.regex_replace(texts, '"', '""'), '"'])
    return tf.where(tf.strings.regex_full_match(texts, _QUOTED), doubled, texts)


def _objects(outputs: Mapping[str, tf.Tensor], kept: Mapping[str, tf.Tensor], kept_is_json: bool) -> tf.Tensor:
    """String [batch], an object of JSON each."""
    texts = {name: value if kept_is_json else _json_strings(value, name) for name, value in kept.items()}
    for name, value in outputs.items():
        leaves = _json_strings(value, name) if value.dtype == tf.string else _json_numbers(value)
        texts[name] = _nested(leaves)
    parts: list[tf.Tensor | str] = []
    for name, text in texts.items():
        parts += [", " if parts else "{", f"{json.dumps(name)}: ", text]
    return tf.strings.join([*parts, "}"])


def _nested(leaves: tf.Tensor) -> tf.Tensor:
    """Lists of lists [batch] of the JSON of single values [batch, …]."""
    for _ in range(leaves.shape.rank - 1):
        leaves = tf.strings.join(["[", tf.strings.reduce_join(leaves, axis=-1, separator=", "), "]"])
    return leaves


def _json_numbers(values: tf.Tensor) -> tf.Tensor:
    """Numbers of any shape as JSON, with the tokens NaN and Infinity that TensorFlow Serving and Python write."""
    texts = _numbers(values)
    if not values.dtype.is_floating:
        return texts
    infinite = tf.where(values > 0, "Infinity", "-Infinity")
    return tf.where(tf.math.is_nan(values), "NaN", tf.where(tf.math.is_inf(values), infinite, texts))


def _numbers(values: tf.Tensor) -> tf.Tensor:
    """Numbers of any shape as text that reads back as the same ones: float32 in 7 digits, or in 9 where need be."""
    if not values.dtype.is_floating:
        return tf.strings.as_string(values)
    if values.dtype not in (tf.float32, tf.float64):
        values = tf.cast(values, tf.float32)
    few, enough = (7, 9) if values.dtype == tf.float32 else (15, 17)
    short = tf.strings.as_string(values, precision=few, shortest=True)
    exact = tf.strings.as_string(values, precision=enough, shortest=True)
    return tf.where(tf.equal(tf.strings.to_number(short, values.dtype), values), short, exact)


def _json_strings(values: tf.Tensor, name: str) -> tf.Tensor:
    """Strings of any shape as JSON; bytes that are no text, and those of outputs called so, as TensorFlow Serving."""

    def encoded(found: np.ndarray) -> np.ndarray:
        flat = [_json_string(value, name.endswith(BYTES_SUFFIX)) for value in found.ravel()]
        return np.array(flat, dtype=object).reshape(found.shape)

    texts = tf.numpy_function(encoded, [values], tf.string, stateful=False)
    return tf.ensure_shape(texts, values.shape)


def _json_string(value: bytes, as_bytes: bool) -> bytes:
    if not as_bytes:
        try:
            return json.dumps(value.decode("utf-8"), ensure_ascii=False).encode()
        except UnicodeDecodeError:
            pass
    return json.dumps({"b64": base64.b64encode(value).decode("ascii")}).encode()
