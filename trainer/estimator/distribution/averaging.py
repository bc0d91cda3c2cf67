"""Gradients averaged over the devices that train in step, and the proof that no weight is written without that.

The copies of the weights stay equal because every device adds the same to them. That holds as long as whatever is
written to a weight comes from what all devices have alike: constants, the weights themselves, an optimizer's state,
and means over all devices. With the weight w [3], x of this device's batch and g the gradient:

    w.assign_sub(.1 * mean(g))         alike: the mean is a sum over all devices
    w.assign(clip(w, -1., 1.))         alike: nothing but w
    w.assign_sub(.1 * g)               not alike: g is computed from x, which the other devices do not have
    m.assign(.9 * m + g)               m is no weight, but no longer alike;
    w.assign_sub(.1 * m)               so this is not alike either
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.distribution.collectives import Participant
from trainer.estimator.graph.inside import optimizers
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import Role

_COLLECTIVES = ("CollectiveReduce", "CollectiveGather", "CollectiveBcast")
_RANDOM = ("Random", "StatelessRandom", "TruncatedNormal", "StatelessTruncatedNormal", "Multinomial")


@contextlib.contextmanager
def averaged_gradients(participant: Participant, examples: int) -> Iterator[None]:
    """Inside, the optimizers of model functions that are traced average gradients over the group and apply the means.

    Args:
      participant: the device of the group that the optimizer's graph is for.
      examples: in a batch of this device.
    """
    with optimizers.averaging(lambda gradients: means(participant, gradients, examples)):
        yield


def means(participant: Participant, tensors: Sequence[Any], examples: int) -> list[tf.Tensor]:
    """Means over the group, weighted by examples: one collective for all of them.

    Args:
      participant: the device of the group that gives these.
      tensors: of any shapes that are known in full; `tf.IndexedSlices` are made dense.
      examples: how many of them this device's tensors are a mean over.

    Returns:
      For each a tensor of the same shape and dtype.
    """
    dense = [tf.convert_to_tensor(tensor) for tensor in tensors]
    weight = tf.constant(examples, tf.float32)
    parts = [tf.reshape(tf.cast(tensor, tf.float32), [-1]) * weight for tensor in dense]
    # The weight goes last in the vector, so that the sum brings its own divisor: float32 [values + 1].
    total = participant.sum(tf.concat([*parts, weight[None]], 0))
    sizes = [tensor.shape.num_elements() for tensor in dense]
    flat = tf.split(total[:-1] / total[-1], sizes)
    return [tf.cast(tf.reshape(mean, tensor.shape), tensor.dtype) for mean, tensor in zip(flat, dense, strict=True)]


def check_weights_alike(traced: TracedModel) -> None:
    """Refuses a model function that writes to a weight what other devices do not have.

    Args:
      traced: in TRAIN, with its gradients averaged.

    Raises:
      ValueError: an op writes a weight from this device's batch or random numbers, and no sum over all devices is
        between.
    """
    own = _OwnValues(traced)
    roles = traced.store.roles
    for op, names in traced.writes.items():
        weights = sorted(name for name in names if roles[name] is Role.WEIGHT)
        if weights and own.reaches(op):
            raise ValueError(
                f"The model function writes the weight {', '.join(weights)} by {op.name} ({op.type}), from what this "
                "device alone has computed, so the devices that train in step would drift apart. On several devices "
                "a weight takes gradients that an optimizer has averaged over all of them. Hand the gradient to the "
                "apply_gradients of tf.compat.v1.train.Optimizer or keras.optimizers.Optimizer, and call super() where "
                "a class of yours overrides it; or train on one device, with RunConfig(train_distribute="
                "tf.distribute.OneDeviceStrategy(…))"
            )


class _OwnValues:
    """What of a traced model only this device has: its batch, its random numbers, and what is computed from them.

    Args:
      traced: in TRAIN.
    """

    def __init__(self, traced: TracedModel) -> None:
        self._names = {id(handle): name for name, handle in traced.handles().items()}
        self._feeds = {feed.op for feed in traced.feeds}
        library = traced.graph.as_graph_def().library
        self._bodies = {function.signature.name: function.node_def for function in library.function}
        self._variables: set[str] = set()
        self._known: dict[tf.Operation, bool] = {}
        # A variable that is written from such values has them to give in the next step, so one look is not enough. Each
        # round finds one more variable at least, so there is an end.
        while new := {
            name
            for op, names in traced.writes.items()
            if self.reaches(op)
            for name in names - self._variables
            if traced.store.roles[name] is not Role.WEIGHT  # which is refused where it is written
        }:
            self._variables |= new
            self._known = {}

    def reaches(self, op: tf.Operation) -> bool:
        """Whether such values reach an op along its inputs."""
        # Without recursion: a graph is deeper than Python's stack.
        waiting = [op]
        while waiting:
            current = waiting[-1]
            if current in self._known:
                waiting.pop()
                continue
            sources = self._sources(current)
            open_ones = [source for source in sources if source not in self._known]
            if open_ones:
                waiting.extend(open_ones)
            else:
                self._known[current] = self._begins(current) or any(self._known[source] for source in sources)
        return self._known[op]

    def _sources(self, op: tf.Operation) -> list[tf.Operation]:
        """The ops behind an op's inputs; none behind a sum over all devices, whose result all of them have."""
        return [] if self._sums(op) else [tensor.op for tensor in op.inputs]

    def _begins(self, op: tf.Operation) -> bool:
        """Whether an op brings in such values, whatever its inputs are."""
        if self._sums(op):
            return False
        read = {self._names[id(tensor)] for tensor in op.inputs if id(tensor) in self._names}
        # Devices have seeds of their own, so that they do not all drop the same units.
        draws = any(kind.startswith(_RANDOM) for kind in self._kinds(op))
        return op in self._feeds or draws or bool(read & self._variables)

    def _sums(self, op: tf.Operation) -> bool:
        """Whether an op is a sum over all devices, or a branch or loop in which there is one."""
        return any(kind.startswith(_COLLECTIVES) for kind in self._kinds(op))

    def _kinds(self, op: tf.Operation) -> set[str]:
        """The type of an op, and the types of the ops in the functions that it calls: in branches and loops."""
        kinds, nodes, seen = {op.type}, [op.node_def], set[str]()
        while nodes:
            attributes = nodes.pop().attr.values()
            called = {function.name for value in attributes for function in (value.func, *value.list.func)} - seen
            seen |= called
            inside = [node for name in called for node in self._bodies.get(name, ())]
            kinds |= {node.op for node in inside}
            nodes += inside
        return kinds
