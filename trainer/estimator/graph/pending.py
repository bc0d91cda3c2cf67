"""Large variables that are not made yet: their rows go to where they serve the model function best.

A model function is given a stand-in, a variable that takes no memory, and builds its graph on that. The graph then
shows whether anything looks rows up; only after that are the rows made, each on the machine that will hold it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.initial_values import Source
from trainer.estimator.graph.inside import graphs, slices
from trainer.estimator.graph.inside.graph_variables import stand_in
from trainer.estimator.graph.inside.model_graph import outside
from trainer.estimator.graph.op_table import looks_up, runs_by_rows
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.row_sharding import Block, Placement, Rows

log = logging.getLogger("trainer")

Make = Callable[[str, Any, Mapping[str, Any], str | None], tf.Variable]
"""Makes an ordinary variable of a name, an initial value, what else `tf.Variable` takes, and its primary's name."""

_SETTINGS = ("trainable", "constraint", "synchronization", "aggregation")


@dataclasses.dataclass(frozen=True)
class _Pending:
    """A variable whose rows are not made yet.

    Attributes:
      variable: without rows.
      start: its initial value.
    """

    variable: RowShardedVariable
    start: Source


class PendingVariables:
    """Stand-ins for large variables, until it is known how the model function uses them.

    Args:
      placement: which variables are sharded by rows, and where their rows go.
    """

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._pending: dict[str, _Pending] = {}
        self._turn = 0  # servers take turns, so that not all variables begin on the first one

    def make(
        self, name: str, start: Source, settings: Mapping[str, Any], primary: tf.Variable | RowShardedVariable | None
    ) -> RowShardedVariable | None:
        """A stand-in for a variable that is to be sharded by rows; None for one that stays in one piece.

        Args:
          name: of the variable.
          start: its initial value.
          settings: what else `tf.Variable` takes.
          primary: the variable that this one is an optimizer's slot of: its rows go where that one's are.
        """
        rows: Rows | None = None
        if isinstance(primary, RowShardedVariable):
            rows = primary.rows if start.shape.rank and start.shape[0] == primary.rows.count else None
        elif primary is None:
            rows = self._placement.rows(start.shape, start.dtype, self._turn)
            self._turn += rows is not None
        if rows is None:
            return None
        given = {key: settings[key] for key in _SETTINGS if key in settings}
        # The value is not computed here: of a variable that is to be sharded it may not fit in this machine.
        blank = stand_in(name, start.shape, start.dtype, **given)
        variable = RowShardedVariable(blank, name, rows, primary.name if primary is not None else None)
        self._pending[name] = _Pending(variable, start)
        return variable

    def materialize(
        self, graph: tf.Graph, by_name: MutableMapping[str, tf.Variable | RowShardedVariable], make: Make
    ) -> None:
        """Makes the variables, where they are to be.

        A variable in one piece that nothing looks up rows of becomes an ordinary one.

        Args:
          graph: what the model function has built, which shows how it uses them.
          by_name: all variables; ordinary ones take the places of their stand-ins.
          make: makes an ordinary one.
        """
        # In the order in which they were made, in which a primary comes before its slots.
        inner = {id(outer): inside for outer, inside in graph.captures}
        for name, pending in self._pending.items():
            variable, primary = pending.variable, by_name.get(pending.variable.primary or "")
            handle = inner.get(id(variable.handle))
            users = handle.consumers() if handle is not None else []
            rows = primary.rows if isinstance(primary, RowShardedVariable) else self._rows_in_use(pending, users)
            # A slot goes the way of its primary, which comes before it and is decided already.
            if isinstance(primary, tf.Variable) or (
                primary is None and len(rows) == 1 and not any(map(looks_up, users))
            ):
                by_name[name] = self._ordinary(pending, graph, handle, make)
            else:
                with outside(), tf.compat.v1.name_scope(None):
                    variable.create(rows, pending.start.fill(), functools.partial(_block, pending.start, name))
        self._pending = {}

    def _rows_in_use(self, pending: _Pending, users: list[tf.Operation]) -> Rows:
        """Where the rows go; to one place where something takes the variable as it is, or it is a part already."""
        variable = pending.variable
        # One op that needs the whole variable would fetch all rows in every step, wherever they are.
        whole = next((op for op in users if not runs_by_rows(op)), None)
        if len(variable.rows) == 1 or (whole is None and slices.info_of(variable.stand_in) is None):
            return variable.rows
        if whole is not None:
            slots = [other.variable for other in self._pending.values() if other.variable.primary == variable.name]
            log.warning(
                "%s stays whole on one parameter server (%d MiB), because the model function gives it to %s.",
                variable.name,
                sum(one.num_bytes for one in (variable, *slots)) >> 20,
                whole.type,
            )
        return Rows.evenly(variable.rows.count, variable.rows.devices[:1])

    def _ordinary(self, pending: _Pending, graph: tf.Graph, handle: tf.Tensor | None, make: Make) -> tf.Variable:
        """An ordinary variable in the place of a stand-in, in the graph too.

        Args:
          pending: the stand-in.
          graph: that was built on it.
          handle: the placeholder [] of its handle there; None where nothing uses it.
          make: makes the variable.
        """
        blank = pending.variable.stand_in
        settings = {"trainable": blank.trainable, "constraint": blank.constraint}
        variable = make(pending.variable.name, pending.start.plain, settings, pending.variable.primary)
        if (info := slices.info_of(blank)) is not None:
            slices.set_info(variable, info)
        # The ops that the function has made take the placeholder of the handle, whatever is behind it.
        if handle is not None:
            graphs.recapture(graph, pending.variable.handle, variable.handle, handle)
        return variable


def _block(start: Source, name: str, block: Block, number: int) -> Any:
    return start.rows(block, f"{name}/{number}")
