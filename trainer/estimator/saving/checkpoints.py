"""Checkpoints on disk: `model.ckpt-<step>` keyed by the variables' names, with a state file of relative paths.

The files are those that `tf.train.Saver` and tf.estimator wrote: a V2 bundle whose index appears last, so that a
checkpoint exists whole or not at all, and a `checkpoint` file that is replaced atomically. The position of the input
is kept in the same bundle. A model with the weight w [3] and the bias b [] at step 100:

    model.ckpt-100.index                  which tensor is where in the data, and their checksums
    model.ckpt-100.data-00000-of-00001    w [3], b [], global_step [], _trainer_input/batches [], …
    model.ckpt-100.manifest               size and checksum of the files above, and what the run notes about itself
    checkpoint                            model_checkpoint_path: "model.ckpt-100", and those before it
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from trainer import storage
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.estimator.saving import manifest, slices, verification
from trainer.estimator.saving.checkpoint_store import CheckpointStore
from trainer.estimator.saving.job_directory import JobDirectory, on_disk
from trainer.job.errors import UsageError

INPUT_PREFIX = "_trainer_input/"
"""Before the names of what is no variable: the position of the input."""
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MOST_NAMED = 12
_PREFIX = re.compile(r"model\.ckpt-(\d+)$")


class OtherModelError(UsageError, ValueError):
    """The variables of a checkpoint are not those of the model."""


def path(directory: str, step: int) -> str:
    """Where a directory has the checkpoint of a step: the part of its files' paths that they share."""
    return os.path.join(directory, f"model.ckpt-{step}")


def step_of(checkpoint_path: str) -> int:
    """The global step in a checkpoint's name.

    Raises:
      ValueError: it is not the name of a checkpoint.
    """
    match = _PREFIX.search(checkpoint_path)
    if not match:
        raise ValueError(
            f"{checkpoint_path} is not a checkpoint of an Estimator. They are named model.ckpt-<step>. Give one of them"
        )
    return int(match.group(1))


@dataclasses.dataclass(frozen=True)
class Reader:
    """The tensors of one checkpoint, by the names of the variables.

    Attributes:
      checkpoint_path: as the caller calls it, for messages.
      keys: by the names of variables, the keys in the file. They differ where `tf.train.Checkpoint` wrote it, as in a
        SavedModel: its keys are paths of objects, and it records the variables' names beside them.
    """

    checkpoint_path: str
    keys: Mapping[str, str]
    _reader: Any
    _local_path: str

    def __contains__(self, name: str) -> bool:
        return name in self.keys

    def names(self) -> list[str]:
        """Of the variables, sorted."""
        return sorted(self.keys)

    def shape(self, name: str) -> list[int]:
        """The shape of a variable, without reading it."""
        return self._reader.get_variable_to_shape_map()[self.keys[name]]

    def value(self, name: str) -> np.ndarray:
        """The whole value of a variable.

        Raises:
          DamagedCheckpointError: the file is damaged.
        """
        with self._readable(name):
            return self._reader.get_tensor(self.keys[name])

    def rows(self, name: str, dtype: tf.DType, piece: slices.Slice) -> tf.Tensor:
        """A slice of a variable, without reading the rest.

        Args:
          name: of the variable.
          dtype: that it was saved with.
          piece: which slice.

        Returns:
          `piece.shape`, usually [rows, …].

        Raises:
          DamagedCheckpointError: the file is damaged.
        """
        with self._readable(name):
            return slices.read(self._local_path, self.keys[name], dtype, piece)

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise verification.damaged(
                self.checkpoint_path, f"{name} in it cannot be read: {verification.first_words(error)}"
            ) from error


def read(source: str, open_directory: Callable[[str], JobDirectory] = on_disk) -> Reader:
    """Opens a checkpoint for reading.

    Args:
      source: its path, a directory of checkpoints, of which the newest is taken, or a SavedModel; local or in a bucket.
      open_directory: opens a directory by its path, as `JobDirectories.at` does; without it, sources are local.

    Raises:
      ValueError: there is no checkpoint.
    """
    checkpoint_path = os.fsdecode(source)
    try:
        local_path = _resolved(checkpoint_path, open_directory)
        if os.path.exists(f"{local_path}{manifest.SUFFIX}"):
            verification.require_whole(local_path, checkpoint_path)
        reader = tf.train.load_checkpoint(local_path)
    except verification.DamagedCheckpointError:
        raise
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{checkpoint_path} cannot be read as a checkpoint: {error}. "
            "It takes the path of a checkpoint, as …/model.ckpt-100. Check the path"
        ) from error
    checkpoint_path = checkpoint_path if storage.is_remote(checkpoint_path) else local_path
    stored = reader.get_variable_to_shape_map()
    if _OBJECT_GRAPH in stored:
        return Reader(checkpoint_path, _keys_by_full_name(reader), reader, local_path)
    own = {key: key for key in stored if not key.startswith(INPUT_PREFIX)}
    return Reader(checkpoint_path, own, reader, local_path)


