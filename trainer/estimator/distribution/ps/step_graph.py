"""All that a step of training does, as a graph whose parts are added to the functions of workers and servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import tensorflow as tf

from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.subgraphs import Copier
from trainer.estimator.graph.tracing import TracedModel, training_operations


@dataclasses.dataclass(frozen=True, eq=False)
class StepGraph:
    """All that a step of training does.

    Attributes:
      function: of the batch, flat; gives the loss.
      feeds: the placeholders of features and labels, flat.
      variables: what holds values, by name; a row-sharded variable is several.
    """

    function: PrunedFunction
    feeds: list[tf.Tensor]
    variables: Mapping[str, tf.Variable]

    @property
    def graph(self) -> tf.Graph:
        """The step's ops."""
        return self.function.graph

    @property
    def loss(self) -> tf.Tensor:
        """The loss before the update, a scalar."""
        return self.graph.outputs[0]

    @property
    def operations(self) -> list[tf.Operation]:
        """What runs beside the loss."""
        return list(self.graph.control_outputs)

    def handles(self) -> dict[str, tf.Tensor]:
        """The placeholders of handles [], by the names of their variables."""
        names = {id(variable.handle): name for name, variable in self.variables.items()}
        return {names[id(outer)]: inner for outer, inner in self.graph.captures if id(outer) in names}

    def copier(
        self,
        ops: Collection[tf.Operation],
        devices: Mapping[tf.Operation, str] | None = None,
        handles: Mapping[str, tf.Tensor] | None = None,
    ) -> Copier:
        """A copier into the graph that is being built, which knows what the step takes from outside.

        Args:
          ops: what is going to be copied.
          devices: of the copies; what has none here runs where the function does.
          handles: [] each, in the place of those of variables, by the variables' names.
        """
        # The step was traced with devices of the chief's choice; where it runs is the partition's.
        copier = Copier(lambda op: (devices or {}).get(op, ""))
        taken = {id(tensor) for op in ops for tensor in op.inputs}
        others = {id(inner): handles[name] for name, inner in self.handles().items() if handles and name in handles}
        for outer, inner in self.graph.captures:
            # Only what the part takes: each capture is an argument that crosses the network with every call.
            if id(inner) in taken:
                copier.replace(inner, others[id(inner)] if id(inner) in others else copier.graph.capture(outer))
        return copier


def step_graph(traced: TracedModel) -> StepGraph:
    """The step of a model that was traced in TRAIN."""
    function = traced.prune(traced.spec.loss, training_operations(traced))
    sharded = traced.store.row_sharded()
    # Pruning has replaced a row-sharded variable by its shards, which from here on are variables like others.
    shards = {f"{name}/{index}": shard for name, table in sharded.items() for index, shard in enumerate(table.shards)}
    whole = {name: variable for name, variable in traced.store.by_name.items() if name not in sharded}
    return StepGraph(function, function.graph.inputs[: len(traced.feeds)], {**whole, **shards})
