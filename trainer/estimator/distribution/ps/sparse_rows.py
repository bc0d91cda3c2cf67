"""Which rows of large variables the batches of a call look up, so that a worker fetches those and no others.

Downpour SGD has a worker make many steps on copies of the variables. Of a variable that is held by rows it copies the
rows that the call's batches look up, where those can be told from the batches alone, and with each row what an
optimizer keeps about it. A row that no batch looks up stays as it is on its server: an optimizer that changes all rows
at every step, as Adam does with its moments, changes those that the call has, as LazyAdam would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.op_table import is_lookup
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.row_sharding import RowShardedVariable
from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import Role


@dataclasses.dataclass(frozen=True)
class Lookups:
    """The lookups of a step that follow from its batch alone.

    Attributes:
      ids: gives, for a batch, the numbers of the rows that it looks up, a list of tensors of any shape.
      names: of the variable that each of them is of.
      followers: names of the slots that go with each, by its name.
    """

    ids: PrunedFunction
    names: tuple[str, ...]
    followers: Mapping[str, tuple[str, ...]]

    def numbers(self, stacks: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """The rows that a stack of batches looks up: int64 [n], sorted and each once, by the variables' names."""

        def body(index: tf.Tensor, found: list[tf.TensorArray]) -> Any:
            batch = self.ids(*[stack[index] for stack in stacks])
            flat = [tf.cast(tf.reshape(ids, [-1]), tf.int64) for ids in batch]
            return index + 1, [array.write(index, ids) for array, ids in zip(found, flat, strict=True)]

        size = stacks[0].shape[0]
        arrays = [tf.TensorArray(tf.int64, size, infer_shape=False, element_shape=[None]) for _ in self.names]
        _, arrays = tf.while_loop(lambda index, _: index < size, body, [0, arrays], parallel_iterations=1)
        grouped: dict[str, list[tf.Tensor]] = {name: [] for name in self.followers}
        for name, array in zip(self.names, arrays, strict=True):
            grouped[name].append(array.concat())
        return {name: tf.sort(tf.unique(tf.concat(ids, 0)).y) for name, ids in grouped.items()}


def lookups(traced: TracedModel, operations: Sequence[tf.Operation], without: frozenset[str] = frozenset()) -> Lookups:
    """The lookups in variables that are held by rows, of those whose rows can be told from the batch.

    Args:
      traced: in TRAIN.
      operations: what a step runs beside the loss.
      without: names of variables to leave out.
    """
    feeds, by_rows = {tensor.op for tensor in traced.feeds}, traced.store.by_rows()
    needed = ancestors([traced.spec.loss.op, *operations], feeds)
    found: dict[str, list[tf.Tensor]] = {}
    for name, handle in traced.handles().items():
        if name in by_rows and name not in without and by_rows[name].primary is None:
            ids = list(_ids(handle, needed))
            if ids and all(_from_batch(traced, tensor, feeds) for tensor in ids):
                found[name] = ids
    followers = {
        name: tuple(other for other, variable in by_rows.items() if variable.primary == name) for name in found
    }
    tensors = [tensor for ids in found.values() for tensor in ids]
    names = tuple(name for name, ids in found.items() for _ in ids)
    return Lookups(traced.prune(tensors), names, followers)


def _ids(handle: tf.Tensor, needed: set[tf.Operation]) -> Iterator[tf.Tensor]:
    """What the lookups in a variable take for the numbers of rows."""
    for op in handle.consumers():
        if op in needed and op.type == "ResourceGather":
            yield op.inputs[1]
        for user in op.outputs[0].consumers() if op in needed and op.type == "ReadVariableOp" else ():
            if user in needed and is_lookup(user, op.outputs[0]):
                yield user.inputs[1]


def _from_batch(traced: TracedModel, ids: tf.Tensor, feeds: set[tf.Operation]) -> bool:
    made_from = ancestors([ids.op], feeds, control=False) - feeds
    captured = {inner.op for _, inner in traced.graph.captures}
    return not any(op in captured or op.op_def.is_stateful for op in made_from)


@dataclasses.dataclass(frozen=True)
class Copies:
    """A worker's copies of rows, for one call.

    Attributes:
      handles: of the copies, by the names of the variables.
      numbers: of the rows, by the names of the variables that are looked up.
      fetched: the weights' rows as they were on the servers, by name.
    """

    handles: Mapping[str, tf.Tensor]
    numbers: Mapping[str, tf.Tensor]
    fetched: Mapping[str, tf.Tensor]


class RowCache:
    """Fetches the rows that a call needs, and gives back what became of them.

    Args:
      traced: in TRAIN.
      lookups: which rows.
      own: makes a handle of the worker's own for a variable, without a value.
    """

    def __init__(self, traced: TracedModel, lookups: Lookups, own: Callable[[RowShardedVariable], tf.Tensor]) -> None:
        self._store, self._lookups, self._own = traced.store, lookups, own
        self._variables = traced.store.by_rows()
        with traced.graph.as_default():
            placeholders = {name: tf.compat.v1.placeholder(tf.int64, [None], "touched") for name in lookups.followers}
        self.placeholders = placeholders
        self.touched = {
            name: placeholders[looker] for looker, slots in lookups.followers.items() for name in (looker, *slots)
        }

    def fetch(self, stacks: Sequence[tf.Tensor]) -> Copies:
        """Copies of the rows that a stack of batches looks up."""
        numbers = self._lookups.numbers(stacks) if self.touched else {}
        handles, fetched = {}, {}
        for looker, slots in self._lookups.followers.items():
            for name in (looker, *slots):
                rows = self._variables[name].gather(numbers[looker])
                handles[name] = self._own(self._variables[name])
                tf.raw_ops.AssignVariableOp(resource=handles[name], value=rows)
                if self._store.roles[name] is Role.WEIGHT:
                    fetched[name] = rows
        return Copies(handles, numbers, fetched)

    def push(self, copies: Copies) -> None:
        """Weights on the servers gain what the copies have gained; what an optimizer keeps is set."""
        for looker, slots in self._lookups.followers.items():
            for name in (looker, *slots):
                variable, ids = self._variables[name], copies.numbers[looker]
                after = tf.raw_ops.ReadVariableOp(resource=copies.handles[name], dtype=variable.dtype)
                if name in copies.fetched:
                    variable.scatter_add(ids, after - copies.fetched[name])
                else:
                    variable.scatter_update(ids, after)
