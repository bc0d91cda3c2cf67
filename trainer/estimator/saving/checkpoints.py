"""Checkpoints on disk: `model.ckpt-<step>` keyed by the variables' names, with a state file of relative paths.

The files are those that `tf.train.Saver` and tf.estimator wrote: a V2 bundle whose index appears last, so that a
checkpoint is there whole or not at all, and a `checkpoint` file that is replaced atomically. The position of the input
is kept in the same bundle.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from trainer import storage
from trainer.estimator.graph.row_sharding import RowShardedVariable
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.estimator.saving import job_directory, slices, state_file
from trainer.estimator.saving.checkpoint_store import CheckpointStore
from trainer.estimator.saving.retention import Checkpoint, decide
from trainer.job.errors import TrainingError

INPUT_PREFIX = "_trainer_input/"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_PREFIX = re.compile(r"model\.ckpt-(\d+)$")


def path(directory: str, step: int) -> str:
    return os.path.join(directory, f"model.ckpt-{step}")


def step_of(checkpoint_path: str) -> int:
    """The global step in a checkpoint's name.

    Raises:
      ValueError: another kind of name.
    """
    match = _PREFIX.search(checkpoint_path)
    if not match:
        raise ValueError(f"{checkpoint_path} is no checkpoint of an Estimator. They are called model.ckpt-<step>")
    return int(match.group(1))


def latest(directory: str) -> str | None:
    """The newest whole checkpoint of a directory, local or in a bucket, by its state file; None when there is none.

    A checkpoint that the state file names but that is not there is passed over for the newest one that is.
    """
    return job_directory.of_process().at(directory).checkpoints.latest()


@dataclasses.dataclass
class Saver:
    """Saves to one directory, and lets old checkpoints go.

    Attributes:
      store: of the checkpoints.
      keep_max: how many of the newest stay; 0 or None keeps all.
      keep_every_hours: one checkpoint of every so many hours stays for good.
      started_at: when the run began, in seconds; the hours count from here.
      continued: the checkpoint that the run goes on from, as it is. It is not written again: a kill in the middle of
        that would spoil it, and it may be the only one.
    """

    store: CheckpointStore
    keep_max: int | None
    keep_every_hours: float
    started_at: float
    continued: str | None = None

    def save(self, step: int, tensors: Mapping[str, Any], now: float) -> str:
        """Writes `model.ckpt-<step>` and its state file; returns its path.

        Args:
          step: the global step.
          tensors: what to save, by name: tensors, and variables, of which parts are saved as slices of the whole.
          now: the time in seconds.
        """
        os.makedirs(self.store.local, exist_ok=True)
        target = path(self.store.local, step)
        if target == self.continued:
            return target
        slices.write(target, tensors)
        self._publish(os.path.basename(target), now)
        return target

    def _publish(self, name: str, now: float) -> None:
        state = state_file.read(self.store.local)
        known = [checkpoint for checkpoint in state_file.listed(state) if checkpoint.path != name]
        known = [checkpoint for checkpoint in [*known, Checkpoint(name, now)] if self.store.exists(checkpoint.path)]
        every = self.keep_every_hours * 3600
        kept_until = state.last_preserved_timestamp or self.started_at + every
        self.store.publish(decide(known, self.keep_max, every, kept_until, self.store.spared()))


@dataclasses.dataclass(frozen=True)
class Reader:
    """The tensors of one checkpoint, by the names of the variables.

    Checkpoints of `tf.train.Checkpoint` and of SavedModels, which are keyed by objects, are read by the full names that
    they record.
    """

    checkpoint_path: str
    keys: Mapping[str, str]
    _reader: Any
    _local_path: str

    def __contains__(self, name: str) -> bool:
        return name in self.keys

    def names(self) -> list[str]:
        return sorted(self.keys)

    def shape(self, name: str) -> list[int]:
        return self._reader.get_variable_to_shape_map()[self.keys[name]]

    def value(self, name: str) -> np.ndarray:
        with self._readable(name):
            return self._reader.get_tensor(self.keys[name])

    def rows(self, name: str, dtype: tf.DType, piece: slices.Slice) -> tf.Tensor:
        """A slice of a tensor, of which no more is read."""
        with self._readable(name):
            return slices.read(self._local_path, self.keys[name], dtype, piece)

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{self.checkpoint_path} cannot be read at {name}: {error}",
                do="Delete that checkpoint, or name another one",
            ) from error


def read(source: str) -> Reader:
    """Opens a checkpoint: its path, a directory of checkpoints, or a SavedModel.

    Raises:
      ValueError: there is nothing of the kind.
    """
    checkpoint_path = os.fspath(source)
    try:
        local_path = _resolved(checkpoint_path)
        reader = tf.train.load_checkpoint(local_path)
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


def _resolved(source: str) -> str:
    """The local path of a checkpoint; one in a bucket is fetched."""
    directory, _, name = source.rpartition("/")
    if storage.is_remote(source) and _PREFIX.search(source):
        return job_directory.of_process().at(directory).checkpoints.fetch(name)
    if not storage.is_remote(source) and not os.path.isdir(source):
        return source
    opened = job_directory.of_process().at(source)
    return opened.exports.variables() or opened.checkpoints.fetch(_latest_or_error(source, opened.checkpoints))


def _latest_or_error(source: str, store: CheckpointStore) -> str:
    """Name of the latest checkpoint."""
    found = store.latest()
    if found is None:
        raise ValueError(
            f"{source} holds no checkpoint. It takes a checkpoint's path, a directory with checkpoints, "
            "or a SavedModel. Check the path, or train first"
        )
    return os.path.basename(found)


def _keys_by_full_name(reader: Any) -> dict[str, str]:
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
      variables: by name.
      reader: of the checkpoint.
      sources: names in the checkpoint that differ from the variables'.

    Raises:
      ValueError: one of them is missing in the checkpoint, or has another shape there.
    """
    renamed = sources or {}
    names = {name: renamed.get(name) or _source(name, variable, renamed) for name, variable in variables.items()}
    _check_all_there(reader, names.values())
    for name, variable in variables.items():
        fixed = variable.shape.is_fully_defined()
        accepted = slices.shape_of(variable) if fixed else variable.shape
        if not tf.TensorShape(accepted).is_compatible_with(reader.shape(names[name])):
            raise ValueError(
                f"{reader.checkpoint_path} has {names[name]} of shape {reader.shape(names[name])}; "
                f"the model function makes {name} {accepted}. "
                "Train into another model_dir, or change the model back"
            )
    for name, variable in variables.items():
        pieces = list(slices.to_restore(variable))
        if len(pieces) == 1 and slices.is_whole(variable):
            variable.assign(reader.value(names[name]))
            continue
        for piece in pieces:
            piece.set(reader.rows(names[name], variable.dtype, piece))


def _source(name: str, variable: tf.Variable | RowShardedVariable, renamed: Mapping[str, str]) -> str:
    """The name in the checkpoint: for a part, that of the whole."""
    whole = slices.full_name(name, variable)
    return renamed.get(whole, whole)


def _check_all_there(reader: Reader, names: Iterable[str]) -> None:
    missing = sorted({name for name in names if name not in reader})
    if missing:
        raise ValueError(
            f"{reader.checkpoint_path} lacks {', '.join(missing)}; it has {', '.join(reader.names())}. "
            "The model function has to make the variables that the checkpoint was written with. "
            "Train into another model_dir, or use warm_start_from to take over what fits"
        )


def saved_step(checkpoint_path: str) -> int:
    """The global step that a checkpoint holds.

    Raises:
      ValueError: it holds none.
    """
    reader = read(checkpoint_path)
    _check_all_there(reader, [GLOBAL_STEP])
    return int(reader.value(GLOBAL_STEP))
