"""What a served model is asked with: the dense tensor, and CSV rows or serialized examples parsed into it."""

from __future__ import annotations

from typing import Any

from trainer.formats.records.examples import parse_examples
from trainer.formats.schema import Schema
from trainer.formats.settings import DataFormat


def parse_rows(rows: Any, steps: int, columns: int, dtype: str = "float32") -> Any:
    """The values in rows of CSV, in a TensorFlow graph.

    Args:
      rows: string [batch], each of steps · columns numbers in row-major order.
      steps: how many each has.
      columns: how many a step has.
      dtype: of the result.

    Returns:
      [batch, steps, columns].

    Raises:
      tf.errors.InvalidArgumentError: when it runs, a row has another number of values, or text.
    """
    import tensorflow as tf

    fields = tf.strings.split(rows, ",").to_tensor(default_value="")
    numbers = tf.strings.to_number(tf.strings.strip(fields), tf.as_dtype(dtype))
    return tf.reshape(tf.ensure_shape(numbers, [None, steps * columns]), [-1, steps, columns])


def receiver(schema: Schema, data_format: DataFormat) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Placeholders in the graph that is being traced.

    Returns:
      ({"values": [None, steps, columns]} of the schema's type, the alternatives upstream of it: {"csv": {"rows":
      string [None]}}, or {"examples": {"examples": string [None]}} for TFRecord data).
    """
    import tensorflow as tf

    steps, columns = schema.steps, len(schema.columns)
    if data_format is DataFormat.EXAMPLES:
        examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
        values = tf.cast(parse_examples(examples, schema.columns, steps), schema.dtype)
        return {"values": values}, {"examples": {"examples": examples}}
    rows = tf.compat.v1.placeholder(tf.string, [None], name="rows")
    return {"values": parse_rows(rows, steps, columns, schema.dtype)}, {"csv": {"rows": rows}}
