"""`tf.contrib.rnn`: cells, and the loops that TensorFlow still has."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.compat import names
from trainer.estimator.graph.inside import legacy_layers

_CELLS = (
    "BasicLSTMCell",
    "BasicRNNCell",
    "DeviceWrapper",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "ResidualWrapper",
)
_OWN = {name: f"trainer.compat.v1.rnn_cell:{name}" for name in _CELLS} | {
    "LSTMBlockFusedCell": "trainer.compat.v1.contrib.fused_cells:LSTMBlockFusedCell",
    "TimeReversedFusedRNN": "trainer.compat.v1.contrib.fused_cells:TimeReversedFusedRNN",
    "static_rnn": "tensorflow:compat.v1.nn.static_rnn",
    "static_bidirectional_rnn": "tensorflow:compat.v1.nn.static_bidirectional_rnn",
    "static_state_saving_rnn": "tensorflow:compat.v1.nn.static_state_saving_rnn",
}


def LSTMBlockCell(num_units: int, forget_bias: float = 1.0, name: str = "lstm_cell", **_: Any) -> Any:  # noqa: N802
    """A BasicLSTMCell, which computes the same from the same variables; XLA fuses its ops.

    Args:
      num_units: of the state.
      forget_bias: added to the forget gate's.
      name: of its scope.
    """
    return legacy_layers.module("rnn_cell").BasicLSTMCell(num_units, forget_bias=forget_bias, name=name)


def stack_bidirectional_dynamic_rnn(
    cells_fw: Any, cells_bw: Any, inputs: tf.Tensor, dtype: Any = None, sequence_length: Any = None, scope: Any = None
) -> Any:
    """Layers of forward and backward cells, each on the outputs of both before it.

    Args:
      cells_fw: forward, a layer each.
      cells_bw: backward, a layer each.
      inputs: [batch, time, depth].
      dtype: of the states.
      sequence_length: [batch]; None for the whole.
      scope: its name.

    Returns:
      The outputs [batch, time, 2 * units], and the last states of the forward and of the backward cells.
    """
    states: tuple[list[Any], list[Any]] = [], []
    with tf.compat.v1.variable_scope(scope or "stack_bidirectional_rnn"):
        for layer, (forward, backward) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with tf.compat.v1.variable_scope(f"cell_{layer}"):
                outputs, last = tf.compat.v1.nn.bidirectional_dynamic_rnn(
                    forward, backward, inputs, sequence_length=sequence_length, dtype=dtype
                )
            inputs = tf.concat(outputs, 2)
            for kept, state in zip(states, last, strict=True):
                kept.append(state)
    return inputs, tuple(states[0]), tuple(states[1])


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, {"LayerNormBasicLSTMCell": "Use LSTMCell with tf.contrib.layers"})
