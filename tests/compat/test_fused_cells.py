"""Cells of `tf.contrib.rnn` over whole sequences: what they compute is what the cells of a step compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainer.compat.v1 as tf

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.nn.rnn_cell:UserWarning")

TIME, BATCH, DEPTH, UNITS = 5, 3, 2, 4
LENGTHS = np.array([5, 2, 0], np.int32)
SEQUENCES = np.random.default_rng(0).normal(size=(TIME, BATCH, DEPTH)).astype(np.float32)


def weights() -> dict[str, Any]:
    """Variables of the graph by name, all with values of their own."""
    random = np.random.default_rng(1)
    made = {v.op.name: v for v in tf.global_variables()}
    for name in sorted(made, key=lambda name: name.rpartition("/")[2]):
        tf.add_to_collection("set", made[name].assign(random.normal(size=made[name].shape)))
    return made


def with_weights(make: Any) -> Any:
    """The same, its variables set as `weights` says, so that two models of them agree."""
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = make()
        names = sorted(weights())
        session.run(tf.get_collection("set"))
        return names, session.run(tensors)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "of lengths"])
@pytest.mark.parametrize("peephole", [False, True])
def test_a_fused_cell_computes_what_a_cell_of_a_step_does(lengths: Any, peephole: bool) -> None:
    def fused() -> Any:
        cell = tf.contrib.rnn.LSTMBlockFusedCell(UNITS, use_peephole=peephole)
        return cell(tf.constant(SEQUENCES), dtype=tf.float32, sequence_length=lengths)

    def stepped() -> Any:
        cell = tf.nn.rnn_cell.LSTMCell(UNITS, use_peepholes=peephole, name="cell")
        return tf.nn.dynamic_rnn(cell, tf.constant(SEQUENCES), lengths, dtype=tf.float32, time_major=True)

    names, (outputs, state) = with_weights(fused)
    assert names[:2] == ["lstm_fused_cell/bias", "lstm_fused_cell/kernel"]
    _, (expected, last) = with_weights(stepped)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-6)


def test_a_cell_in_reverse_begins_at_the_end_of_each_sequence() -> None:
    def reverse() -> Any:
        cell = tf.contrib.rnn.TimeReversedFusedRNN(tf.contrib.rnn.LSTMBlockFusedCell(UNITS))
        return cell(tf.constant(SEQUENCES), dtype=tf.float32, sequence_length=tf.constant(LENGTHS))

    def by_hand() -> Any:
        turned = tf.reverse_sequence(SEQUENCES, LENGTHS, seq_axis=0, batch_axis=1)
        outputs, state = tf.contrib.rnn.LSTMBlockFusedCell(UNITS)(turned, sequence_length=LENGTHS)
        return tf.reverse_sequence(outputs, LENGTHS, seq_axis=0, batch_axis=1), state

    (_, (outputs, state)), (_, (expected, last)) = with_weights(reverse), with_weights(by_hand)
    np.testing.assert_allclose(outputs, expected)
    np.testing.assert_allclose(state, last)


def test_a_cell_that_is_called_twice_has_one_set_of_variables_and_two_cells_have_two() -> None:
    with tf.Graph().as_default():
        first, second = tf.contrib.rnn.LSTMBlockFusedCell(UNITS), tf.contrib.rnn.LSTMBlockFusedCell(UNITS)
        for cell in (first, first, second):
            outputs, _ = cell(tf.unstack(SEQUENCES))
        assert len(outputs) == TIME
        assert {v.op.name for v in tf.global_variables()} == {
            f"{scope}/{name}" for scope in ("lstm_fused_cell", "lstm_fused_cell_1") for name in ("kernel", "bias")
        }
