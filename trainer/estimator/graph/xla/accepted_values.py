"""What TensorFlow's operations refuse when they run, as numbers that a compiled step can look at.

TensorFlow's kernels raise an error for a place that is not there, a division of whole numbers by zero, or a check that
fails. XLA has no errors: it leaves the place out, takes another one, gives -1, and drops the check, so that a wrong
number would be trained on in silence. A copy of a graph for XLA therefore asks of each such operation whether it would
accept what it is given, and gives NaN for the loss of the step where one would not::

    places [2, 1] = [[3], [13]] ─► ScatterNd ─► sums [10]   the copy:  0 ≤ places < 10 ─┐
    updates [2] ───────────────────┘                                   loss ─► SelectV2 ─► NaN

A NaN ends the training at that step, which is made again as a graph; the error of its kernel names the value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.xla.in_range import are_there
from trainer.estimator.graph.xla.padded_rows import NO_ROW

Inputs = Sequence[tf.Tensor]


def is_checked(op: tf.Operation) -> bool:
    """Whether an operation may refuse what it is given, once it runs."""
    check = _CHECKS.get(op.type)
    return check is not None and check.may_refuse(op)


def accepted(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """Whether an operation accepts what it is given, bool [].

    Args:
      op: for which `is_checked` holds.
      inputs: that it has in the copy, [...] each.
    """
    return _CHECKS[op.type].accepts(op, inputs)


@dataclasses.dataclass(frozen=True)
class _Check:
    """Of a kind of operation.

    Attributes:
      accepts: makes, of the operation and its inputs [...] in the copy, a bool [].
      given: numbers of the inputs that decide; where all of them are constants nothing is looked at.
      applies: whether an operation of the kind refuses anything at all.
    """

    accepts: Callable[[tf.Operation, Inputs], tf.Tensor]
    given: tuple[int, ...]
    applies: Callable[[tf.Operation], bool] = lambda op: True

    def may_refuse(self, op: tf.Operation) -> bool:
        """Whether this one may; constants were looked at when the graph was built."""
        return self.applies(op) and any(tf.get_static_value(op.inputs[number]) is None for number in self.given)


def _all(conditions: tf.Tensor) -> tf.Tensor:
    """Whether all of the conditions [...] hold, bool []."""
    return tf.reduce_all(conditions)


def _within(places: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Whether places [..., coordinates] are in a tensor of a shape, int [rank]."""
    ends = tf.cast(shape, places.dtype)[: places.shape[-1]]
    return _all((places >= 0) & (places < ends))


def _whole_numbers(op: tf.Operation) -> bool:
    """Whether an operation is one of whole numbers."""
    return bool(op.inputs[1].dtype.is_integer)


def _gathers(op: tf.Operation) -> bool:
    """Whether the operation gives what cannot be NaN; of floats each row that is not there becomes NaN (`InRange`)."""
    known = None not in (op.outputs[0].shape.rank, op.inputs[1].shape.rank)
    return known and not op.outputs[0].dtype.is_floating


