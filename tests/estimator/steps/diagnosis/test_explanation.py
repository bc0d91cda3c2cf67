"""What is said of a step whose numbers are not finite: the op, its line, and the rows of the batch."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import planted_nans
from tests.estimator.planted_nans import COLUMNS, PLANTED, Planted
from trainer.estimator import Estimator, EstimatorSpec, RunConfig
from trainer.estimator.steps.diagnosis.bad_rows import Trial, rows_of
from trainer.estimator.steps.diagnosis.bad_step import BatchNumber
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError

V1 = tf.compat.v1
_BATCH, _BAD = 8, 8 * 11 + 3


def dataset() -> tf.data.Dataset:
    values = planted_nans.table(_BATCH * 20, _BAD)
    return tf.data.Dataset.from_tensor_slices(({"x": values}, values[:, :1])).batch(_BATCH, drop_remainder=True)


def line_of(planted: Planted) -> int:
    lines, first = inspect.getsourcelines(planted.loss)
    return first + next(number for number, line in enumerate(lines) if "# planted" in line)


def broken(directory: Path, model_fn: object, input_fn: object = dataset, **settings: object) -> NanLossError:
    """The error of a training that breaks."""
    config = RunConfig(**{"save_checkpoints_steps": 5, "tf_random_seed": 1, **settings})  # type: ignore[arg-type]
    with pytest.raises(V1.train.NanLossDuringTrainingError) as error:
        Estimator(model_fn, directory, config).train(input_fn)  # type: ignore[arg-type]
    assert isinstance(error.value, NanLossError)
    return error.value


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_nan_is_named_with_its_op_its_line_and_its_row(planted: Planted, tmp_path: Path) -> None:
    error = broken(tmp_path, planted.model_fn)
    text = str(error)
    assert "The first result of step 12 that is not finite is" in text
    assert f" of {planted.op}" in text and planted.says in text
    assert f"{planted_nans.__file__}:{line_of(planted)} (" in text and "# planted)" in text
    assert "It comes from row 3 of batch 11 (counted from 0): features['x'] is [0 0 0 0 0], labels is 0." in text
    assert (error.why.number, error.why.rows) == (BatchNumber(11), (3,))


def test_what_broke_is_not_saved_and_the_directory_continues_from_before(tmp_path: Path) -> None:
    broken(tmp_path, PLANTED[2].model_fn, save_checkpoints_steps=3)
    newest = Estimator(PLANTED[2].model_fn, tmp_path).get_variable_value("w")
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-9")
    assert np.isfinite(newest).all()


def test_weights_that_the_last_step_broke_are_not_saved(tmp_path: Path) -> None:
    error = broken(tmp_path, PLANTED[2].model_fn, lambda: dataset().take(12), save_checkpoints_steps=100)
    assert str(error).startswith(
        f"Variable w is NaN at step 12; the last good checkpoint is model.ckpt-0 in {tmp_path}."
    )
    assert "SqrtGrad" in str(error)


def test_a_nan_in_the_batch_itself_is_named_by_its_feature(tmp_path: Path) -> None:
    def with_nan() -> tf.data.Dataset:
        values = planted_nans.table(40, 0)
        values[21, 2] = np.nan
        return tf.data.Dataset.from_tensor_slices({"x": values, "y": values[:, 0]}).batch(4)

    def model_fn(features: dict[str, tf.Tensor], mode: str) -> EstimatorSpec:
        weights = V1.get_variable("w", [COLUMNS, 1])
        loss = tf.reduce_mean(features["x"] @ weights)
        return EstimatorSpec(mode, loss=loss, train_op=weights.assign_sub(0.1 * V1.gradients(loss, weights)[0]))

    error = broken(tmp_path, model_fn, with_nan)
    assert "The batch of step 6 itself holds NaN in 1 of 20, in features['x']." in str(error)
    assert error.why.rows == (1,)


def exploding(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str) -> EstimatorSpec:
    weights = V1.get_variable("w", [COLUMNS, 1])
    loss = tf.reduce_mean(tf.square(features["x"] @ weights - labels))
    train_op = V1.train.GradientDescentOptimizer(1e6).minimize(loss, V1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def test_a_rate_that_is_too_large_is_not_blamed_on_any_row(tmp_path: Path) -> None:
    text = str(broken(tmp_path, exploding))
    assert "that is not finite is inf in 8 of 8, of Square" in text
    assert "No single row of the batch is to blame: the largest weights are w [5, 1] up to" in text
    assert "Lower the learning rate" in text


def test_a_rate_that_breaks_weights_at_once_is_named_with_the_update(tmp_path: Path) -> None:
    def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str) -> EstimatorSpec:
        weights = V1.get_variable("w", [COLUMNS, 1])
        loss = 1e3 * tf.reduce_mean(features["x"] @ weights - labels)
        train_op = V1.train.GradientDescentOptimizer(1e37).minimize(loss, V1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    text = str(broken(tmp_path, model_fn))
    assert "is a value of w, of ResourceApplyGradientDescent" in text
    assert "It took float32 [] of 1e+37, float32 [5, 1] from" in text


def test_batches_that_cannot_be_stacked_are_replayed_too(tmp_path: Path) -> None:
    def with_sparse() -> tf.data.Dataset:
        return dataset().map(lambda x, y: ({**x, "sparse": tf.sparse.from_dense(y)}, y))

    error = broken(tmp_path, PLANTED[0].model_fn, with_sparse)
    assert " of Log " in str(error) and error.why.rows == (3,)


def test_a_step_that_does_not_break_again_is_not_explained_by_guessing(tmp_path: Path) -> None:
    def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str) -> EstimatorSpec:
        weights = V1.get_variable("w", [COLUMNS, 1])
        once = tf.numpy_function(lambda: np.float32(next(values)), [], tf.float32)
        loss = tf.reduce_mean(features["x"] @ weights) * tf.ensure_shape(once, [])
        return EstimatorSpec(mode, loss=loss, train_op=weights.assign_sub(0.0 * tf.ones_like(weights)))

    values = itertools.chain([1.0] * 6, [np.nan], itertools.repeat(1.0))
    text = str(broken(tmp_path, model_fn))
    assert "Made again from model.ckpt-5, op by op, the steps up to 7 give finite numbers only." in text


def test_nothing_is_looked_for_when_no_time_is_given(tmp_path: Path) -> None:
    error = broken(tmp_path, PLANTED[0].model_fn, explain_nan_secs=0)
    assert str(error).splitlines() == [
        f"The loss is NaN at step 13; the last good checkpoint is model.ckpt-10 in {tmp_path}. "
        "Lower the learning rate, clip the gradients, or look for wrong values in the data."
    ]


def test_a_search_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    text = str(broken(tmp_path, PLANTED[0].model_fn, explain_nan_secs=1e-6))
    assert "Which operation it was is not known: 1e-06 seconds were not enough (--explain_nan_secs)." in text


def trial(*bad: int, both: bool = False) -> Trial:
    """A step on eight rows that breaks on any of some rows, or only on all of them."""

    def breaks(batch: object) -> bool:
        rows = set(batch[0].numpy().tolist())  # type: ignore[index]
        return set(bad) <= rows if both else bool(set(bad) & rows)

    return Trial([tf.range(8), tf.constant(1.0)], [True, False], breaks)


def test_rows_are_found_by_leaving_them_out() -> None:
    assert rows_of(trial(5), [5]) == [5]
    assert rows_of(trial(5), []) == [5]
    assert rows_of(trial(2, 5), [2, 5]) == [2, 5]
    assert rows_of(trial(5), [1]) == [5]
    assert rows_of(trial(*range(8)), list(range(8))) is None
    assert rows_of(trial(0, 7, both=True), []) is not None
