"""Rows of files as the inputs of a signature: what is done in Python, what in the graph, and what is wrong with a row.

Each kind of input is a `Parser`. `feed` makes tensors of some rows, without a look at each where their format allows;
`inputs` goes on in the graph. Both raise for the rows as a whole, which are then halved until the bad row stands alone,
and `reason` looks at that one closely.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainer.exported import values
from trainer.exported.signatures import Port, Signature
from trainer.exported.values import ValueFault
from trainer.formats.text.dialect import MISSING, Dialect
from trainer.predicting import columns

Tensors = dict[str, tf.Tensor]
_CSV_TYPES = (tf.float32, tf.float64, tf.int32, tf.int64, tf.string)
_NO_VALUE = "|".join(map(re.escape, sorted(MISSING)))
_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class Parser(Protocol):
    """How rows become the inputs of a signature."""

    kept_is_json: bool

    def feed(self, rows: Sequence[Any]) -> Tensors:
        """Tensors [rows, …] for `inputs`. Raises ValueFault."""

    def inputs(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        """In the graph: the inputs of the signature [rows, …], and what is kept, string [rows], by name."""

    def reason(self, row: Any) -> str | None:
        """What is wrong with a row, as far as its format says."""


class WholeRows(Parser):
    """Rows that the signature takes as they are: lines of CSV, or serialized examples.

    Args:
      signature: with one string a row.
    """

    kept_is_json = False

    def __init__(self, signature: Signature) -> None:
        (self._name,) = signature.inputs

    def feed(self, rows: Sequence[Any]) -> Tensors:
        return {"rows": tf.constant(list(rows), tf.string)}

    def inputs(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        return {self._name: feed["rows"]}, {}

    def reason(self, row: Any) -> str | None:
        return None


class CsvColumns(Parser):
    """Rows of CSV whose columns are known.

    Args:
      signature: whose inputs they hold.
      dialect: how they are written.
      positions: of the columns of each input, in row-major order.
      keep: positions of the columns to keep, by name.
      names: of all columns.
      blanks_are_nan: whether a number may be blank, NA and the like.
    """

    kept_is_json = False

    def __init__(
        self,
        signature: Signature,
        dialect: Dialect,
        positions: Mapping[str, Sequence[int]],
        keep: Mapping[str, int],
        names: Sequence[str],
        *,
        blanks_are_nan: bool,
    ) -> None:
        self._signature, self._dialect, self._names = signature, dialect, tuple(names)
        self._positions, self._keep, self._nan = positions, keep, blanks_are_nan
        self._port = {at: signature.inputs[name] for name, places in positions.items() for at in places}

    def feed(self, rows: Sequence[Any]) -> Tensors:
        return {"rows": tf.constant(list(rows), tf.string)}

    def inputs(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        defaults = [self._default(at) for at in range(len(self._names))]
        fields = tf.io.decode_csv(feed["rows"], defaults, field_delim=self._dialect.separator or ",")
        found = {name: self._joined(name, fields) for name in self._positions}
        return found, {name: fields[at] for name, at in self._keep.items()}

    def _default(self, at: int) -> tf.Tensor:
        """What stands for a blank field [1], or [0] where it may not be blank; its type is that of the column."""
        port = self._port.get(at)
        if port is None or port.dtype == tf.string or at in self._keep.values() or self._is_text(port):
            return tf.constant([""])
        return tf.constant([], port.dtype)

    def _joined(self, name: str, fields: Sequence[tf.Tensor]) -> tf.Tensor:
        """The input [rows, …] of its fields [rows]."""
        port = self._signature.inputs[name]
        parts = [self._number(port, fields[at]) for at in self._positions[name]]
        if len(parts) == 1 and not port.row_shape:
            return parts[0]
        return tf.reshape(tf.stack(parts, axis=1), [-1, *(port.row_shape or ())])

    def _number(self, port: Port, field: tf.Tensor) -> tf.Tensor:
        """The values of one column [rows], of its type."""
        if port.dtype == tf.string:
            return field
        if field.dtype == tf.string:
            text = tf.strings.regex_replace(field, ",", ".") if self._commas(port) else field
            if self._may_be_nan(port):
                text = tf.strings.strip(text)
                text = tf.where(tf.strings.regex_full_match(tf.strings.lower(text), _NO_VALUE), "nan", text)
            field = tf.strings.to_number(text, port.dtype)
        if not port.dtype.is_floating:
            return field
        wrong = tf.math.is_inf(field) if self._nan else ~tf.math.is_finite(field)
        with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(wrong), ["not a finite number"])]):
            return tf.identity(field)

    def _commas(self, port: Port) -> bool:
        return self._dialect.decimal_comma and port.dtype.is_floating

    def _is_text(self, port: Port) -> bool:
        """Whether a number is read as a text first."""
        return self._commas(port) or self._may_be_nan(port)

    def _may_be_nan(self, port: Port) -> bool:
        return self._nan and port.dtype.is_floating

    def reason(self, row: Any) -> str | None:
        try:
            fields = self._dialect.fields(row)
        except ValueError:
            return "quotes that do not close on the line"
        if len(fields) != len(self._names):
            return f"a row of {len(fields)} values, where the file has {len(self._names)} columns"
        for at, port in sorted(self._port.items()):
            place, field = f"column {at + 1} ({self._names[at]})", fields[at]
            if port.dtype != tf.string and not self._is_number(port, field):
                kind = "a whole number" if port.dtype.is_integer else "a finite number"
                return f"{place}: {field[:40]!r} where {kind} belongs" if field else f"{place}: no value"
        return None

    def _is_number(self, port: Port, field: str) -> bool:
        if self._may_be_nan(port) and field.lower() in MISSING:
            return True
        try:
            number = int(field) if port.dtype.is_integer else float(self._dialect.plain(field))
        except ValueError:
            return False
        return bool(np.isfinite(number)) and abs(number) <= float(port.dtype.max)


class JsonRows(Parser):
    """Lines of JSON: objects by the names of inputs; where there is one input, also its values alone.

    Args:
      signature: whose inputs they hold.
      keep: names of fields to keep.
      blanks_are_nan: whether a number may be null or NaN.
      keeps_json: whether fields are kept as JSON; False keeps texts without quotes.
    """

    def __init__(self, signature: Signature, keep: Sequence[str], *, blanks_are_nan: bool, keeps_json: bool) -> None:
        self._ports = {name: signature.of_rows(name) for name in signature.inputs}
        self._keep = tuple(keep)
        self._nan, self.kept_is_json = blanks_are_nan, keeps_json

    def feed(self, rows: Sequence[Any]) -> Tensors:
        found = self._objects(rows)
        arrays = [(port, values.array(self._column(found, name), port)) for name, port in self._ports.items()]
        fault = None if self._nan else values.first_not_finite(arrays)
        if fault is not None:
            raise ValueFault(fault)
        feed = {f"input:{port.name}": tf.constant(array, port.dtype) for port, array in arrays}
        kept = {f"kept:{name}": self._texts(found, name) for name in self._keep}
        return {**feed, **{name: tf.constant(texts, tf.string) for name, texts in kept.items()}}

    def inputs(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        inputs = {name: feed[f"input:{name}"] for name in self._ports}
        return inputs, {name: feed[f"kept:{name}"] for name in self._keep}

    def reason(self, row: Any) -> str | None:
        try:
            self.feed([row])
        except ValueFault as fault:
            return str(fault)
        return None

    def _objects(self, rows: Sequence[str]) -> list[Any]:
        try:
            found = [json.loads(row) for row in rows]
        except (ValueError, RecursionError) as error:
            raise ValueFault(f"no JSON ({error})") from None
        if len(self._ports) == 1 and not self._keep:
            (name,) = self._ports
            return [each if _is_object(each) else {name: each} for each in found]
        wrong = next((each for each in found if not isinstance(each, dict)), None)
        if wrong is not None:
            raise ValueFault(f"no object, where one with {', '.join(self._ports)} is taken")
        return found

    def _column(self, found: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
        missing = next((each for each in found if name not in each), None)
        if missing is not None:
            raise ValueFault(f"no field {name!r} (it has: {', '.join(missing) or 'none'})")
        column = [each[name] for each in found]
        if self._nan and self._ports[name].dtype in _FLOATS and None in column:
            return [np.nan if value is None else value for value in column]
        return column

    def _texts(self, found: Sequence[Mapping[str, Any]], name: str) -> list[str]:
        missing = next((each for each in found if name not in each), None)
        if missing is not None:
            raise ValueFault(f"no field {name!r}, which --keep names")
        column = [each[name] for each in found]
        if self.kept_is_json:
            return [json.dumps(value, ensure_ascii=False) for value in column]
        return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in column]


class ExampleFeatures(Parser):
    """Serialized `tf.train.Example`s whose features are the inputs of a dense signature.

    Args:
      signature: whose inputs they hold.
    """

    kept_is_json = False

    def __init__(self, signature: Signature) -> None:
        self._ports = signature.inputs

    def feed(self, rows: Sequence[Any]) -> Tensors:
        return {"rows": tf.constant(list(rows), tf.string)}

    def inputs(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        features = {name: tf.io.FixedLenFeature(port.row_shape, _stored(port)) for name, port in self._ports.items()}
        parsed = tf.io.parse_example(feed["rows"], features)
        return {name: self._checked(port, parsed[name]) for name, port in self._ports.items()}, {}

    def _checked(self, port: Port, found: tf.Tensor) -> tf.Tensor:
        """The feature [rows, …] in the type of the input, where that holds it."""
        if found.dtype == port.dtype or port.dtype.is_floating:
            return tf.cast(found, port.dtype)
        cast = tf.cast(found, port.dtype)
        same = tf.reduce_all(tf.equal(tf.cast(cast, found.dtype), found))
        text = f"feature {port.name} holds numbers that {port.dtype.name} does not"
        with tf.control_dependencies([tf.debugging.Assert(same, [text])]):
            return tf.identity(cast)

    def reason(self, row: Any) -> str | None:
        return None


def _is_object(value: Any) -> bool:
    """Whether JSON names inputs, and is no value of bytes."""
    return isinstance(value, dict) and set(value) != {"b64"}


def csv_can_hold(port: Port) -> bool:
    """Whether columns of CSV can be an input: numbers or texts, so many a row as is known."""
    return port.dtype in _CSV_TYPES and port.row_shape is not None and None not in port.row_shape


def examples_can_hold(port: Port) -> bool:
    """Whether a feature of an example can be an input."""
    known = port.row_shape is not None and None not in port.row_shape
    return known and (port.dtype == tf.string or port.dtype in _FLOATS or port.dtype.is_integer or port.dtype.is_bool)


def csv_columns(port: Port) -> list[str]:
    """The names of the columns that hold an input for which `csv_can_hold`."""
    return columns.names(port.name, [size for size in port.row_shape or () if size is not None])


def _stored(port: Port) -> tf.DType:
    """How an example stores the values of an input."""
    return tf.string if port.dtype == tf.string else tf.float32 if port.dtype in _FLOATS else tf.int64
