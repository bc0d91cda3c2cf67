"""The problem of a table, which `--data_format=table` chooses: regression or classification by flags alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer import Problem
from trainer.formats.tables import reading
from trainer.formats.tables.reading import Table
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.settings import TableData
from trainer.job.config import setting
from trainer.job.errors import JobError, UsageError
from trainer.problems import optimizers, table_answers, table_models, table_scores
from trainer.problems.table_models import Model

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, RunConfig
    from trainer.estimator.contract.export import ServingInputReceiver
    from trainer.reporting.plot import Examples, Plot

_BALANCED = "balanced"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params(optimizers.Settings):
    """What a run, or a trial of a sweep, may change about a model of a table."""

    model: Model = setting(
        Model.WIDE_DEEP, "linear, dnn (dense layers over embeddings), or wide_deep (both)", choices=Model
    )
    learning_rate: float = setting(0.001, "step size of the optimizer", positive="a number above 0", may_change=True)
    hidden_units: tuple[int, ...] = setting((128, 64), "units of the dense layers, comma separated")
    embedding_dim: int = setting(8, "numbers that stand for a value of a category", positive="a whole number from 1 up")
    dropout: float = setting(0.0, "share of the units of each dense layer that a training step leaves out")
    class_weights: tuple[str, ...] = setting(
        (), "how much rows count in training: balanced (each class alike), or weights such as yes:3,no:1"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(units < 1 for units in self.hidden_units):
            raise UsageError(f"--hidden_units={','.join(map(str, self.hidden_units))}", "whole numbers from 1 up")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout={self.dropout:g}", "at least 0 and below 1", "Try --dropout=0.1")


def train_input_fn(
    schema: Table, data: TableData, input_context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Shuffled full batches of the rows to train on; the same ones after a restart.

    Args:
      schema: what `describe` returned.
      data: the settings.
      input_context: which of several processes this one is; None where there is one.
    """
    from trainer.formats.pipeline import datasets

    return datasets.training(schema.train, data, input_context)


def eval_input_fn(schema: Table, data: TableData) -> tf.data.Dataset:
    """The rows to evaluate on, once."""
    from trainer.formats.pipeline import datasets

    return datasets.evaluation(schema.evaluation, data.eval_batch_size)


def test_input_fn(schema: Table, data: TableData) -> tf.data.Dataset | None:
    """The rows that are looked at at the end; None where there are none."""
    from trainer.formats.pipeline import datasets

    return None if schema.test is None else datasets.evaluation(schema.test, data.eval_batch_size)


def serving_input_receiver_fn(schema: Table) -> ServingInputReceiver:
    """The columns as the files have them; rows of CSV; serialized examples; or what the model gets."""
    from trainer.estimator.contract.export import ServingInputReceiver
    from trainer.formats.tables import serving

    return ServingInputReceiver(*serving.receiver(schema))


def model_fn(
    features: dict[str, tf.Tensor],
    labels: tf.Tensor | None,
    mode: str,
    params: Params,
    config: RunConfig,
    data: TableData,
    schema: Table,
) -> EstimatorSpec:
    """The model that `params.model` names.

    Args:
      features: {"numbers": float32 [batch, numbers], "categories": int32 [batch, categories]}; one may be missing.
      labels: float32 [batch] in the units of the files, or int32 [batch], classes; None in PREDICT.
      mode: one of ModeKeys.
      params: the settings.
      config: of the run.
      data: says how long an epoch is.
      schema: of the table.
    """
    from trainer.estimator import EstimatorSpec, ModeKeys

    training = mode == ModeKeys.TRAIN
    outputs = table_models.outputs(features, schema, params, training=training)
    if mode == ModeKeys.PREDICT:
        return table_answers.spec(outputs, schema)
    weights = _weights(labels, params, schema) if training else None
    loss = _loss(outputs, labels, weights, schema)
    if training:
        rates = optimizers.rates(params, schema.train.count, data, config)
        return EstimatorSpec(mode, loss=loss, train_op=optimizers.train_op(loss, params, rates))
    return EstimatorSpec(mode, loss=loss, eval_metric_ops=table_scores.measure(outputs, labels, schema))


def _loss(outputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None, schema: TableSchema) -> tf.Tensor:
    """Weighted mean of the squared errors of standardised labels, or of the cross entropies: float32 [].

    Args:
      outputs: float32 [batch, outputs].
      labels: [batch].
      weights: float32 [batch]; None where all rows count alike.
      schema: of the table.
    """
    import tensorflow as tf

    if schema.is_regression:
        losses = tf.square(outputs[:, 0] - (labels - schema.label_mean) / schema.label_scale)
    elif len(schema.classes) == 2:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, tf.float32), outputs[:, 0])
    else:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
    return tf.reduce_mean(losses if weights is None else losses * weights)


