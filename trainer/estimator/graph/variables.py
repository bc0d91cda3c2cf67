"""One set of variables for all modes of a model function, found again by name.

A model function is traced once per mode. Whatever makes variables in its body (`tf.Variable`, `compat.v1.get_variable`,
Keras layers, optimizers, metrics) meets the creator below: the first trace that needs a name makes the variable,
outside the graph; every later trace gets that one. This gives the sharing by name that tf.estimator had from its
graph collections and checkpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import logging
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.tensorflow.core import Variable as KerasVariable
from tensorflow.python.eager import context as eager_context
from tensorflow.python.eager import wrap_function
from tensorflow.python.eager.lift_to_graph import lift_to_graph
from tensorflow.python.framework import auto_control_deps_utils, func_graph
from tensorflow.python.ops import op_selector
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable
from tensorflow.python.ops.variables import Variable as SlicedVariable
from tensorflow.python.training import slot_creator

from trainer.estimator.graph.initial_values import Source
from trainer.estimator.graph.row_sharding import Block, Placement, Rows, RowShardedVariable
from trainer.estimator.graph.sharded_graph import looks_up, takes_by_rows

log = logging.getLogger("trainer")

GLOBAL_STEP = "global_step"
_LARGE_BYTES = 16 << 20
_STAND_IN_SETTINGS = ("trainable", "constraint", "synchronization", "aggregation")


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
      placement: which variables are held by rows, and where; None holds every one in one piece.
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
        self._placement, self.restored = placement, restored
        self._unsettled: dict[str, _Unsettled] = {}
        self._turn = 0
        self._said: set[tuple[str, str]] = set()
        self.roles: dict[str, Role] = {GLOBAL_STEP: Role.STEP}
        with tf.init_scope(), scope():
            self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name=GLOBAL_STEP)
        self.by_name: dict[str, tf.Variable | RowShardedVariable] = {GLOBAL_STEP: self.global_step}
        self._starts: dict[str, Any] = {}

    def saved(self) -> dict[str, tf.Variable | RowShardedVariable]:
        """What a checkpoint holds: all but metrics."""
        return {name: v for name, v in self.by_name.items() if self.roles[name] is not Role.METRIC}

    def named(self, role: Role) -> dict[str, tf.Variable | RowShardedVariable]:
        return {name: v for name, v in self.by_name.items() if self.roles[name] is role}

    def reset_metrics(self) -> None:
        """Sets every metric's variable back to its initial value."""
        for name, start in self._starts.items():
            self.by_name[name].assign(start)

    def names_by_handle(self) -> dict[int, str]:
        """Names by the identity of the variables' resource handles, as captures of a graph show them."""
        return {id(variable.handle): name for name, variable in self.by_name.items()}

    @contextlib.contextmanager
    def sharing(self, graph: tf.Graph) -> Iterator[None]:
        """Inside, code that makes variables for `graph` is handed this store's, by name."""
        session = _Trace(self, graph)
        with tf.init_scope():
            outside = tf.variable_creator_scope(session.create)
            outside.__enter__()
        try:
            with _keras_state_of_its_own(session), tf.variable_creator_scope(session.create), seeded(self.seed):
                graph.seed = self.seed
                graph.add_to_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP, self.global_step)
                yield
        finally:
            with tf.init_scope():
                outside.__exit__(None, None, None)

    def by_rows(self) -> dict[str, RowShardedVariable]:
        """The variables that are held by rows, by name."""
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
        with tf.init_scope(), tf.compat.v1.name_scope(None), seeded(self._seed_of(name)):
            start = self._given.get(name, initial_value)
            if self._placement is not None and role is not Role.METRIC:
                source = Source(start, settings.get("dtype"), outside)
                held = self._held_by_rows(name, source, settings, primary)
                if held is not None:
                    self.by_name[name], self.roles[name] = held, role
                    return held.stand_in
                start = source.plain
            variable = self._made(name, _evaluated(start), settings, primary)
            if role is Role.METRIC:
                self._starts[name] = variable.numpy()
        self.by_name[name], self.roles[name] = variable, role
        return variable

    def _made(self, name: str, start: Any, settings: dict[str, Any], primary: str | None) -> tf.Variable:
        near = self.by_name.get(primary or "")
        with self._scope(), contextlib.ExitStack() as stack:
            if isinstance(near, tf.Variable):
                stack.enter_context(tf.distribute.get_strategy().extended.colocate_vars_with(near))
            return tf.Variable(start, name=name, **settings)

    # Variables that are held by rows

    def _held_by_rows(
        self, name: str, start: Source, settings: dict[str, Any], primary: str | None
    ) -> RowShardedVariable | None:
        """A stand-in for a large variable, whose rows are made when it is known how the model function uses it."""
        assert self._placement is not None
        near = self.by_name.get(primary or "")
        rows: Rows | None = None
        if isinstance(near, RowShardedVariable):
            rows = near.rows if start.shape.rank and start.shape[0] == near.rows.count else None
        elif near is None:
            rows = self._placement.rows(start.shape, start.dtype, self._turn)
            self._turn += rows is not None
        if rows is None:
            return None
        given = {key: settings[key] for key in _STAND_IN_SETTINGS if key in settings}
        stand_in = UninitializedVariable(name=name, shape=start.shape, dtype=start.dtype, **given)
        held = RowShardedVariable(stand_in, name, rows, primary if near is not None else None)
        self._unsettled[name] = _Unsettled(held, start)
        return held

    def say_moved(self, moved: Iterable[tuple[str, str]]) -> None:
        """Says, once of each, which operations take variables whole that are held by rows."""
        for name, why in sorted(set(moved) - self._said):
            num_bytes = self.by_rows()[name].num_bytes
            if num_bytes >= _LARGE_BYTES:
                log.warning("%s (%d MiB) is fetched whole in every step, for %s.", name, num_bytes >> 20, why)
        self._said |= set(moved)

    def settle(self, graph: func_graph.FuncGraph) -> None:
        """Makes the variables that a trace was given stand-ins for, where they are to be.

        A variable in one piece that nothing looks up rows of becomes an ordinary one.

        Args:
          graph: what the model function has built, which shows how it uses them.
        """
        inner = {id(outer): inside for outer, inside in graph.captures}
        for name, unsettled in self._unsettled.items():
            held, near = unsettled.variable, self.by_name.get(unsettled.variable.primary or "")
            handle = inner.get(id(held.handle))
            users = handle.consumers() if handle is not None else []
            rows = near.rows if isinstance(near, RowShardedVariable) else self._rows_in_use(unsettled, users)
            if isinstance(near, tf.Variable) or (near is None and len(rows) == 1 and not any(map(looks_up, users))):
                self._become_ordinary(name, unsettled, graph, handle)
            else:
                with tf.init_scope(), tf.compat.v1.name_scope(None):
                    held.create(rows, unsettled.start.fill(), functools.partial(_block_of, unsettled.start, name))
        self._unsettled = {}

    def _rows_in_use(self, unsettled: _Unsettled, users: list[tf.Operation]) -> Rows:
        """Where the rows go; to one place where something takes the variable as it is, or it is a part already."""
        held = unsettled.variable
        slots = [other.variable for other in self._unsettled.values() if other.variable.primary == held.name]
        whole = next((op for op in users if not takes_by_rows(op)), None)
        if len(held.rows) == 1 or (whole is None and held.stand_in._save_slice_info is None):
            return held.rows
        if whole is not None:
            megabytes = sum(one.num_bytes for one in (held, *slots)) >> 20
            log.warning(
                "%s stays whole on one parameter server (%d MiB), because the model function gives it to %s.",
                held.name,
                megabytes,
                whole.type,
            )
        return Rows.dealt(held.rows.count, held.rows.devices[:1])

    def _become_ordinary(
        self, name: str, unsettled: _Unsettled, graph: func_graph.FuncGraph, handle: tf.Tensor | None
    ) -> None:
        """Puts an ordinary variable in the place of a stand-in, in the graph too."""
        held = unsettled.variable
        settings = {"trainable": held.stand_in.trainable, "constraint": held.stand_in.constraint}
        with tf.init_scope(), tf.compat.v1.name_scope(None), seeded(self._seed_of(name)):
            variable = self._made(name, _evaluated(unsettled.start.plain), settings, held.primary)
        if held.stand_in._save_slice_info is not None:
            variable._set_save_slice_info(held.stand_in._save_slice_info)
        self.by_name[name] = variable
        if handle is not None:
            graph._function_captures.pop(id(held.handle))
            graph._function_captures.add_or_replace(key=id(variable.handle), external=variable.handle, internal=handle)

    def _seed_of(self, name: str) -> int | None:
        return None if self.seed is None else zlib.crc32(f"{self.seed}/{name}".encode())


