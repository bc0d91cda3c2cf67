"""A SavedModel of a few signatures, made without training: what predictions and the server are tried on."""

from __future__ import annotations

import pathlib

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

CLASSES = (b"low", b"high")


class Small(tf.Module):
    """`total` is x + 10 · (y0 + y1) + weight; `label` tells its sign beside the name."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = tf.Variable(weight)

    def answer(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Float32 [rows], of x [rows] and y [rows, 2]."""
        return x + 10.0 * tf.reduce_sum(y, axis=1) + self.weight

    def dense(self, x: tf.Tensor, y: tf.Tensor, name: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is answered to x [rows], y [rows, 2] and name [rows]."""
        total = self.answer(x, y)
        label = tf.strings.join([name, tf.where(total < 0, "-", "+")])
        return {"total": total, "pair": tf.stack([total, -total], axis=1), "label": label}

    def rows(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Likewise to CSV rows [rows] of x and the two of y."""
        values = tf.strings.to_number(tf.strings.split(rows, ",").to_tensor(""))
        return {"total": self.answer(values[:, 0], tf.ensure_shape(values, [None, 3])[:, 1:])}

    def parsed(self, examples: tf.Tensor) -> tf.Tensor:
        """The totals [rows] of serialized examples [rows]."""
        features = {"x": tf.io.FixedLenFeature([], tf.float32), "y": tf.io.FixedLenFeature([2], tf.float32)}
        found = tf.io.parse_example(examples, features)
        return self.answer(found["x"], found["y"])

    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """The totals of serialized examples [rows]."""
        return {"total": self.parsed(examples)}

    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The totals of serialized examples [rows], as Regress answers."""
        return {"outputs": self.parsed(inputs)}

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Two classes with their scores for serialized examples [rows], as Classify answers."""
        total = self.parsed(inputs)
        classes = tf.tile(tf.constant([CLASSES]), [tf.shape(total)[0], 1])
        return {"scores": tf.stack([-total, total], axis=1), "classes": classes}

    def mean(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One value for a whole batch, of x [rows]."""
        return {"mean": tf.reduce_mean(x)}

    def four(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Twice x [4]."""
        return {"double": 2.0 * x}

    def count(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        """The successors of n [rows], and their tenths as floats of 64 bits."""
        return {"next": n + 1, "tenth": tf.cast(n, tf.float64) * 0.1}


def write(directory: pathlib.Path, weight: float = 0.0) -> pathlib.Path:
    """Writes the SavedModel into a new directory, which is returned."""
    small = Small(weight)
    strings, floats = tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.float32)
    functions = {
        "serving_default": _function(small.dense, x=floats, y=tf.TensorSpec([None, 2], tf.float32), name=strings),
        "csv:serving_default": _function(small.rows, rows=strings),
        "examples:serving_default": _function(small.examples, examples=strings),
        "classify": _function(small.classify, inputs=strings),
        "regress": _function(small.regress, inputs=strings),
        "mean": _function(small.mean, x=floats),
        "four": _function(small.four, x=tf.TensorSpec([4], tf.float32)),
        "count": _function(small.count, n=tf.TensorSpec([None], tf.int64)),
    }
    hidden = directory.with_name(f"temp-{directory.name}")
    tf.saved_model.save(small, str(hidden), signatures=functions)
    file = hidden / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    for name in ("classify", "regress"):
        model.meta_graphs[0].signature_def[name].method_name = f"tensorflow/serving/{name}"
    file.write_bytes(model.SerializeToString())
    return hidden.rename(directory)


def _function(method: object, **specs: tf.TensorSpec) -> object:
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
    return tf.function(method, autograph=False).get_concrete_function(**named)
