"""A model function traced in one mode, and the part of its graph that the mode runs.

The function runs once, in a graph, where it makes ops and finds its variables in the store. What a mode needs is then
cut out: the fetches, and the side effects that belong to the mode. Whatever else the function built (a `train_op` in
EVAL, a metric in TRAIN) stays still.

An example: a model of two variables, w [2, 1] and b [1], on features [batch, 2] and labels [batch, 1].

    what the function does                        the ops that it leaves           TRAIN   EVAL   PREDICT
    y = features @ w + b                          2 reads, MatMul, AddV2           yes     yes    yes
    loss = reduce_mean((y - labels) ** 2)         Sub, Square, Mean                yes     yes    -
    mae = metrics.mean_absolute_error(labels, y)  reads and writes of its totals   -       yes    -
    train_op = SGD.minimize(loss)                 the gradient, 2 writes           yes     -      -
    summary.scalar("loss", loss)                  WriteSummary, whose inputs are   when    -      -
                                                  fetched and written outside      due

In TRAIN the writes of w and b come after the reads in the first line, as in the program; no op says so by its inputs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.contract.metric_ops import MetricOps
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph import lookup_tables, op_table, randomness
from trainer.estimator.graph.creator import RegularizationLosses, shared
from trainer.estimator.graph.inner_summaries import InnerSummaries, Summary
from trainer.estimator.graph.inside import graphs, legacy_layers, resources, scaffolds, summaries
from trainer.estimator.graph.pruning import GraphVariables, LossRule, PrunedFunction, prune
from trainer.estimator.graph.row_sharding import Rows
from trainer.estimator.graph.sharded_tensors import ShardedRef
from trainer.estimator.graph.subgraphs import Edges
from trainer.estimator.graph.variables import Role, VariableStore


@dataclasses.dataclass
class TracedModel:
    """A model function's graph in one mode.

    Attributes:
      mode: a value of ModeKeys.
      spec: what the function returned; its tensors belong to `graph`.
      graph: all that the function built.
      feeds: the placeholders of features and labels, flat.
      store: where the variables are.
      resources: lookup tables and other resources that the function made.
      inner_summaries: those that it made in branches, loops and functions of its own, in TRAIN.
      context: whatever else the traced body made (a serving input receiver).
      program_order: the control edges that keep the order of the program, beside those that the function made.
    """

    mode: str
    spec: EstimatorSpec
    graph: tf.Graph
    feeds: list[tf.Tensor]
    store: VariableStore
    resources: list[Any]
    inner_summaries: list[Summary]
    context: Any = None
    program_order: Edges = dataclasses.field(default_factory=dict)

    def prune(
        self,
        fetches: Any,
        operations: Iterable[tf.Operation] = (),
        feeds: Sequence[tf.Tensor] | None = None,
        row_ids: Mapping[str, tf.Tensor] | None = None,
        *,
        in_program_order: bool = True,
        without: Edges | None = None,
        rule: LossRule | None = None,
    ) -> PrunedFunction:
        """A function of the feeds that computes the fetches, runs the operations, and does nothing else.

        Args:
          fetches: nested tensors.
          operations: what to run beside them.
          feeds: tensors whose values are the arguments; None for the features and labels.
          row_ids: for row-sharded variables by name whose handles are fed and that are caches of some rows: a
            placeholder of the numbers of those rows, int64 [rows] and sorted, which is fed too.
          in_program_order: whether what the function made before, on the same variables, runs before.
          without: control edges that do not count, where the program's order does; None for none.
          rule: puts something else in the place of operations, as `ForXla` does, where the first fetch is the loss.

        Raises:
          UnfedError: a fetch depends on a placeholder that is not fed.
          ValueError: a row-sharded variable is taken whole in a way that cannot be done.
        """
        feeds, operations = self.feeds if feeds is None else feeds, list(dict.fromkeys(operations))
        variables, without = self._variables(row_ids or {}), without if in_program_order else self.program_order
        function = prune(self.graph, fetches, operations, feeds, variables, without, rule)
        self.store.report_taken_whole(function.taken_whole)
        return dataclasses.replace(function, resources=self.resources)

    def _variables(self, row_ids: Mapping[str, tf.Tensor]) -> GraphVariables:
        """The variables of the graph, with the shards of those that are sharded, each a handle []."""
        sharded, handles = self.store.row_sharded(), self.handles()
        refs = {}
        for name in sharded.keys() & handles.keys():
            variable, handle = sharded[name], handles[name]
            if name in row_ids:  # one shard, wherever the function runs
                rows = Rows(bounds=(0, variable.rows.count), devices=("",))
                ref = ShardedRef(name, variable.shape, variable.dtype, [handle], rows, row_ids[name])
            else:
                shards = [shard.handle for shard in variable.shards]
                ref = ShardedRef(name, variable.shape, variable.dtype, shards, variable.rows)
            refs[id(handle)] = ref
        # Ops that were traced beside a stand-in have its device, where the variable's rows are not.
        home = next(iter(sharded.values())).stand_in.device if refs else None
        return GraphVariables(names=self.store.names_by_handle(), refs=refs, home=home)

    def handles(self) -> dict[str, tf.Tensor]:
        """The placeholders [] of the variables' handles in the graph, by the variables' names."""
        names, captures = self.store.names_by_handle(), self.graph.captures
        return {names[id(outer)]: inner for outer, inner in captures if id(outer) in names}

    @functools.cached_property
    def summaries(self) -> list[Summary]:
        """Those that the model function made, in order, and then those of its branches, loops and functions."""
        own = [_summary(op) for op in self.graph.get_operations() if op.type == "WriteSummary"]
        return own + self.inner_summaries

    @functools.cached_property
    def writes(self) -> dict[tf.Operation, set[str]]:
        """The ops that write to variables, with the variables' names."""
        names = self.store.names_by_handle()
        by_capture = {id(inner): names[id(outer)] for outer, inner in self.graph.captures if id(outer) in names}
        found = {}
        for op in self.graph.get_operations():
            _, written = graphs.accessed(op)
            known = {by_capture[id(handle)] for handle in written if id(handle) in by_capture}
            if known:
                found[op] = known
        return found


