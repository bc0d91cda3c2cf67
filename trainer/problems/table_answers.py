"""What a model of a table answers when it is asked: a number, or classes with their probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.tables.schema import TableSchema

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec


def spec(outputs: tf.Tensor, schema: TableSchema) -> EstimatorSpec:
    """The spec of PREDICT, with what each signature of an export answers.

    Args:
      outputs: float32 [batch, outputs]: logits of classes, of which two have one, or the standardised label.
      schema: of the table.
    """
    return _number(outputs, schema) if schema.is_regression else _classes(outputs, schema)


def _number(outputs: tf.Tensor, schema: TableSchema) -> EstimatorSpec:
    """Of outputs [batch, 1]: the label, float32 [batch]."""
    from trainer.estimator import EstimatorSpec, ModeKeys
    from trainer.estimator.contract.export import PredictOutput, RegressionOutput
    from trainer.formats.tables.serving import EXAMPLES

    predictions = {"prediction": outputs[:, 0] * schema.label_scale + schema.label_mean}
    exported = {
        "serving_default": PredictOutput(predictions),
        "regression": RegressionOutput(predictions["prediction"], EXAMPLES),
    }
    return EstimatorSpec(ModeKeys.PREDICT, predictions=predictions, export_outputs=exported)


def _classes(outputs: tf.Tensor, schema: TableSchema) -> EstimatorSpec:
    """Of logits [batch, outputs]: probabilities [batch, classes], and the likeliest class [batch]."""
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, ModeKeys
    from trainer.estimator.contract.export import ClassificationOutput, PredictOutput
    from trainer.formats.tables.serving import EXAMPLES

    if len(schema.classes) == 2:
        positive = tf.sigmoid(outputs)
        numeric = {"probabilities": tf.concat([1 - positive, positive], axis=1)}
    else:
        numeric = {"probabilities": tf.nn.softmax(outputs)}
    numeric["class_id"] = tf.argmax(numeric["probabilities"], axis=1)
    classes = tf.constant(schema.classes)
    predictions = {**numeric, "class": tf.gather(classes, numeric["class_id"])}
    names = tf.tile(classes[tf.newaxis], [tf.shape(outputs)[0], 1])
    exported = {
        "serving_default": PredictOutput(predictions),
        # Without the texts of classes, runtimes that know no strings take the dense way in.
        "probabilities": PredictOutput(numeric),
        "classification": ClassificationOutput(numeric["probabilities"], names, EXAMPLES),
    }
    return EstimatorSpec(ModeKeys.PREDICT, predictions=predictions, export_outputs=exported)
