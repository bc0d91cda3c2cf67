"""A model function exported: traced on what clients send, with the values of a checkpoint, as a SavedModel."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Mapping

from trainer.estimator.contract.export import PredictOutput
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.model_function import ModelFunction, ReceiverFn
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import Role
from trainer.estimator.saving import saved_model
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.estimator.saving.starting_values import StartingValues

TAGS = {ModeKeys.PREDICT: "serve", ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval"}
"""What the graph of a mode is called in a SavedModel of several modes."""


@dataclasses.dataclass(frozen=True)
class ModelExport:
    """Writes a model function with one set of values.

    Attributes:
      model: the function.
      values: what its variables are set to.

    Raises:
      ValueError: nothing was trained that could be exported: no checkpoint, no warm start and no values given.
    """

    model: ModelFunction
    values: StartingValues

    def __post_init__(self) -> None:
        values = self.values
        if values.checkpoint is None and values.warm_start is None and not values.given:
            raise ValueError(
                f"There is nothing to export: {self.model.config.model_dir} holds no checkpoint. "
                "Train first, or name a checkpoint_path"
            )

    def write(self, mode: str, receiver_fn: ReceiverFn, directory: str) -> None:
        """Writes a SavedModel of one mode.

        Args:
          mode: a value of ModeKeys. In PREDICT the one graph is tagged `serve`, else as `write_tagged` does.
          receiver_fn: says what clients send.
          directory: a new one.
        """
        if mode == ModeKeys.PREDICT:
            self._write_graphs({mode: receiver_fn}, {mode: directory})
        else:
            self.write_tagged({mode: receiver_fn}, directory)

    def _write_graphs(self, receiver_fns: Mapping[str, ReceiverFn], directories: Mapping[str, str]) -> None:
        """Writes a SavedModel for each mode, with its graph, tagged `serve` whatever the mode.

        All have the variables of all modes, so that whichever is loaded finds its own among the values of another.

        Args:
          receiver_fns: by mode, what clients send.
          directories: by mode, a new one.
        """
        store = self.values.new_store(self.model.config.tf_random_seed)
        graphs = {}
        for mode, receiver_fn in receiver_fns.items():
            traced = self.model.trace_served(mode, receiver_fn, store)
            signatures = _signatures(traced)
            graphs[mode] = (traced, signatures, saved_model.parts_of(traced, signatures))
        # What a mode makes and does not use is the model's too: another one may start from the export.
        contained = set(store.saved()) - set(store.named(Role.OPTIMIZER))
        contained = contained.union(*(saved_model.used_by(parts) for _, _, parts in graphs.values()))
        self.values.assign(store, contained & set(store.saved()))
        for mode, (traced, signatures, parts) in graphs.items():
            saved_model.write(traced, signatures, parts, contained, directories[mode])

    def write_tagged(self, receiver_fns: Mapping[str, ReceiverFn], directory: str) -> None:
        """Writes a SavedModel with a graph for each mode, under its tag.

        Args:
          receiver_fns: by mode, what clients send.
          directory: a new one.
        """
        with tempfile.TemporaryDirectory() as scratch:
            ordered = {mode: receiver_fns[mode] for mode in TAGS if mode in receiver_fns}
            directories = {mode: os.path.join(scratch, TAGS[mode]) for mode in ordered}
            self._write_graphs(ordered, directories)
            saved_model.merge_modes({TAGS[mode]: path for mode, path in directories.items()}, directory)


def check_modes(receiver_fns: Mapping[str, ReceiverFn]) -> None:
    """Checks which modes are to be exported.

    Raises:
      ValueError: none, or an unknown one.
    """
    if set(receiver_fns) - set(TAGS) or not receiver_fns:
        raise ValueError(
            f"input_receiver_fn_map has the modes {sorted(receiver_fns)}. It takes {', '.join(TAGS)}, one at least"
        )


def publish(
    directories: JobDirectories,
    base: str,
    write_into: Callable[[str], None],
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
) -> bytes:
    """Makes an export appear below a directory, whole.

    Args:
      directories: of this process.
      base: the directory of the exports.
      write_into: fills a new directory.
      assets_extra: files to add below `assets.extra`, destination to source.
      as_text: write the graph as text.

    Returns:
      Its path, as bytes, as tf.estimator does.
    """
    with directories.flushed_at_end():
        return saved_model.publish(
            directories, os.fsdecode(base), write_into, time.time(), assets_extra, as_text
        ).encode()


def _signatures(traced: TracedModel) -> dict[str, saved_model.Signature]:
    """What clients may call: in PREDICT the export outputs, else the loss and the predictions under the mode's name."""
    receiver, spec = traced.context, traced.spec
    if traced.mode != ModeKeys.PREDICT:
        outputs = {"loss": spec.loss}
        outputs |= {f"predictions/{key}": value for key, value in PredictOutput(spec.predictions).tensors.items()}
        return {traced.mode: saved_model.Signature(receiver.receiver_tensors, outputs)}
    signatures, left_out = saved_model.signatures(spec.export_outputs or {}, receiver)
    saved_model.with_default(signatures, left_out, receiver, spec.predictions)
    return signatures
