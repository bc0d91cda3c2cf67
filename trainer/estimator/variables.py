"""One set of variables for all modes of a model function, found again by name.

A model function is traced once per mode. Whatever makes variables in its body (`tf.Variable`, `compat.v1.get_variable`,
Keras layers, optimizers, metrics) meets the creator below: the first trace that needs a name makes the variable,
outside the graph; every later trace gets that one. This gives the sharing by name that tf.estimator had from its
graph collections and checkpoints.
"""

from __future__ import annotations

import contextlib
import enum
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

GLOBAL_STEP = "global_step"


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
    """

    def __init__(
        self,
        seed: int | None = None,
        initial_values: Mapping[str, Any] | None = None,
        scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.seed, self._given, self._scope = seed, initial_values or {}, scope
        self.roles: dict[str, Role] = {GLOBAL_STEP: Role.STEP}
        with tf.init_scope(), scope():
            self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name=GLOBAL_STEP)
        self.by_name: dict[str, tf.Variable] = {GLOBAL_STEP: self.global_step}
        self._starts: dict[str, Any] = {}

    def saved(self) -> dict[str, tf.Variable]:
        """What a checkpoint holds: all but metrics."""
        return {name: v for name, v in self.by_name.items() if self.roles[name] is not Role.METRIC}

    def named(self, role: Role) -> dict[str, tf.Variable]:
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

    def get_or_create(self, name: str, role: Role, initial_value: Any, settings: dict[str, Any]) -> tf.Variable:
        known = self.by_name.get(name)
        if known is not None:
            _check_same(known, name, initial_value, settings)
            return known
        seed = None if self.seed is None else zlib.crc32(f"{self.seed}/{name}".encode())
        with tf.init_scope(), tf.compat.v1.name_scope(None), seeded(seed):
            start = _evaluated(self._given.get(name, initial_value))
            with self._scope():
                variable = tf.Variable(start, name=name, **settings)
            if role is Role.METRIC:
                self._starts[name] = variable.numpy()
        self.by_name[name], self.roles[name] = variable, role
        return variable


class _Trace:
    """The names that one trace has used, and the creator that it installs."""

    def __init__(self, store: VariableStore, graph: tf.Graph) -> None:
        self._store, self._graph = store, graph
        self._used: set[str] = set()
        self._creating = False
        self.keras_variable: KerasVariable | None = None

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
        self._creating = True
        try:
            variable = self._store.get_or_create(
                name, role, kwargs.get("initial_value"), settings | {"trainable": trainable}
            )
        finally:
            self._creating = False
        if trainable:
            collections = [*collections, tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES]
        self._graph.add_to_collections(set(collections), variable)
        return variable

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
    """Automatic layer names count from zero in each trace; variables say their path; optimizers return a train_op."""
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
        yield


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


def _check_same(known: tf.Variable, name: str, initial_value: Any, settings: dict[str, Any]) -> None:
    """The same name must mean the same shape in every mode."""
    shape = settings.get("shape")
    if shape is None and not callable(initial_value):
        shape = getattr(initial_value, "shape", None)
    if shape is not None and not known.shape.is_compatible_with(shape):
        raise ValueError(
            f"Variable {name} has shape {tf.TensorShape(shape)} in this mode and {known.shape} in an earlier one. "
            "A model function makes a variable of one name with one shape in every mode. Rename one of the two"
        )
