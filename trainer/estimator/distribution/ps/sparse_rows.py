"""Which rows of large variables the batches of a call look up, so that a worker fetches those and no others.

Downpour SGD has a worker make many steps on copies of the variables. Of a row-sharded variable it copies the rows that
the call's batches look up, where those can be told from the batches alone, and with each row what an optimizer keeps
about it. A row that no batch looks up stays as it is on its server: an optimizer that changes all rows at every step,
as Adam does with its moments, changes those that the call has, as LazyAdam would.

An example: a table [1000, 8] with the slot table/Momentum [1000, 8], and a call of two steps on batches of three ids::

    batches int64 [2, 3]            [[7, 3, 7], [900, 3, 12]]
    row_ids int64 [4]               [3, 7, 12, 900]        sorted, each once
    cache of the table              [4, 8]                 gathered from whatever servers have those rows
    cache of table/Momentum         [4, 8]
    a lookup of 900, in a step      place 3 in the cache
    push                            table[row_ids] += cache - what was fetched; table/Momentum[row_ids] = cache
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import Role


@dataclasses.dataclass(frozen=True)
class Lookups:
    """The lookups of a step that follow from its batch alone.

    Attributes:
      ids: gives, for a batch, the numbers of the rows that it looks up, a list of tensors of any shape.
      names: of the variable that each of them is of.
      followers: names of the slots that go with each variable, by its name.
    """

    ids: PrunedFunction
    names: tuple[str, ...]
    followers: Mapping[str, tuple[str, ...]]

    def row_ids(self, stacks: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """The rows that a stack of batches looks up: int64 [rows], sorted and each once, by the variables' names.

        Args:
          stacks: [steps, batch, …] for each feed of the model.
        """

        def body(index: tf.Tensor, written: list[tf.TensorArray]) -> Any:
            batch = self.ids(*[stack[index] for stack in stacks])
            flat = [tf.cast(tf.reshape(ids, [-1]), tf.int64) for ids in batch]
            return index + 1, [array.write(index, ids) for array, ids in zip(written, flat, strict=True)]

        steps = stacks[0].shape[0]
        # Batches may look up different numbers of rows: elements of an array of unknown length.
        arrays = [tf.TensorArray(tf.int64, steps, infer_shape=False, element_shape=[None]) for _ in self.names]
        _, arrays = tf.while_loop(lambda index, _: index < steps, body, [0, arrays], parallel_iterations=1)
        grouped: dict[str, list[tf.Tensor]] = {name: [] for name in self.followers}
        for name, array in zip(self.names, arrays, strict=True):
            grouped[name].append(array.concat())
        # Each row once, or two copies of it would gain by themselves; sorted, so that a step can search for its place.
        return {name: tf.sort(tf.unique(tf.concat(ids, 0)).y) for name, ids in grouped.items()}


def lookups(traced: TracedModel, operations: Sequence[tf.Operation], without: frozenset[str] = frozenset()) -> Lookups:
    """The lookups in row-sharded variables, of those whose rows can be told from the batch.

    Args:
      traced: in TRAIN.
      operations: what a step runs beside the loss.
      without: names of variables to leave out.
    """
    feeds, sharded = {tensor.op for tensor in traced.feeds}, traced.store.row_sharded()
    needed = ancestors([traced.spec.loss.op, *operations], feeds)
    by_name: dict[str, list[tf.Tensor]] = {}
    for name, handle in traced.handles().items():
        # Slots come with the variable that they belong to, and are not looked up by themselves.
        if name in sharded and name not in without and sharded[name].primary is None:
            ids = list(_ids(handle, needed))
            # One lookup whose rows cannot be told in advance would find its rows missing in the cache.
            if ids and all(_from_batch(traced, tensor, feeds) for tensor in ids):
                by_name[name] = ids
    followers = {
        name: tuple(other for other, variable in sharded.items() if variable.primary == name) for name in by_name
    }
    tensors = [tensor for ids in by_name.values() for tensor in ids]
    names = tuple(name for name, ids in by_name.items() for _ in ids)
    return Lookups(traced.prune(tensors), names, followers)


def _ids(handle: tf.Tensor, needed: set[tf.Operation]) -> Iterator[tf.Tensor]:
    """What the lookups in a variable take for the numbers of rows, of any shapes [...].

    Args:
      handle: of the variable, [].
      needed: the ops of the step.
    """
    for op in handle.consumers():
        if op in needed and op.type == "ResourceGather":
            yield op.inputs[1]
        for user in op.outputs[0].consumers() if op in needed and op.type == op_table.READ else ():
            if user in needed and op_table.is_lookup(user, op.outputs[0]):
                yield user.inputs[1]


def _from_batch(traced: TracedModel, ids: tf.Tensor, feeds: set[tf.Operation]) -> bool:
    """Whether numbers of rows [...] follow from a batch alone, so that they can be computed before the step.

    Args:
      traced: in TRAIN.
      ids: numbers of rows.
      feeds: the placeholders of a batch.
    """
    # A variable could have changed by the time of the step, and a random op would draw other numbers then.
    made_from = ancestors([ids.op], feeds, control=False) - feeds
    captured = {inner.op for _, inner in traced.graph.captures}
    return not any(op in captured or op.op_def.is_stateful for op in made_from)


@dataclasses.dataclass(frozen=True)
class CachedRows:
    """A worker's copies of rows, for one call.

    Attributes:
      handles: of the copies [rows, …], by the names of the variables.
      row_ids: int64 [rows], by the names of the variables that are looked up.
      fetched: the weights' rows [rows, …] as they were on the servers, by name.
    """

    handles: Mapping[str, tf.Tensor]
    row_ids: Mapping[str, tf.Tensor]
    fetched: Mapping[str, tf.Tensor]


class RowCache:
    """Fetches the rows that a call needs, and gives back what became of them.

    Args:
      traced: in TRAIN.
      lookups: which rows.
      own: makes a handle [] of the worker's own for a variable, without a value.

    Attributes:
      placeholders: int64 [rows] in the model's graph, by the names of the variables that are looked up.
      row_ids: that of each cached variable, slots among them, by name.
    """

    def __init__(self, traced: TracedModel, lookups: Lookups, own: Callable[[RowShardedVariable], tf.Tensor]) -> None:
        self._store, self._lookups, self._own = traced.store, lookups, own
        self._variables = traced.store.row_sharded()
        with traced.graph.as_default():
            self.placeholders = {
                name: tf.compat.v1.placeholder(tf.int64, [None], "row_ids") for name in lookups.followers
            }
        self.row_ids = {name: self.placeholders[looked_up] for looked_up, name in self._cached()}

    def _cached(self) -> Iterator[tuple[str, str]]:
        """Each variable that has rows here, behind the variable whose lookups say which."""
        for looked_up, slots in self._lookups.followers.items():
            for name in (looked_up, *slots):
                yield looked_up, name

    def fetch(self, stacks: Sequence[tf.Tensor]) -> CachedRows:
        """Copies of the rows that a stack of batches looks up.

        Args:
          stacks: [steps, batch, …] for each feed of the model.
        """
        row_ids = self._lookups.row_ids(stacks) if self.row_ids else {}
        handles, fetched = {}, {}
        for looked_up, name in self._cached():
            rows = self._variables[name].gather(row_ids[looked_up])
            handles[name] = self._own(self._variables[name])
            tf.raw_ops.AssignVariableOp(resource=handles[name], value=rows)
            if self._store.roles[name] is Role.WEIGHT:
                fetched[name] = rows
        return CachedRows(handles, row_ids, fetched)

    def push(self, cached: CachedRows) -> None:
        """Weights on the servers gain what the copies have gained; what an optimizer keeps is set."""
        for looked_up, name in self._cached():
            variable, row_ids = self._variables[name], cached.row_ids[looked_up]
            after = tf.raw_ops.ReadVariableOp(resource=cached.handles[name], dtype=variable.dtype)
            # As with whole variables: gains of weights add up, of an optimizer's state the last push wins.
            if name in cached.fetched:
                variable.scatter(row_ids, after - cached.fetched[name], add=True)
            else:
                variable.scatter(row_ids, after, add=False)
