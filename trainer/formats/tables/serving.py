"""What a served model of a table is asked with: its columns as they are, blanks too, or rows of CSV.

All ways are in one graph, each upstream of the next, so that whoever feeds one cuts off what comes before:

    rows of CSV ─→ columns (numbers, texts) ─→ what the model gets ("dense")
"""

from __future__ import annotations

import re
from typing import Any

from trainer.formats.dialect import Dialect
from trainer.formats.tables.encoding import Encoding, Raw
from trainer.formats.tables.parts import fields, raw_of
from trainer.formats.tables.schema import TableSchema

PLAIN = Dialect()
"""How rows are sent: commas, and numbers with a point."""


def receiver(schema: TableSchema) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Tensors in the graph that is being traced.

    Returns:
      The features; the columns that clients send, each [batch], string for categories and dates ("" is a blank) and
      float for numbers (nan is one); the other ways: {"csv": {"rows": string [batch]}}, rows of the feature columns in
      the order of the files, and {"dense": the features}.
    """
    import tensorflow as tf

    encoding = Encoding(schema=schema)
    rows = tf.compat.v1.placeholder(tf.string, [None], name="rows")
    read = raw_of(encoding, fields(rows, PLAIN, schema.columns, list(schema.columns)), PLAIN)
    columns = {name: _column(schema, read, name) for name in schema.columns}
    raw = Raw(
        numbers={name: columns[name] for name in read.numbers},
        texts={name: columns[name] for name in read.texts},
    )
    features = {name: tf.identity(value, name=name) for name, value in encoding.features(raw).items()}
    return features, columns, {"csv": {"rows": rows}, "dense": features}


def _column(schema: TableSchema, read: Raw, name: str) -> Any:
    """What clients send of a column, a tensor [batch] of its own name."""
    import tensorflow as tf

    value = read.texts[name] if schema.is_text(name) else tf.cast(read.numbers[name], schema.dtype(name))
    return tf.identity(value, name="column_" + re.sub(r"[^A-Za-z0-9_]", "_", name))