def _of_gather(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The rows [...] are in the tensor, the first input. Bool []."""
    return _all(are_there(op, tf.shape(inputs[0]), inputs[1]))


def _of_variable_gather(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The rows [...] are in the variable, whose handle [] is the first input. Bool []."""
    return _all(are_there(op, tf.raw_ops.VariableShape(input=inputs[0]), inputs[1]))


def _of_variable_rows(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The rows [...] are in the variable, or stand for none (`padded_rows`). Bool []."""
    count = tf.cast(tf.raw_ops.VariableShape(input=inputs[0])[0], inputs[1].dtype)
    return _all((inputs[1] >= 0) & (inputs[1] < count) | (inputs[1] == NO_ROW))


def _of_variable_places(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The places [..., coordinates] are in the variable. Bool []."""
    return _within(inputs[1], tf.raw_ops.VariableShape(input=inputs[0]))


def _of_segments(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The segments [...] are among those that there are; TensorFlow too leaves out those below 0. Bool []."""
    return _all(tf.cast(inputs[1], tf.int64) < tf.cast(inputs[2], tf.int64))


def _segments_are_given(op: tf.Operation) -> bool:
    """Whether segments come from anywhere; those of a `Unique` are as many as there are."""
    return op.inputs[1].op.type != "Unique"


def _of_dense_places(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """Places [], [places] or [places, rank] are in the shape that is the second input. Bool []."""
    places = inputs[0]
    return _within(places if places.shape.rank == 2 else tf.reshape(places, [-1, 1]), inputs[1])


def _of_lengths(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """No length [batch] is longer than the dimension that is reversed. Bool []."""
    longest = tf.cast(tf.shape(inputs[0])[op.get_attr("seq_dim")], inputs[1].dtype)
    return _all((inputs[1] >= 0) & (inputs[1] <= longest))


def _of_permutation(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """Each number from 0 is there once, in [numbers]. Bool []."""
    return _all(tf.sort(inputs[0]) == tf.range(tf.size(inputs[0], inputs[0].dtype), dtype=inputs[0].dtype))


def _of_slice(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """A part of a size [rank] from a place [rank] on is in the tensor; -1 is all that is left. Bool []."""
    tensor, begin, size = inputs
    size, ends = tf.maximum(size, 0), tf.cast(tf.shape(tensor), begin.dtype)
    return _all((begin >= 0) & (begin + size <= ends))


def _of_single_places(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """Each number by which one element of a dimension is taken, as 13 in x[2:4, 13], is in it. Bool []."""
    begin, shape = inputs[1], tf.cast(tf.shape(inputs[0]), inputs[1].dtype)
    taken = _single_dimensions(op)
    place, ends = tf.gather(begin, list(taken)), tf.gather(shape, list(taken.values()))
    return _all((place >= -ends) & (place < ends))


def _single_dimensions(op: tf.Operation) -> dict[int, int]:
    """The dimensions of which one element is taken, by the places of their numbers in what the operation is given."""
    count, rank = op.inputs[1].shape[0], op.inputs[0].shape.rank
    if count is None or rank is None:
        return {}
    new, single = (_bits(op.get_attr(f"{name}_axis_mask"), count) for name in ("new", "shrink"))
    rest = _bits(op.get_attr("ellipsis_mask"), count)
    # Places behind an ellipsis count from the last dimension.
    first = next(iter(rest), count)
    before = {place: sum(other not in new for other in range(place)) for place in single if place < first}
    after = {place: rank - sum(o not in new for o in range(place, count)) for place in single if place > first}
    return before | after


def _bits(mask: int, count: int) -> list[int]:
    """The numbers of the bits, of so many, that are set."""
    return [number for number in range(count) if mask >> number & 1]


def _of_partition(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """Each element has a part that there is, by numbers [...]. Bool []."""
    return _all((inputs[1] >= 0) & (inputs[1] < op.get_attr("num_partitions")))


def _of_condition(op: tf.Operation, inputs: Inputs) -> tf.Tensor:
    """The condition [] holds, without which a check, or the branch that makes it, fails. Bool []."""
    return tf.cast(tf.reshape(inputs[0], []), tf.bool)


def _only_fails(op: tf.Operation) -> bool:
    """Whether a branch is that of `tf.debugging.Assert`: its second side checks what is false there."""
    graph = bodies.body(op, op_table.functions(op)["else_branch"][0])
    checks = [one.inputs[0] for one in graph.get_operations() if one.type == op_table.CHECK] if graph else []
    arguments = {id(tensor): given for tensor, given in zip(graph.inputs, op.inputs[1:], strict=True)} if graph else {}
    return any(arguments.get(id(condition)) is op.inputs[0] for condition in checks)


_NOT_NEGATIVE = _Check(lambda op, inputs: _all(inputs[0] >= 0), (0,))
_FINITE = _Check(lambda op, inputs: _all(tf.math.is_finite(inputs[0])), (0,))
_CHECKS = {
    **dict.fromkeys(op_table.TENSOR_GATHERS, _Check(_of_gather, (1,), _gathers)),
    **dict.fromkeys(op_table.GATHERS, _Check(_of_variable_gather, (1,), _gathers)),
    **dict.fromkeys(op_table.TENSOR_SCATTERS, _Check(lambda op, inputs: _within(inputs[1], tf.shape(inputs[0])), (1,))),
    **dict.fromkeys(op_table.ROW_SCATTERS, _Check(_of_variable_rows, (1,))),
    **dict.fromkeys(op_table.NOT_BY_ROWS, _Check(_of_variable_places, (1,))),
    **dict.fromkeys(op_table.SEGMENTS, _Check(_of_segments, (1, 2), _segments_are_given)),
    **dict.fromkeys(op_table.DIVISIONS, _Check(lambda op, inputs: _all(inputs[1] != 0), (1,), _whole_numbers)),
    **dict.fromkeys(("If", "StatelessIf"), _Check(_of_condition, (0,), _only_fails)),
    op_table.CHECK: _Check(_of_condition, (0,)),
    "Bincount": _NOT_NEGATIVE,
    "CheckNumerics": _FINITE,
    "CheckNumericsV2": _FINITE,
    "DenseBincount": _NOT_NEGATIVE,
    "DynamicPartition": _Check(_of_partition, (1,)),
    "InvertPermutation": _Check(_of_permutation, (0,)),
    "Pow": _Check(lambda op, inputs: _all(inputs[1] >= 0), (1,), _whole_numbers),
    "ReverseSequence": _Check(_of_lengths, (1,)),
    "ScatterNd": _Check(lambda op, inputs: _within(inputs[0], inputs[2]), (0,)),
    "Slice": _Check(_of_slice, (1,)),
    "SparseToDense": _Check(_of_dense_places, (0, 1)),
    "StridedSlice": _Check(_of_single_places, (1,), lambda op: bool(_single_dimensions(op))),
}