def _weights(labels: tf.Tensor, params: Params, schema: Table) -> tf.Tensor | None:
    """How much each row of a batch counts, float32 [batch], 1 in the mean of the training part; None for all alike."""
    import tensorflow as tf

    if not params.class_weights:
        return None
    return tf.gather(tf.constant(class_weights(params, schema), tf.float32), labels)


def class_weights(params: Params, schema: TableSchema) -> list[float]:
    """The weight of each class, so that rows of training weigh 1 in the mean.

    Args:
      params: say which.
      schema: of the table.

    Raises:
      UsageError: a regression, an unknown class, or no weight.
    """
    given = ",".join(params.class_weights)
    if schema.is_regression:
        raise UsageError(f"--class_weights={given} in a regression", "classes", "Leave it out")
    shares = schema.class_shares
    if params.class_weights == (_BALANCED,):
        return [1 / (len(shares) * share) if share else 0.0 for share in shares]
    weights = dict.fromkeys(schema.classes, 1.0)
    for text in params.class_weights:
        name, _, number = text.rpartition(":")
        if name not in weights or not number.replace(".", "", 1).isdigit():
            accept = f"balanced, or weights such as {schema.classes[-1]}:3"
            raise UsageError(f"--class_weights={given}: {text!r} is no class with a weight", accept, "Correct it")
        weights[name] = float(number)
    mean = sum(share * weight for share, weight in zip(shares, weights.values(), strict=True))
    return [weight / mean for weight in weights.values()]


def baselines(schema: Table) -> Mapping[str, float]:
    """Scores of the most frequent class or the mean, and of a logistic or linear least-squares regression."""
    from trainer.problems import table_baselines

    return table_baselines.score(schema)


def resume_schema(schema: Table, earlier: Mapping[str, Any]) -> Table:
    """The table with what the weights of a run were trained with."""
    return reading.with_learnt_of(schema, earlier)


def locate_fault(schema: Table, data: TableData, message: str) -> JobError | None:
    """The fault in the rows behind an InvalidArgumentError of training; None without one.

    Args:
      schema: what `describe` returned.
      data: the settings.
      message: the text of that error.
    """
    return reading.locate_fault(schema, data, message)


def locate_rows(
    schema: Table, data: TableData, batch: int, rows: tuple[int, ...], pipeline: int, pipelines: int
) -> tuple[str, ...]:
    """File and line of rows of a batch of training.

    Args:
      schema: what `describe` returned.
      data: the settings.
      batch: its number in its pipeline, from 0.
      rows: of the batch, from 0.
      pipeline: which of several processes' pipelines, from 0.
      pipelines: how many of them there are.
    """
    from trainer.formats.locating import BatchRows
    from trainer.formats.tables import locating

    return locating.places(schema, data, BatchRows(batch=batch, rows=rows, pipeline=pipeline, pipelines=pipelines))


def plots(examples: Examples, schema: Table) -> list[Plot]:
    """What a report draws of a classification or a regression.

    Args:
      examples: of the evaluation, with labels [n] and the predictions of `model_fn`.
      schema: of the table.
    """
    from trainer.reporting import classification, regression

    if schema.is_regression:
        return regression.plots(examples.labels, examples.predictions["prediction"], schema.label)
    return classification.plots(examples.labels, examples.predictions["probabilities"], schema.classes)


def report(schema: Table) -> str:
    """Of which class the figures are, where there are two; and how rows with blanks are predicted."""
    told = []
    if len(schema.classes) == 2:
        told.append(f"Precision, recall and AUC are those of {schema.label}={schema.positive}.")
    if any(schema.numbers[column]["blanks"] for column in schema.plain_numbers):
        told.append("Rows with blanks, as this table has them, are predicted with --blanks=nan.")
    return "\n".join(["", *told]) if told else ""


PROBLEM = Problem(
    model_fn=model_fn,
    params=Params,
    data=TableData,
    describe=reading.describe,
    train_input_fn=train_input_fn,
    eval_input_fn=eval_input_fn,
    test_input_fn=test_input_fn,
    serving_input_receiver_fn=serving_input_receiver_fn,
    metrics=table_scores.METRICS,
    score_of=table_scores.score_of,
    baselines=baselines,
    resume_schema=resume_schema,
    locate_fault=locate_fault,
    locate_rows=locate_rows,
    report=report,
    plots=plots,
)
