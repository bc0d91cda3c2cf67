"""What a served model of a table is asked with: its columns as they are, rows of CSV, or serialized examples.

All ways are in one graph, so that whoever feeds one cuts off what comes before:

    rows of CSV ─┐
                 ├→ columns (numbers, texts) ─→ what the model gets ("dense")
    examples ────┘

Rows and examples are none unless they are fed, and the columns are those of both, one below the other.
"""

from __future__ import annotations

import math
import re
from typing import Any

from trainer.formats.tables.encoding import Encoding, Raw
from trainer.formats.tables.parts import fields, raw_of
from trainer.formats.tables.schema import TableSchema
from trainer.formats.text.dialect import Dialect

PLAIN = Dialect()
"""How rows are sent: commas, and numbers with a point."""
EXAMPLES = "examples"
"""The name of the way in for serialized examples."""


def receiver(schema: TableSchema) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Tensors in the graph that is being traced.

    Returns:
      The features; the columns that clients send, each [batch], string for categories and dates ("" is a blank) and
      float for numbers (nan is one); the other ways: {"csv": {"rows": string [batch]}}, rows of the feature columns in
      the order of the files, {"examples": {"examples": string [batch]}}, each with a feature for each column that is
      not blank, and {"dense": the features}.
    """
    import tensorflow as tf

    encoding = Encoding(schema=schema)
    rows, examples = _none_unless_fed("rows"), _none_unless_fed(EXAMPLES)
    read = raw_of(encoding, fields(rows, PLAIN, schema.columns, list(schema.columns)), PLAIN)
    of_rows = {name: tf.cast(value, schema.dtype(name)) for name, value in read.numbers.items()} | {**read.texts}
    of_examples = _parsed(examples, schema, encoding)
    columns = {
        name: tf.concat([of_rows[name], of_examples[name]], axis=0, name=_spelt(name)) for name in schema.columns
    }
    raw = Raw(
        numbers={name: columns[name] for name in read.numbers},
        texts={name: columns[name] for name in read.texts},
    )
    features = {name: tf.identity(value, name=name) for name, value in encoding.features(raw).items()}
    return features, columns, {"csv": {"rows": rows}, EXAMPLES: {EXAMPLES: examples}, "dense": features}


def _none_unless_fed(name: str) -> Any:
    """A placeholder for texts, string [batch], where clients may also send something else: [0] without it."""
    import tensorflow as tf

    return tf.compat.v1.placeholder_with_default(tf.zeros([0], tf.string), [None], name=name)


def _spelt(column: str) -> str:
    """The name of a column's tensor."""
    return "column_" + re.sub(r"[^A-Za-z0-9_]", "_", column)


def _parsed(examples: Any, schema: TableSchema, encoding: Encoding) -> dict[str, Any]:
    """The columns [batch] of serialized examples, string [batch]; of a feature that is missing a blank.

    An example holds numbers in float32. What that would spoil is a text there.
    """
    import tensorflow as tf

    numbers = [name for name in schema.plain_numbers if schema.dtype(name) == "float32"]
    written = [name for name in schema.plain_numbers if name not in numbers]
    wanted = {name: tf.io.FixedLenFeature([], tf.string, "") for name in schema.columns}
    wanted |= {name: tf.io.FixedLenFeature([], tf.float32, math.nan) for name in numbers}
    found: dict[str, Any] = tf.io.parse_example(examples, wanted)
    if written:
        read = encoding.numbers(tf.stack([found[name] for name in written], axis=1), PLAIN)
        found |= dict(zip(written, tf.unstack(read, num=len(written), axis=1), strict=True))
    return found
