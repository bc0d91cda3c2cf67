"""The line of a person's program that made an operation, and the operation that a gradient is of."""

from __future__ import annotations

import dataclasses
import linecache
import os
import re
import sysconfig

import tensorflow as tf

from trainer.estimator.graph.inside.bodies import related

# What a person did not write: libraries, and the package itself but for its networks and problems, which people change.
_LIBRARIES = tuple(
    os.path.join(path, "") for path in {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
)
_ESTIMATOR = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/(?P<forward>.+?)_grad(?:_\d+)?/")
_TAPE = "gradient_tape/"


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a program."""

    path: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}" + (f" ({self.text})" if self.text else "")


def line_of(op: tf.Operation) -> Line | None:
    """The innermost line that is neither a library's nor the package's; None where there is none."""
    for frame in reversed(list(op.traceback)):
        path = frame.filename
        if not path.startswith((*_LIBRARIES, _ESTIMATOR, "<frozen")) and f"{os.sep}site-packages{os.sep}" not in path:
            return Line(path, frame.lineno, linecache.getline(path, frame.lineno).strip())
    return None


def forward_of(op: tf.Operation) -> tf.Operation | None:
    """The operation that an op of a traced model is in the gradient of; None for one that is in no gradient."""
    if _TAPE in op.name:
        return _taped(op)
    named = _forward_name(op.name)
    if named is None:
        return None
    found = (_in_graph(graph, named) for graph in related(op.graph))
    return next((forward for forward in found if forward is not None), None)


def _forward_name(name: str) -> str | None:
    """The name of the op that the innermost gradient in a name is of: `a/Log` of `gradients/a/Log_grad/mul`."""
    found, start = None, 0
    while match := _GRADIENT.search(name, start):
        found, start = match["forward"], match.end() - 1
    return found


def _in_graph(graph: tf.Graph, name: str) -> tf.Operation | None:
    try:
        return graph.get_operation_by_name(name)
    except KeyError:
        return None


def _taped(op: tf.Operation) -> tf.Operation | None:
    """Of an op that a `GradientTape` made: the op that made or took what this one takes.

    A tape says in its ops' names only in which scope they belong.
    """
    made = [tensor.op for tensor in op.inputs if _TAPE not in tensor.op.name]
    taken = [user for tensor in op.inputs for user in tensor.consumers() if _TAPE not in user.name]
    alike = [other for other in (*made, *taken) if op.type.startswith(other.type) and other.type != op.type]
    took = [user for user in taken if user.type not in ("Identity", "Shape", "ReadVariableOp")]
    return next(iter((*alike, *took, *made)), None)
