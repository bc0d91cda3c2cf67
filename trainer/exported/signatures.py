"""The signatures of a SavedModel as its file describes them: what is sent, what is answered, to which kind of call."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf import message, text_format
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from trainer.job.errors import DataError
from trainer.job.layout import GRAPH_FILE, TEXT_GRAPH_FILE

_SERVE = "serve"
_OF_THE_LOADER = "__"  # begins the names of signatures that nobody calls


@dataclasses.dataclass(frozen=True, kw_only=True)
class Port:
    """An input or an output of a signature.

    Attributes:
      name: by which it is sent or answered.
      dtype: of its values.
      shape: [batch, …], None for sizes that are free; None where the number of sizes is.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    @property
    def row_shape(self) -> tuple[int | None, ...] | None:
        """Of one row of the batch; None where it is not known, or there is no batch."""
        return self.shape[1:] if self.shape else None

    def __str__(self) -> str:
        sizes = "…" if self.shape is None else ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype.name} [{sizes}]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """One way to ask a model.

    Attributes:
      name: of it.
      inputs: by name.
      outputs: by name.
      method: the kind of call that it answers, as `tensorflow/serving/predict`.
      definition: as its file has it.
    """

    name: str
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    method: str
    definition: SignatureDef

    @property
    def has_rows(self) -> bool:
        """Whether every input and output is of a batch, as far as their shapes tell: rows of several calls can join."""
        ports = [*self.inputs.values(), *self.outputs.values()]
        first = {port.shape[0] if port.shape else 0 for port in ports if port.shape is not None}
        unknown = any(port.shape is None for port in self.inputs.values())
        return bool(self.inputs) and not unknown and len(first) <= 1 and 0 not in first

    @property
    def batch_size(self) -> int | None:
        """The only number of rows that it takes; None where any will do."""
        sizes = [port.shape[0] for port in self.inputs.values() if port.shape]
        return sizes[0] if sizes else None

    def of_rows(self, name: str) -> Port:
        """An input for any number of rows, where rows of several calls can join."""
        port = self.inputs[name]
        return (
            dataclasses.replace(port, shape=(None, *port.row_shape))
            if self.has_rows and port.row_shape is not None
            else port
        )

    @property
    def takes_strings(self) -> bool:
        """Whether its one input is a string a row: serialized examples, rows of CSV, or text."""
        ports = list(self.inputs.values())
        return len(ports) == 1 and ports[0].dtype == tf.string and ports[0].row_shape in ((), None)

    def __str__(self) -> str:
        sides = (", ".join(str(side[name]) for name in sorted(side)) for side in (self.inputs, self.outputs))
        return f"{self.name}: {' → '.join(sides)}"


def read(directory: str) -> dict[str, Signature]:
    """The signatures of a SavedModel, by name.

    Args:
      directory: of the SavedModel, local.

    Raises:
      DataError: its file cannot be read, or it has nothing to be served.
    """
    model = _parsed(directory)
    graphs = [graph for graph in model.meta_graphs if _SERVE in graph.meta_info_def.tags]
    found = {
        name: _signature(name, definition)
        for graph in graphs[:1]
        for name, definition in graph.signature_def.items()
        if not name.startswith(_OF_THE_LOADER)
    }
    if not found:
        raise DataError(f"{directory} has no signatures for serving", "a SavedModel with a signature", "Export it anew")
    return found


def _parsed(directory: str) -> SavedModel:
    binary = os.path.join(directory, GRAPH_FILE)
    try:
        if os.path.exists(binary):
            with open(binary, "rb") as file:
                return SavedModel.FromString(file.read())
        with open(os.path.join(directory, TEXT_GRAPH_FILE), encoding="utf-8") as text:
            return text_format.Parse(text.read(), SavedModel())
    except (OSError, UnicodeDecodeError, message.DecodeError, text_format.ParseError) as error:
        got = f"{directory} cannot be read as a SavedModel ({type(error).__name__}: {error})"
        raise DataError(got, "a SavedModel that is whole", "Copy or export it anew") from error


def _signature(name: str, definition: SignatureDef) -> Signature:
    return Signature(
        name=name,
        inputs={key: _port(key, info) for key, info in sorted(definition.inputs.items())},
        outputs={key: _port(key, info) for key, info in sorted(definition.outputs.items())},
        method=definition.method_name,
        definition=definition,
    )


def _port(name: str, info: TensorInfo) -> Port:
    sizes = None if info.tensor_shape.unknown_rank else tuple(dim.size for dim in info.tensor_shape.dim)
    shape = None if sizes is None else tuple(None if size < 0 else size for size in sizes)
    return Port(name=name, dtype=tf.as_dtype(info.dtype), shape=shape)