def _summary(op: tf.Operation) -> Summary:
    _, _, tensor, tag, metadata = op.inputs
    return Summary(tf.get_static_value(tag).item().decode(), tensor, tf.get_static_value(metadata).item())


def trace(
    body: Callable[..., tuple[EstimatorSpec, Any]],
    signature: Sequence[Any],
    mode: str,
    store: VariableStore,
    *,
    xla: bool = False,
) -> TracedModel:
    """Runs a model function's body in a graph of its own.

    Args:
      body: called with placeholders for the signature; returns the spec and anything else that the caller wants kept.
      signature: nested `tf.TypeSpec`s of the body's arguments.
      mode: a value of ModeKeys.
      store: gives the variables.
      xla: build loops so that XLA can compile them and their gradients.
    """
    made: dict[str, Any] = {}
    losses = RegularizationLosses()
    inner = InnerSummaries(store)
    # Other modes record no summaries, and there nothing keeps the order in which the bodies' ops were made.
    keep = inner.keep if mode == ModeKeys.TRAIN else lambda *_: None

    def python_function(*arguments: Any) -> None:
        graph = tf.compat.v1.get_default_graph()
        # Only a step of training writes what it reads too, so only there does the order of its branches matter.
        graphs.keep_program_order_in_branches(graph, keep=mode == ModeKeys.TRAIN)
        with contextlib.ExitStack() as stack:
            stack.enter_context(shared(store, graph, losses))
            stack.enter_context(summaries.recorded(store.global_step, keep))
            legacy_layers.offer()
            made["resources"] = stack.enter_context(resources.listed())
            if mode == ModeKeys.TRAIN:
                stack.enter_context(randomness.by_step(graph, store.global_step.read_value))
            made["spec"], made["context"] = body(*arguments)
            made["summaries"] = inner.summaries()

    collections = {tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES: losses}
    graph = graphs.traced(f"model_fn_{mode}", python_function, signature, collections, xla=xla)
    store.materialize(graph)
    # A capture is an input of the graph as well: what is left are the placeholders of the signature.
    captured = {id(inner) for _, inner in graph.captures}
    feeds = [tensor for tensor in graph.inputs if id(tensor) not in captured]
    traced = TracedModel(mode, made["spec"], graph, feeds, store, made["resources"], made["summaries"], made["context"])
    lookup_tables.fill(graph, traced.resources, lambda ops: traced.prune((), ops, feeds=())())
    if mode == ModeKeys.TRAIN:
        # Tables are full by now, and checkpoints are restored by others: what waited for such ops would run them.
        traced.program_order = _keep_program_order(graph, lookup_tables.fillers(graph) | scaffolds.restorers(graph))
    return traced


