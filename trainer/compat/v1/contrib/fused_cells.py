"""Cells of `tf.contrib.rnn` that run over a whole sequence in one call, by the names that their variables had."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside import legacy_layers


class LSTMBlockFusedCell:
    """An LSTM over sequences, in one op of TensorFlow (Hochreiter and Schmidhuber 1997; Zaremba et al. 2015).

    Args:
      num_units: of the state.
      forget_bias: added to the forget gate's.
      cell_clip: bound of the cell's values; None for none.
      use_peephole: whether the gates see the cell's values.
      reuse: of the scope.
      dtype: of the variables; None for that of the inputs.
      name: of its scope.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        self.num_units = num_units
        self._forget_bias, self._clip, self._peephole = forget_bias, cell_clip, use_peephole
        self._reuse, self._dtype, self._name = reuse, dtype, name
        self._scope: Any = None

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: tf.Tensor | None = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """Runs over the sequences.

        Args:
          inputs: [time, batch, depth], or a list of `time` tensors [batch, depth].
          initial_state: a pair (c, h) of [batch, num_units]; None for zeros.
          dtype: of the state; None for that of the inputs.
          sequence_length: int [batch], how many steps count of each sequence; None for all.
          scope: of the variables; None for the cell's name.

        Returns:
          The outputs, of the form of the inputs, zeros behind the end of a sequence; and the last state of each.
        """
        is_list = isinstance(inputs, list | tuple)
        inputs = tf.stack(inputs) if is_list else tf.convert_to_tensor(inputs, dtype or self._dtype)
        if self._scope is None:
            opened = tf.compat.v1.variable_scope(scope, self._name, reuse=self._reuse)
        else:
            opened = tf.compat.v1.variable_scope(self._scope, reuse=True)
        with opened as self._scope:
            outputs, state = self._run(inputs, initial_state, sequence_length)
        return (tf.unstack(outputs) if is_list else outputs), state

    def _run(self, inputs: tf.Tensor, initial_state: Any, lengths: tf.Tensor | None) -> tuple[tf.Tensor, Any]:
        """The outputs and the last states of inputs [time, batch, depth]."""
        steps, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
        zeros = tf.zeros([batch, self.num_units], inputs.dtype)
        c, h = (zeros, zeros) if initial_state is None else initial_state
        cells, outputs = self._block(inputs, c, h, steps if lengths is None else tf.reduce_max(lengths))
        pair = legacy_layers.module("rnn_cell").LSTMStateTuple
        if lengths is None:
            return outputs, pair(cells[-1], outputs[-1])
        counts = tf.transpose(tf.sequence_mask(lengths, steps, inputs.dtype))[:, :, tf.newaxis]
        last = tf.stack([tf.cast(lengths, tf.int32), tf.range(batch)], 1)  # a sequence of length 0 keeps its state
        state = [tf.gather_nd(tf.concat([[first], all_], 0), last) for first, all_ in ((c, cells), (h, outputs))]
        return outputs * counts, pair(*state)

    def _block(self, x: tf.Tensor, c: tf.Tensor, h: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The cells' values and the outputs [time, batch, num_units] of inputs x [time, batch, depth]."""
        units, kind = self.num_units, x.dtype
        kernel = tf.compat.v1.get_variable("kernel", [x.shape[2] + units, 4 * units], kind)
        zeros = tf.compat.v1.zeros_initializer()
        bias = tf.compat.v1.get_variable("bias", [4 * units], kind, zeros)
        gates = [tf.zeros([units], kind)] * 3
        if self._peephole:
            gates = [tf.compat.v1.get_variable(f"w_{gate}_diag", [units], kind) for gate in "ifo"]
        block = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(steps, tf.int64),
            x=x,
            cs_prev=c,
            h_prev=h,
            w=kernel,
            wci=gates[0],
            wcf=gates[1],
            wco=gates[2],
            b=bias,
            forget_bias=self._forget_bias,
            cell_clip=-1.0 if self._clip is None else self._clip,  # not above 0: none
            use_peephole=self._peephole,
        )
        return block.cs, block.h


class TimeReversedFusedRNN:
    """A fused cell that runs from the end of each sequence to its beginning.

    Args:
      cell: a fused cell.
    """

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: tf.Tensor,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: tf.Tensor | None = None,
        scope: Any = None,
    ) -> tuple[tf.Tensor, Any]:
        """Runs over sequences [time, batch, depth]; the arguments and the result are those of the cell."""

        def turned(sequences: tf.Tensor) -> tf.Tensor:
            if sequence_length is None:
                return tf.reverse(sequences, [0])
            return tf.reverse_sequence(sequences, sequence_length, seq_axis=0, batch_axis=1)

        outputs, state = self._cell(turned(inputs), initial_state, dtype, sequence_length, scope)
        return turned(outputs), state
