"""One set of variables for all modes of a model function, found again by name.

A model function is traced once per mode. Whatever makes variables in its body (`tf.Variable`, `compat.v1.get_variable`,
Keras layers, optimizers, metrics) meets the creator of `creator.py`: the first trace that needs a name makes the
variable, outside the graph; every later trace gets that one. This gives the sharing by name that tf.estimator had from
its graph collections and checkpoints.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.initial_values import Source, evaluated
from trainer.estimator.graph.inside import graph_variables
from trainer.estimator.graph.inside.model_graph import outside
from trainer.estimator.graph.inside.seeds import seeded
from trainer.estimator.graph.pending import PendingVariables
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.row_sharding import Placement

log = logging.getLogger("trainer")

GLOBAL_STEP = "global_step"
_LARGE_BYTES = 16 << 20


class Role(enum.Enum):
    """What a variable is to the model, which decides when it is written and whether it is saved."""

    WEIGHT = "weight"  # trainable
    STATE = "state"  # not trainable, written as the model runs: moving averages, seeds of dropout
    OPTIMIZER = "optimizer"  # slots, accumulators and counters
    METRIC = "metric"  # starts afresh at each evaluation, never saved
    STEP = "step"


class VariableStore:
    """The variables of an Estimator's model function, by name.

    Args:
      seed: makes initial values and the op seeds of every trace repeatable; None leaves them random.
      initial_values: values to start from, by name, in place of those that the model function gives.
      scope: entered around the making of each variable; says where it lives.
      placement: which variables are row-sharded, and where; None keeps every one in one piece.
      restored: whether a checkpoint will give the values, so that those to start from need not be computed.
    """

    def __init__(
        self,
        seed: int | None = None,
        initial_values: Mapping[str, Any] | None = None,
        scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
        placement: Placement | None = None,
        restored: bool = False,
    ) -> None:
        self.seed, self._given, self._scope = seed, initial_values or {}, scope
        self._pending, self.restored = PendingVariables(placement) if placement is not None else None, restored
        self._said: set[tuple[str, str]] = set()
        self.roles: dict[str, Role] = {GLOBAL_STEP: Role.STEP}
        with outside(), tf.variable_creator_scope(graph_variables.make), scope():
            self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name=GLOBAL_STEP)
        self.by_name: dict[str, tf.Variable | RowShardedVariable] = {GLOBAL_STEP: self.global_step}
        self.names_in_checkpoint: dict[str, str] = {}  # by a variable's own name, where they differ
        self._starts: dict[str, Any] = {}  # of metrics

    @property
    def on_servers(self) -> bool:
        """Whether the variables are on parameter servers."""
        return self._pending is not None

    def saved(self) -> dict[str, tf.Variable | RowShardedVariable]:
        """What a checkpoint holds: all but metrics."""
        return {name: v for name, v in self.by_name.items() if self.roles[name] is not Role.METRIC}

    def named(self, role: Role) -> dict[str, tf.Variable | RowShardedVariable]:
        """The variables of a role, by name."""
        return {name: v for name, v in self.by_name.items() if self.roles[name] is role}

    def reset_metrics(self) -> None:
        """Sets every metric's variable back to its initial value."""
        for name, start in self._starts.items():
            self.by_name[name].assign(start)

    def names_by_handle(self) -> dict[int, str]:
        """Names by the identity of the variables' resource handles, as captures of a graph show them."""
        return {id(variable.handle): name for name, variable in self.by_name.items()}

    def row_sharded(self) -> dict[str, RowShardedVariable]:
        """The row-sharded variables, by name."""
        return {name: v for name, v in self.by_name.items() if isinstance(v, RowShardedVariable)}

    def get_or_create(
        self, name: str, role: Role, initial_value: Any, settings: dict[str, Any], primary: str | None = None
    ) -> tf.Variable:
        """The variable of a name.

        Args:
          name: of the variable.
          role: of the variable.
          initial_value: as `tf.Variable` takes it.
          settings: what else `tf.Variable` takes.
          primary: the name of the variable that this one is an optimizer's slot of: it lives where that one does.
        """
        known = self.by_name.get(name)
        if known is not None:
            _check_same(known, name, initial_value, settings)
            return known.stand_in if isinstance(known, RowShardedVariable) else known
        # Outside of the trace, which ends while the variable lives on, and with a seed of its name: what the function
        # made before it has no say in its value.
        with outside(), tf.compat.v1.name_scope(None), seeded(self._seed_of(name)):
            start = self._given.get(name, initial_value)
            if self._pending is not None and role is not Role.METRIC:
                source = Source(start, settings.get("dtype"))
                sharded = self._pending.make(name, source, settings, self.by_name.get(primary or ""))
                if sharded is not None:
                    self.by_name[name], self.roles[name] = sharded, role
                    return sharded.stand_in
                start = source.plain  # a function has been called by now, and may not give the same numbers again
            variable = self._make(name, start, settings, primary)
            if role is Role.METRIC:
                self._starts[name] = variable.numpy()
        self.by_name[name], self.roles[name] = variable, role
        return variable

    def _make_seeded(self, name: str, start: Any, settings: Mapping[str, Any], primary: str | None) -> tf.Variable:
        """An ordinary variable with the seed of its name, so that it starts alike whenever it is made."""
        with outside(), tf.compat.v1.name_scope(None), seeded(self._seed_of(name)):
            return self._make(name, start, settings, primary)

    def _make(self, name: str, start: Any, settings: Mapping[str, Any], primary: str | None) -> tf.Variable:
        value, near = evaluated(start), self.by_name.get(primary or "")
        with tf.variable_creator_scope(graph_variables.make), self._scope(), contextlib.ExitStack() as stack:
            # On a parameter server the update of a weight and its slots would otherwise cross the network.
            if isinstance(near, tf.Variable):
                stack.enter_context(tf.distribute.get_strategy().extended.colocate_vars_with(near))
            return tf.Variable(value, name=name, **settings)

    def report_taken_whole(self, taken_whole: Iterable[tuple[str, str]]) -> None:
        """Says, once of each, which operations take row-sharded variables whole.

        Args:
          taken_whole: names of variables with the types of operations.
        """
        for name, why in sorted(set(taken_whole) - self._said):
            num_bytes = self.row_sharded()[name].num_bytes
            if num_bytes >= _LARGE_BYTES:
                log.warning("%s (%d MiB) is fetched whole in every step, for %s.", name, num_bytes >> 20, why)
        self._said |= set(taken_whole)

    def materialize(self, graph: tf.Graph) -> None:
        """Makes the variables that a trace was given stand-ins for, where they are to be.

        Args:
          graph: what the model function has built, which shows how it uses them.
        """
        if self._pending is not None:
            self._pending.materialize(graph, self.by_name, self._make_seeded)

    def _seed_of(self, name: str) -> int | None:
        return None if self.seed is None else zlib.crc32(f"{self.seed}/{name}".encode())


def _check_same(
    known: tf.Variable | RowShardedVariable, name: str, initial_value: Any, settings: dict[str, Any]
) -> None:
    """The same name must mean the same shape in every mode."""
    shape = settings.get("shape")
    # What a function gives is known only by calling it, which costs as much as the variable.
    if shape is None and not callable(initial_value):
        shape = getattr(initial_value, "shape", None)
    if shape is not None and not known.shape.is_compatible_with(shape):
        raise ValueError(
            f"Variable {name} has shape {tf.TensorShape(shape)} in this mode and {known.shape} in an earlier one. "
            "A model function makes a variable of one name with one shape in every mode. Rename one of the two"
        )
