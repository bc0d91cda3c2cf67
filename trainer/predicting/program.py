"""Some rows become lines of predictions: read, asked and written in the graph; bad rows are found by halving."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.steps.diagnosis.refusals import told
from trainer.exported.model import Model
from trainer.exported.values import ValueFault
from trainer.job import spelling
from trainer.job.errors import DataError, UsageError
from trainer.predicting import encoding
from trainer.predicting.choosing import Choice
from trainer.predicting.parsing import Tensors
from trainer.predicting.rows import Rows
from trainer.predicting.settings import OutputFormat

_FAULTS = (ValueFault, tf.errors.InvalidArgumentError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bad:
    """A row that got no prediction.

    Attributes:
      row: alone.
      reason: why, in words.
    """

    row: Rows
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """The predictions of some rows.

    Attributes:
      text: their lines.
      bad: rows without a prediction, in order.
      not_finite: rows with a prediction that is no finite number.
      columns: the names of what CSV has in each line; None where there are no lines.
    """

    text: bytes = b""
    bad: Sequence[Bad] = ()
    not_finite: int = 0
    columns: Sequence[str] | None = None


class Program:
    """What is done with the rows of a file.

    Args:
      asked: the model.
      choice: how the rows are read.
      outputs: names of those to write; empty for all.
      form: of the lines.

    Raises:
      UsageError: no such output, or one without a row for each row.
    """

    def __init__(self, asked: Model, choice: Choice, outputs: Sequence[str], form: OutputFormat) -> None:
        self._model, self._choice, self._form = asked, choice, form
        self._wanted = _chosen(choice, outputs)
        self._ask = tf.function(self._asked, autograph=False, reduce_retracing=True)
        self._write = tf.function(self._written, autograph=False, reduce_retracing=True)

    @property
    def most_rows(self) -> int | None:
        """How many rows the signature takes at once; None for any number."""
        return self._choice.signature.batch_size

    def _asked(self, feed: Tensors) -> tuple[Tensors, Tensors]:
        """In the graph: the outputs [rows, …], and what is kept, string [rows]."""
        inputs, kept = self._choice.parser.inputs(feed)
        rows = tf.shape(next(iter(inputs.values())))[0]
        full = {name: self._padded(value, rows) for name, value in inputs.items()}
        outputs = self._model.call(self._choice.signature, full)
        if self.most_rows is None:
            return {name: outputs[name] for name in self._wanted}, kept
        return {name: outputs[name][:rows] for name in self._wanted}, kept

    def _padded(self, value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The input [rows, …], and where the signature takes a fixed number of rows its last one again up to it."""
        size = self.most_rows
        if size is None:
            return value
        full = tf.concat([value, tf.repeat(value[-1:], size - rows, axis=0)], axis=0)
        return tf.ensure_shape(full, [size, *value.shape[1:]])

    def _written(self, outputs: Tensors, kept: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """In the graph: the lines, string [], of outputs [rows, …], and how many rows are not finite, int64 []."""
        lines = encoding.lines(outputs, kept, self._form, kept_is_json=self._choice.parser.kept_is_json)
        return lines, _not_finite(outputs)

    def answer(self, rows: Rows, *, stops_at_first: bool) -> Answer:
        """The predictions of rows, in their order.

        Args:
          rows: at most `most_rows`.
          stops_at_first: whether the first bad row is all that counts.

        Raises:
          DataError: the model does not answer row by row.
        """
        try:
            outputs, kept = self._ask(self._choice.parser.feed(rows.rows))
            _check_rows(outputs, len(rows))
            text, not_finite = self._write(outputs, kept)
        except _FAULTS as error:
            if len(rows) == 1:
                return Answer(bad=[Bad(row=rows, reason=self._choice.parser.reason(rows.rows[0]) or told(error))])
        else:
            columns = encoding.header(outputs, kept)
            return Answer(text=text.numpy(), not_finite=int(not_finite), columns=columns)
        middle = len(rows) // 2
        first = self.answer(rows.part(0, middle), stops_at_first=stops_at_first)
        if first.bad and stops_at_first:
            return first
        second = self.answer(rows.part(middle, len(rows)), stops_at_first=stops_at_first)
        return Answer(
            text=first.text + second.text,
            bad=[*first.bad, *second.bad],
            not_finite=first.not_finite + second.not_finite,
            columns=second.columns if first.columns is None else first.columns,
        )


def _chosen(choice: Choice, outputs: Sequence[str]) -> list[str]:
    there = choice.signature.outputs
    for name in outputs:
        if name not in there:
            do = spelling.suggestion(name, there, "Name outputs of the signature")
            raise UsageError(f"--outputs={name}: {choice.signature.name} has no such output", ", ".join(there), do)
    wanted = list(outputs) or list(there)
    for name in wanted:
        if there[name].shape == ():
            rest = [other for other in wanted if other != name]
            do = f"Set --outputs={','.join(rest)}" if rest else "Name another --signature"
            raise UsageError(f"The output {name} is one value for a whole batch", "outputs with a row for each row", do)
    return wanted


def _check_rows(outputs: Tensors, rows: int) -> None:
    """Raises DataError where outputs [n, …] have another number of rows."""
    for name, value in outputs.items():
        if value.shape.rank == 0 or value.shape[0] != rows:
            got = f"The model answers {rows} rows with {name} of shape {value.shape.as_list()}"
            raise DataError(got, "a row for each row", "Name other --outputs, or another --signature")


def _not_finite(outputs: Tensors) -> tf.Tensor:
    """How many rows of outputs [rows, …] hold something else than finite numbers, int64 []."""
    bad = [
        tf.reduce_any(~tf.math.is_finite(tf.reshape(value, [tf.shape(value)[0], -1])), axis=1)
        for value in outputs.values()
        if value.dtype.is_floating
    ]
    if not bad:
        return tf.constant(0, tf.int64)
    return tf.math.count_nonzero(tf.reduce_any(tf.stack(bad), axis=0))