def _block_of(start: Source, name: str, block: Block, number: int) -> Any:
    return start.rows(block, f"{name}/{number}")


@dataclasses.dataclass(frozen=True)
class _Unsettled:
    """A variable whose rows are not made yet.

    Attributes:
      variable: without rows.
      start: its initial value.
    """

    variable: RowShardedVariable
    start: Source


class _Trace:
    """The names that one trace has used, and the creator that it installs."""

    def __init__(self, store: VariableStore, graph: tf.Graph) -> None:
        self._store, self._graph = store, graph
        self._used: set[str] = set()
        self._creating = False
        self.keras_variable: KerasVariable | None = None
        self._primary: str | None = None

    @contextlib.contextmanager
    def slots_of(self, primary: Any) -> Iterator[None]:
        """Inside, an optimizer makes what it keeps about a variable."""
        handle = getattr(primary, "handle", None)
        self._primary = self._store.names_by_handle().get(id(handle))
        try:
            yield
        finally:
            self._primary = None

    def regularize(self, variable: KerasVariable) -> None:
        """Makes a Keras layer's regularisation known to `tf.compat.v1.losses.get_regularization_losses`."""
        with self._graph.as_default():
            self._graph.add_to_collection(
                tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, variable.regularizer(variable.value)
            )

    def create(self, next_creator: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
        if self._creating:  # the store is making the real one
            return next_creator(**kwargs)
        collections = kwargs.get("collections") or [tf.compat.v1.GraphKeys.GLOBAL_VARIABLES]
        trainable = self._trainable(kwargs)
        name = self._name(kwargs.get("name"))
        settings = {key: kwargs[key] for key in ("dtype", "constraint", "shape") if kwargs.get(key) is not None}
        for key in ("synchronization", "aggregation"):
            if kwargs.get(key) is not None:
                settings[key] = kwargs[key]
        role = self._role(trainable, collections)
        start = kwargs.get("initial_value")
        if self._store.restored and role is not Role.METRIC:
            start = self._blank(start, settings)
        self._creating = True
        try:
            variable = self._store.get_or_create(name, role, start, settings | {"trainable": trainable}, self._primary)
        finally:
            self._creating = False
        if trainable:
            collections = [*collections, tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES]
        self._graph.add_to_collections(set(collections), variable)
        return variable

    def _blank(self, initial_value: Any, settings: Mapping[str, Any]) -> Any:
        """Zeros in the place of an initial value whose shape is known; else that value."""
        shape, dtype = settings.get("shape"), settings.get("dtype")
        if tf.is_tensor(initial_value):
            shape, dtype = initial_value.shape, initial_value.dtype
        elif callable(initial_value) and self.keras_variable is not None:
            shape, dtype = self.keras_variable.shape, self.keras_variable.dtype
        shape = tf.TensorShape(shape)
        return functools.partial(tf.zeros, shape, dtype) if dtype and shape.is_fully_defined() else initial_value

    def _trainable(self, kwargs: dict[str, Any]) -> bool:
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            return False
        return kwargs.get("trainable") is not False

    def _name(self, requested: str | None) -> str:
        """The name that a graph of tf.estimator would have given: scoped, and made unique within this trace."""
        if self.keras_variable is not None:
            name = self.keras_variable.path
        elif tf.compat.v1.get_default_graph() is self._graph:
            with tf.compat.v1.name_scope(requested, "Variable") as scope:
                name = scope.rstrip("/")
        else:
            scope = tf.get_current_name_scope()
            name = f"{scope}/{requested or 'Variable'}" if scope else requested or "Variable"
        unique, number = name, 0
        while unique in self._used or unique == GLOBAL_STEP:
            number += 1
            unique = f"{name}_{number}"
        self._used.add(unique)
        return unique

    def _role(self, trainable: bool, collections: list[str]) -> Role:
        keys = tf.compat.v1.GraphKeys
        caller = _keras_caller()
        if isinstance(caller, keras.metrics.Metric) or {keys.LOCAL_VARIABLES, keys.METRIC_VARIABLES} & set(collections):
            return Role.METRIC
        if isinstance(caller, keras.optimizers.Optimizer):
            return Role.OPTIMIZER
        if trainable:
            return Role.WEIGHT
        return Role.STATE if self.keras_variable is not None else Role.OPTIMIZER


def _keras_caller() -> object:
    stack = global_state.get_global_attribute("name_scope_stack") or []
    return stack[-1].caller if stack else None


@contextlib.contextmanager
def _keras_state_of_its_own(trace: _Trace) -> Iterator[None]:
    """Automatic layer names count from zero in each trace; variables say their path; optimizers return a train_op and
    say what their slots belong to."""
    initialize, add_weight = KerasVariable._initialize, keras.layers.Layer.add_weight

    def announce(self: KerasVariable, value: Any) -> None:
        trace.keras_variable, before = self, trace.keras_variable
        try:
            initialize(self, value)
        finally:
            trace.keras_variable = before

    def add_weight_and_regularize(self: keras.layers.Layer, *args: Any, **kwargs: Any) -> KerasVariable:
        variable = add_weight(self, *args, **kwargs)
        if variable.regularizer is not None:
            trace.regularize(variable)
        return variable

    with contextlib.ExitStack() as stack:
        stack.enter_context(keras_names_from_zero())
        stack.enter_context(replaced(KerasVariable, "_initialize", announce))
        stack.enter_context(replaced(keras.layers.Layer, "add_weight", add_weight_and_regularize))
        for kind in (keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer):
            stack.enter_context(replaced(kind, "apply", _returning_its_writes(kind.apply)))
        stack.enter_context(replaced(keras.optimizers.Optimizer, "apply_gradients", _apply_gradients))
        stack.enter_context(_slots_announced(trace))
        yield


@contextlib.contextmanager
def _slots_announced(trace: _Trace) -> Iterator[None]:
    """Inside, optimizers tell the trace what the slots that they make belong to."""
    create_v1, create_keras = slot_creator._create_slot_var, keras.optimizers.Optimizer.add_variable_from_reference

    def v1(primary: tf.Variable, *args: Any, **kwargs: Any) -> tf.Variable:
        info, primary._save_slice_info = primary._save_slice_info, None  # its names are those of graphs only
        try:
            with trace.slots_of(primary):
                slot = create_v1(primary, *args, **kwargs)
        finally:
            primary._save_slice_info = info
        if info is not None and slot.shape.rank:
            slot._set_save_slice_info(_slice_of_slot(slot, primary, info))
        return slot

    def of_keras(self: keras.optimizers.Optimizer, reference: Any, *args: Any, **kwargs: Any) -> KerasVariable:
        with trace.slots_of(reference):
            return create_keras(self, reference, *args, **kwargs)

    with (
        replaced(slot_creator, "_create_slot_var", v1),
        replaced(keras.optimizers.Optimizer, "add_variable_from_reference", of_keras),
    ):
        yield


def _slice_of_slot(slot: tf.Variable, primary: tf.Variable, info: Any) -> Any:
    """Where a slot of a part belongs, as tf.estimator said it: the slot `Adam` of a part of `emb` is of `emb/Adam`."""
    own = slot.name.removesuffix(":0").removeprefix(primary.name.removesuffix(":0") + "/")
    rank = slot.shape.rank
    return SlicedVariable.SaveSliceInfo(
        f"{info.full_name}/{own}", info.full_shape[:rank], info.var_offset[:rank], info.var_shape[:rank]
    )


@contextlib.contextmanager
def keras_names_from_zero() -> Iterator[None]:
    """Inside, Keras numbers its automatic names as in a new process; outside nothing changes."""
    kept = {key: global_state.get_global_attribute(key) for key in ("object_name_uids", "name_scope_stack")}
    for key in kept:
        global_state.set_global_attribute(key, None)
    try:
        yield
    finally:
        for key, value in kept.items():
            global_state.set_global_attribute(key, value)


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Inside, an attribute of a class or a module has another value."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _returning_its_writes(apply: Callable[..., None]) -> Callable[..., tf.Tensor]:
    """A Keras optimizer's `apply` that returns its count of iterations, for which every variable is written first."""

    def apply_and_return(self: keras.optimizers.Optimizer, *args: Any, **kwargs: Any) -> tf.Tensor:
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        apply(self, *args, **kwargs)
        made = graph.get_operations()[before:]
        writes = [op for op in made if auto_control_deps_utils.get_read_write_resource_inputs(op)[1]]
        with tf.control_dependencies(writes):
            return tf.identity(self.iterations.value, name="train_op")

    return apply_and_return


def _apply_gradients(self: keras.optimizers.Optimizer, grads_and_vars: Iterable[tuple[Any, Any]]) -> tf.Tensor:
    gradients, variables = zip(*grads_and_vars, strict=True)
    return self.apply(list(gradients), list(variables))


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Inside, TensorFlow's eager ops, Keras's initializers and `random` follow `seed`; outside nothing changes."""
    if seed is None:
        yield
        return
    context = eager_context.context()
    context.ensure_initialized()
    kept = context._seed, getattr(context, "_rng", random.Random()), random.getstate()
    tf.random.set_seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        context._seed, context._rng = kept[:2]
        random.setstate(kept[2])


def _evaluated(initial_value: Any) -> Any:
    """An initial value outside every graph: called if it is a function, computed if it is a tensor of a trace."""
    return outside(initial_value() if callable(initial_value) else initial_value)


def outside(value: Any) -> Any:
    """A tensor of a trace as its value, computed from what it needs; anything else as it is."""
    if not tf.is_tensor(value) or not isinstance(getattr(value, "graph", None), tf.Graph):
        return value
    static = tf.get_static_value(value)
    return _run_alone(value) if static is None else static


def _run_alone(tensor: tf.Tensor) -> tf.Tensor:
    """The value of a traced tensor, computed from what it needs and nothing else of its trace."""
    graph = func_graph.FuncGraph("initial_value")
    try:
        captured = list(tensor.graph.internal_captures)
        copies = lift_to_graph([tensor], graph, sources=captured, base_graph=tensor.graph)
    except op_selector.UnliftableError as error:
        raise ValueError(
            f"The initial value {tensor.name} of a variable or a table depends on the features or the labels. "
            "An initial value may be numbers, a function, or a tensor made from constants, random ops and variables. "
            "Compute it from those"
        ) from error
    for external, internal in tensor.graph.captures:
        if internal in copies:
            graph.add_capture(external, copies[internal])
    graph.outputs.append(copies[tensor])
    graph.structured_outputs = copies[tensor]
    function = wrap_function.WrappedFunction(graph, wrap_function.VariableHolder())
    return function._call_flat([], function.captured_inputs)


def _check_same(
    known: tf.Variable | RowShardedVariable, name: str, initial_value: Any, settings: dict[str, Any]
) -> None:
    """The same name must mean the same shape in every mode."""
    shape = settings.get("shape")
    if shape is None and not callable(initial_value):
        shape = getattr(initial_value, "shape", None)
    if shape is not None and not known.shape.is_compatible_with(shape):
        raise ValueError(
            f"Variable {name} has shape {tf.TensorShape(shape)} in this mode and {known.shape} in an earlier one. "
            "A model function makes a variable of one name with one shape in every mode. Rename one of the two"
        )