def _resolved(source: str, open_directory: Callable[[str], JobDirectory]) -> str:
    """The local path of a checkpoint; one in a bucket is fetched."""
    directory, _, name = source.rpartition("/")
    if storage.is_remote(source) and _PREFIX.search(source):
        return open_directory(directory).checkpoints.fetch(name)
    if not storage.is_remote(source) and not os.path.isdir(source):
        return source
    opened = open_directory(source)
    return opened.exports.variables() or opened.checkpoints.fetch(_latest_or_error(source, opened.checkpoints))


def _latest_or_error(source: str, store: CheckpointStore) -> str:
    """The name of the newest checkpoint."""
    newest = store.latest()
    if newest is None:
        raise ValueError(
            f"{source} holds no checkpoint. It takes a checkpoint's path, a directory with checkpoints, "
            "or a SavedModel. Check the path, or train first"
        )
    return os.path.basename(newest)


def _keys_by_full_name(reader: Any) -> dict[str, str]:
    """Of a checkpoint of objects: the key of each variable by its name, as the graph of objects in it records them."""
    graph = TrackableObjectGraph.FromString(reader.get_tensor(_OBJECT_GRAPH))
    return {
        attribute.full_name: attribute.checkpoint_key
        for node in graph.nodes
        for attribute in node.attributes
        if attribute.full_name
    }


def restore(
    variables: Mapping[str, tf.Variable | RowShardedVariable], reader: Reader, sources: Mapping[str, str] | None = None
) -> None:
    """Sets variables to the values of a checkpoint; none of them when one does not fit.

    A part of a partitioned variable takes its rows of the whole, however the checkpoint's were divided.

    Args:
      variables: of any shapes, by name.
      reader: of the checkpoint.
      sources: by the names of variables, the names that these have in the checkpoint where they differ.

    Raises:
      OtherModelError: one of them is missing in the checkpoint, or has another shape there.
    """
    renamed = sources or {}
    names = {name: source_name(name, variable, renamed) for name, variable in variables.items()}
    check_all_there(reader, names.values())
    for name, variable in variables.items():
        # A variable made with validate_shape=False takes any shape that fits what is known of its own.
        fixed = variable.shape.is_fully_defined()
        accepted = slices.shape_of(variable) if fixed else variable.shape
        if not tf.TensorShape(accepted).is_compatible_with(reader.shape(names[name])):
            raise OtherModelError(
                f"{reader.checkpoint_path} has {names[name]} of shape {reader.shape(names[name])}; "
                f"the model function makes {name} of shape {accepted}",
                "a checkpoint of the same model",
                "Train into another model_dir (--output_dir), or change the model back",
            )
    for name, variable in variables.items():
        pieces = list(slices.to_restore(variable))
        if len(pieces) == 1 and slices.is_whole(variable):
            variable.assign(reader.value(names[name]))
            continue
        for piece in pieces:
            piece.set(reader.rows(names[name], variable.dtype, piece))


def source_name(name: str, variable: tf.Variable | RowShardedVariable, renamed: Mapping[str, str]) -> str:
    """The name that a variable has in the checkpoint: for a part, that of the whole.

    Args:
      name: of the variable.
      variable: itself.
      renamed: by the names of variables, the names that these have in the checkpoint where they differ.
    """
    whole = slices.full_name(name, variable)
    return renamed.get(name) or renamed.get(whole, whole)


def check_all_there(reader: Reader, names: Iterable[str]) -> None:
    """Raises OtherModelError where a checkpoint lacks one of these names."""
    missing = sorted({name for name in names if name not in reader})
    if missing:
        raise OtherModelError(
            f"{reader.checkpoint_path} lacks {_some(missing)}; it has {_some(reader.names())}",
            "a checkpoint with all variables that the model function makes",
            "Train into another model_dir (--output_dir), or use warm_start_from to start from the values that fit",
        )


def _some(names: Sequence[str]) -> str:
    """As many names as a message can hold."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def saved_step(checkpoint_path: str) -> int:
    """The global step that is saved in a checkpoint.

    Raises:
      ValueError: there is none.
    """
    reader = read(checkpoint_path)
    check_all_there(reader, [GLOBAL_STEP])
    return int(reader.value(GLOBAL_STEP))
