"""A SavedModel from a traced model: signatures cut from its graph, published whole.

A signature answers with the tensors of an export output, from the tensors of a receiver. Directories are named by ten
digits of seconds, as TensorFlow Serving wants them, and appear complete or not at all.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from trainer import storage
from trainer.estimator.contract.export import (
    DEFAULT_SIGNATURE,
    PREDICT_METHOD,
    ExportOutput,
    PredictOutput,
    ServingInputReceiver,
)
from trainer.estimator.graph.tracing import Part, TracedModel
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.estimator.saving import job_directory
from trainer.estimator.saving.export_store import GRAPH_FILE

log = logging.getLogger("trainer")

ASSETS_EXTRA = "assets.extra"
EXAMPLES_INPUT = "inputs"  # what Classify and Regress calls feed, by TensorFlow Serving's convention
TEXT_GRAPH_FILE = "saved_model.pbtxt"


@dataclasses.dataclass(frozen=True)
class Signature:
    """One entry point of a served model.

    Attributes:
      inputs: what a client feeds, by name.
      outputs: what it gets, by name.
      method_name: the kind of call that it answers.
    """

    inputs: Mapping[str, tf.Tensor]
    outputs: Mapping[str, tf.Tensor]
    method_name: str = PREDICT_METHOD


def signatures(
    outputs: Mapping[str, ExportOutput], receiver: ServingInputReceiver
) -> tuple[dict[str, Signature], dict[str, str]]:
    """The signatures that a receiver and export outputs make.

    Returns:
      Signatures by name, and the reason for each one that is left out.
    """
    made: dict[str, Signature] = {}
    left_out: dict[str, str] = {}
    groups: dict[str | None, Mapping[str, tf.Tensor]] = {None: receiver.receiver_tensors}
    groups.update(receiver.receiver_tensors_alternatives or {})
    for group, tensors in groups.items():
        for name, output in outputs.items():
            full = name if group is None else f"{group}:{name}"
            if not output.takes_examples_only:
                made[full] = Signature(tensors, output.tensors)
            elif [tensor.dtype for tensor in tensors.values()] == [tf.string]:
                examples = {EXAMPLES_INPUT: next(iter(tensors.values()))}
                made[full] = Signature(examples, output.tensors, output.method_name)
            else:
                left_out[full] = (
                    f"{type(output).__name__} answers calls with serialized examples, one string tensor, "
                    + "and the receiver has "
                    + ", ".join(f"{key} {tensor.dtype.name}" for key, tensor in tensors.items())
                )
    return made, left_out


def with_default(
    made: dict[str, Signature], left_out: Mapping[str, str], receiver: ServingInputReceiver, predictions: Any
) -> None:
    """Adds a `serving_default` of the predictions where the outputs left none, and says what is missing."""
    for name, reason in left_out.items():
        log.warning(
            "The signature %s is left out of the export: %s. A PredictOutput beside it would serve every receiver.",
            name,
            reason,
        )
    if DEFAULT_SIGNATURE not in made:
        log.warning("The signature %s of the export answers with the predictions instead.", DEFAULT_SIGNATURE)
        made[DEFAULT_SIGNATURE] = Signature(receiver.receiver_tensors, PredictOutput(predictions).tensors)


def parts_of(traced: TracedModel, made: Mapping[str, Signature]) -> dict[str, Part]:
    """What each signature computes, by its name."""
    return {
        name: traced.part(dict(signature.outputs), feeds=list(signature.inputs.values()))
        for name, signature in made.items()
    }


def used_by(parts: Mapping[str, Part]) -> set[str]:
    """The names of the variables that a SavedModel of these parts holds."""
    return {GLOBAL_STEP}.union(*(part.variables for part in parts.values()))


def write(traced: TracedModel, made: Mapping[str, Signature], parts: Mapping[str, Part], directory: str) -> None:
    """Writes a SavedModel of the signatures into a directory, with the variables that they use."""
    module = tf.Module()
    functions = {name: _function(parts[name], signature) for name, signature in made.items()}
    used = used_by(parts)
    module.model_variables = [traced.store.by_name[name] for name in sorted(used)]
    module.resources = traced.resources
    save = tf.autograph.experimental.do_not_convert(tf.saved_model.save)  # it wraps the signatures: nothing to convert
    save(module, directory, signatures=functions)
    _name_methods(Path(directory), made)


def _name_methods(directory: Path, made: Mapping[str, Signature]) -> None:
    """Marks signatures that answer Classify and Regress calls as such; TensorFlow writes all of them as Predict."""
    if all(signature.method_name == PREDICT_METHOD for signature in made.values()):
        return
    file = directory / GRAPH_FILE
    model = SavedModel.FromString(file.read_bytes())
    for name, signature in made.items():
        model.meta_graphs[0].signature_def[name].method_name = signature.method_name
    file.write_bytes(model.SerializeToString())


def _function(part: Callable[..., Any], signature: Signature) -> Any:
    def serve(**inputs: tf.Tensor) -> Any:
        return part(*[inputs[name] for name in signature.inputs])

    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in signature.inputs.items()}
    return tf.function(serve, autograph=False).get_concrete_function(**specs)


def publish(
    base: str, write_into: Callable[[str], None], now: float, assets_extra: Mapping[str, str] | None, as_text: bool
) -> str:
    """Makes `<base>/<ten digits>` appear with what `write_into` writes; returns its path.

    Args:
      base: the directory of the exports.
      write_into: fills a new directory.
      now: seconds; the name counts on when it is taken.
      assets_extra: files to add below `assets.extra`, destination to source.
      as_text: write the graph as text.
    """
    directory, folder = job_directory.of_process().holding(base)
    local = os.path.join(directory.local, folder)
    os.makedirs(local, exist_ok=True)
    hidden = os.path.join(local, f"temp-{int(now)}-{os.getpid()}")
    try:
        write_into(hidden)
        if as_text:
            _as_text(Path(hidden))
        for destination, source in (assets_extra or {}).items():
            target = Path(hidden, ASSETS_EXTRA, destination)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        name = directory.exports.publish(hidden, folder, int(now), TEXT_GRAPH_FILE if as_text else GRAPH_FILE)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return storage.join(base, name)


def _as_text(directory: Path) -> None:
    binary = directory / GRAPH_FILE
    model = SavedModel.FromString(binary.read_bytes())
    (directory / TEXT_GRAPH_FILE).write_text(text_format.MessageToString(model))
    binary.unlink()


def merge_modes(directories: Mapping[str, str], target: str) -> None:
    """Makes one SavedModel with a graph for each tag, from SavedModels of the same variables.

    Args:
      directories: tag to SavedModel; the first one gives variables and assets.
      target: the directory to write.
    """
    first, *others = directories.items()
    shutil.copytree(first[1], target)
    merged = SavedModel(saved_model_schema_version=1)
    for tag, directory in (first, *others):
        meta_graph = SavedModel.FromString(Path(directory, GRAPH_FILE).read_bytes()).meta_graphs[0]
        del meta_graph.meta_info_def.tags[:]
        meta_graph.meta_info_def.tags.append(tag)
        merged.meta_graphs.append(meta_graph)
    Path(target, GRAPH_FILE).write_bytes(merged.SerializeToString())


def exports(base: str) -> list[str]:
    """The exports below a directory, oldest first: its directories with ten digits for a name."""
    directory, folder = job_directory.of_process().holding(base)
    return [storage.join(base, version) for version in directory.exports.versions(folder)]


def delete(paths: Iterable[str]) -> None:
    """Deletes exports."""
    for path in paths:
        directory, name = job_directory.of_process().holding(path)
        directory.exports.delete(name)