def _keep_program_order(graph: tf.Graph, without: Collection[tf.Operation]) -> Edges:
    """Lets ops on one variable run in the order of the program, as in a `tf.function`; gives the edges that it adds.

    Args:
      graph: of the function.
      without: ops that no other one waits for.
    """
    # As automatic control dependencies do: a read waits for the last write, a write for that and for all reads since.
    last_write: dict[int, tf.Operation] = {}
    reads_since: dict[int, list[tf.Operation]] = {}
    added: dict[tf.Operation, set[tf.Operation]] = {}
    for op in graph.get_operations():
        if op in without:
            continue
        read, written = graphs.accessed(op)
        before: set[tf.Operation] = set()
        for handle in map(id, read):
            before.update([last_write[handle]] if handle in last_write else [])
            reads_since.setdefault(handle, []).append(op)
        for handle in map(id, written):
            before.update([last_write[handle]] if handle in last_write else [])
            before.update(reads_since.pop(handle, []))
            last_write[handle] = op
        before -= {op, *op.control_inputs}  # an op may read and write one variable
        if before:
            graphs.run_after(op, before)
            added[op] = before
    return added


def training_operations(traced: TracedModel) -> list[tf.Operation]:
    """What a step of training runs beside the loss: the train_op, the state of Keras layers and the UPDATE_OPS.

    A variable in the place of the train_op (the `iterations` of a Keras optimizer) hangs on no write: then everything
    that the function wrote runs, but metrics.
    """
    train_op = traced.spec.train_op
    by_variable = isinstance(train_op, (keras.Variable, tf.Variable))
    wanted = {Role.STATE} | ({Role.WEIGHT, Role.OPTIMIZER, Role.STEP} if by_variable else set())
    roles = traced.store.roles
    kept = [op for op, names in traced.writes.items() if any(roles[name] in wanted for name in names)]
    # Nothing fetches these, and in tf.estimator they ran: a model function asks for them by making them.
    kept += [op for op in traced.graph.get_operations() if op.type in op_table.ALWAYS_RUN]
    kept += [_operation(update) for update in traced.graph.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)]
    return kept if by_variable else [*kept, _operation(train_op)]


def _operation(fetch: Any) -> tf.Operation:
    return fetch if isinstance(fetch, tf.Operation) else fetch.op


@dataclasses.dataclass(frozen=True)
class Metrics:
    """What evaluation does with `eval_metric_ops`: operations to run a batch, and functions that give the results."""

    updates: list[tf.Operation]
    results: Mapping[str, Callable[[], Any]]


def metrics_of(traced: TracedModel) -> Metrics:
    """The metrics of an EVAL graph.

    Raises:
      ValueError: a Keras metric that nothing updates, or a pair whose value is that of one batch.
    """
    updates, results = list[tf.Operation](), dict[str, Callable[[], Any]]()
    keras_names, names = set[str](), traced.store.names_by_handle()
    for name, metric in traced.spec.eval_metric_ops.items():
        if isinstance(metric, MetricOps):
            own = {names[id(variable.value.handle)] for variable in metric.metric.variables}
            _check_updated(traced, name, own)
            keras_names |= own
            results[name] = metric.metric.result  # eager: it computes from variables that live outside of the graph
        else:
            value, update = metric
            updates.append(_operation(update))
            results[name] = _without_feeds(traced, value, name)
    updates += [op for op, written in traced.writes.items() if written & keras_names]
    return Metrics(updates, results)


def _check_updated(traced: TracedModel, name: str, variables: set[str]) -> None:
    if variables and not any(written & variables for written in traced.writes.values()):
        raise ValueError(
            f"eval_metric_ops[{name!r}] is a Keras metric that the model function does not update. "
            "A metric sums up what it was told. Call its update_state(…) in the model function"
        )


def _without_feeds(traced: TracedModel, value: Any, name: str) -> Callable[[], Any]:
    """The value of a metric, computed from its variables alone."""
    try:
        # The value is asked for once, after the last batch, when there is no batch to feed.
        return traced.prune(value, feeds=())
    except ValueError as error:
        raise ValueError(
            f"eval_metric_ops[{name!r}] has a value that depends on the features or labels of a batch. "
            "The value of a pair (value, update op) is computed from variables that the update op writes. "
            "Use tf.compat.v1.metrics.mean, or a Keras metric"
        ) from error
