"""The variable creator of a trace: finds the variables that a model function makes in the store, by name.

Names are those that a graph of tf.estimator would have given, so that its checkpoints are read and each mode of the
function meets the variables of the others.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.graph import inner_losses
from trainer.estimator.graph.inside import graph_variables, keras_names, makers, optimizers, slices
from trainer.estimator.graph.inside.makers import Maker
from trainer.estimator.graph.inside.seeds import seeded
from trainer.estimator.graph.variables import GLOBAL_STEP, Role, VariableStore

_KEYS = tf.compat.v1.GraphKeys


class RegularizationLosses(list[Any]):
    """A graph's collection of that name, in which the losses of Keras layers are found too.

    A layer says which regularizer a weight has after it has made it, so the losses are computed when they are read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watched: list[tuple[keras.Variable, tf.Graph]] = []

    def watch(self, variable: keras.Variable, graph: tf.Graph) -> None:
        """Adds a Keras variable, whose regularizer may not be known yet, and the graph that is to have its loss."""
        self._watched.append((variable, graph))

    def _complete(self) -> None:
        """Appends the losses, float [], of those of the variables that have a regularizer by now."""
        # One that has none may still get it: a layer's weight is watched from the middle of its making on.
        ready = [entry for entry in self._watched if entry[0].regularizer is not None]
        self._watched = [entry for entry in self._watched if entry[0].regularizer is None]
        for variable, graph in ready:
            with graph.as_default():  # whoever reads the collection may be building a branch
                self.append(variable.regularizer(variable.value))

    def __iter__(self) -> Iterator[Any]:
        self._complete()
        return super().__iter__()

    def __len__(self) -> int:
        self._complete()
        return super().__len__()

    def __getitem__(self, key: Any) -> Any:
        self._complete()
        return super().__getitem__(key)


@contextlib.contextmanager
def shared(store: VariableStore, graph: tf.Graph, losses: RegularizationLosses) -> Iterator[None]:
    """Inside, code that makes variables for `graph` is handed the store's, by name.

    Args:
      store: of the variables.
      graph: that is being traced.
      losses: its collection REGULARIZATION_LOSSES.
    """
    creator = Creator(store, graph, losses)
    with contextlib.ExitStack() as stack:
        # In every trace the first dense layer is called `dense`, or no mode would find the variables of another.
        stack.enter_context(keras_names.from_zero())
        stack.enter_context(optimizers.traced())
        stack.enter_context(tf.variable_creator_scope(creator.create))
        stack.enter_context(seeded(store.seed))
        graph.seed = store.seed  # of its random ops, which count from it
        graph.add_to_collection(_KEYS.GLOBAL_STEP, store.global_step)
        graph_variables.show(graph, store.global_step, GLOBAL_STEP)
        yield
    inner_losses.check(graph)


class Creator:
    """The names that one trace has used, and what it does where a variable is made.

    Args:
      store: of the variables.
      graph: that is being traced.
      losses: its collection REGULARIZATION_LOSSES.
    """

    def __init__(self, store: VariableStore, graph: tf.Graph, losses: RegularizationLosses) -> None:
        self._store, self._graph, self._losses = store, graph, losses
        self._used = {GLOBAL_STEP}
        self._creating = False

    def create(self, next_creator: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
        """What `tf.variable_creator_scope` calls in the place of `tf.Variable`."""
        if self._creating:  # the store is making the real one
            return next_creator(**kwargs)
        maker = makers.now()
        collections = set(kwargs.get("collections") or [_KEYS.GLOBAL_VARIABLES])
        trainable = _is_trainable(kwargs)
        role = _role(maker, trainable, collections, kwargs.get("aggregation"))
        variable = self._variable(maker, role, trainable, kwargs)
        slices.give_slot_its_slice(variable, maker.primary)
        if maker.variable is not None and role in (Role.WEIGHT, Role.STATE):
            self._losses.watch(maker.variable, self._graph)
        if trainable:
            collections.add(_KEYS.TRAINABLE_VARIABLES)
        self._graph.add_to_collections(collections, variable)
        return variable

    def _variable(self, maker: Maker, role: Role, trainable: bool, kwargs: Mapping[str, Any]) -> tf.Variable:
        known = ("dtype", "constraint", "shape", "synchronization", "aggregation")
        settings = {key: kwargs[key] for key in known if kwargs.get(key) is not None} | {"trainable": trainable}
        start = kwargs.get("initial_value")
        # A metric starts from its initial value whenever it is reset; everything else a checkpoint overwrites.
        if self._store.restored and role is not Role.METRIC:
            start = _blank(start, settings, maker.variable)
        primary = None
        if maker.primary is not None:
            primary = self._store.names_by_handle().get(id(getattr(maker.primary, "handle", None)))
        name = self._name(maker.variable, kwargs.get("name"))
        self._creating = True
        try:
            variable = self._store.get_or_create(name, role, start, settings, primary)
        finally:
            self._creating = False
        graph_variables.show(self._graph, variable, name)
        return variable

    def _name(self, keras_variable: keras.Variable | None, requested: str | None) -> str:
        """The name that a graph of tf.estimator would have given: scoped, and made unique within this trace."""
        if keras_variable is not None:
            name = keras_variable.path  # unique already, and without the scopes of the graph
        elif tf.compat.v1.get_default_graph() is self._graph:
            # Opening a scope counts the name as used, as making an op of that name did.
            with tf.compat.v1.name_scope(requested, "Variable") as scope:
                name = scope.rstrip("/")
        else:
            scope = tf.get_current_name_scope()
            name = f"{scope}/{requested or 'Variable'}" if scope else requested or "Variable"
        unique, number = name, 0
        while unique in self._used:
            number += 1
            unique = f"{name}_{number}"
        self._used.add(unique)
        return unique


def _is_trainable(kwargs: Mapping[str, Any]) -> bool:
    if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
        return False  # TensorFlow's own rule: values that devices sum up cannot be trained
    return kwargs.get("trainable") is not False


def _role(maker: Maker, trainable: bool, collections: set[str], aggregation: Any) -> Role:
    if isinstance(maker.caller, keras.metrics.Metric) or {_KEYS.LOCAL_VARIABLES, _KEYS.METRIC_VARIABLES} & collections:
        return Role.METRIC
    if isinstance(maker.caller, keras.optimizers.Optimizer):
        return Role.OPTIMIZER
    if trainable:
        return Role.WEIGHT
    # Outside of Keras's layers, a variable that is not trained is most likely a slot or an average of an optimizer;
    # the moving averages of TensorFlow 1's layers say that devices take their mean.
    of_layer = maker.variable is not None or aggregation == tf.VariableAggregation.MEAN
    return Role.STATE if of_layer else Role.OPTIMIZER


def _blank(start: Any, settings: Mapping[str, Any], keras_variable: keras.Variable | None) -> Any:
    """Zeros in the place of an initial value whose shape is known; else that value."""
    shape, dtype = settings.get("shape"), settings.get("dtype")
    if tf.is_tensor(start):
        shape, dtype = start.shape, start.dtype
    elif callable(start) and keras_variable is not None:
        shape, dtype = keras_variable.shape, keras_variable.dtype
    shape = tf.TensorShape(shape)
    return functools.partial(tf.zeros, shape, dtype) if dtype and shape.is_fully_defined() else start
