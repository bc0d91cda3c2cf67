"""Whether two traces of a model function compute the same, so that what was compiled of the one serves the other.

Names are left out: TensorFlow counts some of them up in the process. An op is what it does, with which attributes, on
the outputs of which other ops, counted in the order in which they were made.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.tracing import TracedModel


@dataclasses.dataclass(frozen=True, eq=False)
class Fingerprint:
    """Equal for traces whose graphs have the same ops and the same tensors and variables from outside.

    Attributes:
      digest: of the graph and of what is fed and fetched.
      captures: what the graph takes from outside; compared by identity, and so kept alive.
    """

    digest: bytes
    captures: Sequence[Any]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Fingerprint)
            and self.digest == other.digest
            and len(self.captures) == len(other.captures)
            and all(mine is theirs for mine, theirs in zip(self.captures, other.captures, strict=True))
        )


def of(traced: TracedModel, fetches: Mapping[str, tf.Tensor], operations: Iterable[tf.Operation]) -> Fingerprint:
    """The fingerprint of what is run of a traced model.

    Args:
      traced: the model.
      fetches: tensors of any shapes [...] that are taken from its graph.
      operations: what runs beside them.
    """
    # Of the whole trace and not of what is run of it alone: that is what a later trace of the same function repeats.
    definition = traced.graph.as_graph_def()
    places: dict[str, int] = {}
    nodes = _Functions(definition.library.function).digest(definition.node, places)
    # Which variable an op uses shows in the place of its capture; the captures themselves are compared by identity.
    inner = [inner for _, inner in traced.graph.captures]
    used = [
        [(places[tensor.op.name], tensor.value_index) for tensor in (*traced.feeds, *inner)],
        [(key, places[tensor.op.name], tensor.value_index) for key, tensor in fetches.items()],
        [places[operation.name] for operation in operations],
    ]
    return Fingerprint(_sha([nodes, used]), [outer for outer, _ in traced.graph.captures])


class _Functions:
    """Digests of nodes and of the functions that they call."""

    def __init__(self, functions: Iterable[Any]) -> None:
        self._definitions = {function.signature.name: function for function in functions}
        self._digests: dict[str, bytes] = {}

    def digest(self, nodes: Iterable[Any], places: dict[str, int]) -> bytes:
        """Of nodes in their order; adds the place of each to those of what came before."""
        listed = list(nodes)
        places.update({node.name: len(places) + index for index, node in enumerate(listed)})
        return _sha([(self._of(node.op), self._inputs(node, places), self._attributes(node)) for node in listed])

    def _inputs(self, node: Any, places: Mapping[str, int]) -> list[Any]:
        # The order of data inputs is a meaning, that of control inputs is none.
        data = [_place(name, places) for name in node.input if name[0] != "^"]
        return [data, sorted(places[name[1:]] for name in node.input if name[0] == "^")]

    def _attributes(self, node: Any) -> list[Any]:
        """All but the private ones, which tell where an op comes from and where it may run."""
        # A protocol buffer keeps attributes in no order.
        return [(key, self._attribute(node.attr[key])) for key in sorted(node.attr) if not key.startswith("_")]

    def _attribute(self, value: Any) -> Any:
        functions = [value.func] if value.HasField("func") else list(value.list.func)
        if functions:
            return [self._of(function.name) for function in functions]
        return value.SerializeToString(deterministic=True)

    def _of(self, name: str) -> Any:
        """The digest of a function; the name of any other op."""
        # Functions are numbered in the process, so that the same body has another name in the next trace.
        function = self._definitions.get(name)
        if function is None:
            return name
        if name not in self._digests:
            arguments = function.signature.input_arg
            places = {argument.name: index for index, argument in enumerate(arguments)}
            nodes = self.digest(function.node_def, places)
            results = [_place(function.ret[result.name], places) for result in function.signature.output_arg]
            kept = sorted(places[node] for node in function.control_ret.values())
            self._digests[name] = _sha([[argument.type for argument in arguments], nodes, results, kept])
        return self._digests[name]


def _place(name: str, places: Mapping[str, int]) -> tuple[int, str]:
    """Which output of which node `node:output:index` or `node:index` means."""
    node, _, output = name.partition(":")
    return places[node], output


def _sha(parts: Any) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()
