"""A SavedModel from a traced model: its signatures, each with the part of the graph that it needs.

A signature computes the tensors of an export output from the tensors of a receiver. Directories are named by ten digits
of seconds, as TensorFlow Serving requires, and appear complete or not at all.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
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
from trainer.estimator.graph.composites import is_composite
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.estimator.saving import export_manifest, signature_inputs
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.job.layout import GRAPH_FILE, TEXT_GRAPH_FILE

log = logging.getLogger("trainer")

ASSETS_EXTRA = "assets.extra"
EXAMPLES_INPUT = "inputs"  # what Classify and Regress calls feed, by TensorFlow Serving's convention


@dataclasses.dataclass(frozen=True)
class Signature:
    """One entry point of a served model.

    Attributes:
      inputs: what a client sends, by name; usually [batch, …].
      outputs: what it receives, by name; usually [batch, …].
      method_name: the kind of call that it answers.
    """

    inputs: Mapping[str, tf.Tensor]
    outputs: Mapping[str, tf.Tensor]
    method_name: str = PREDICT_METHOD


def signatures(
    outputs: Mapping[str, ExportOutput], receiver: ServingInputReceiver
) -> tuple[dict[str, Signature], dict[str, str]]:
    """A signature for every pair of receiver tensors and export output, as tf.estimator made them.

    Args:
      outputs: by name.
      receiver: its tensors make `name`, each of its alternatives `alternative:name`.

    Returns:
      Signatures by name, and by name the reason for each one that is left out.
    """
    by_name: dict[str, Signature] = {}
    left_out: dict[str, str] = {}
    groups: dict[str | None, Mapping[str, tf.Tensor]] = {None: receiver.receiver_tensors}
    groups.update(receiver.receiver_tensors_alternatives or {})
    for group, tensors in groups.items():
        for name, output in outputs.items():
            full = name if group is None else f"{group}:{name}"
            if output.alternative not in (None, group):
                continue
            if not output.takes_examples_only:
                by_name[full] = Signature(tensors, output.tensors)
            elif [_dense_type(tensor) for tensor in tensors.values()] == [tf.string]:
                examples = {EXAMPLES_INPUT: next(iter(tensors.values()))}
                by_name[full] = Signature(examples, output.tensors, output.method_name)
            else:
                receives = ", ".join(f"{key} {tensor.dtype.name}" for key, tensor in tensors.items())
                left_out[full] = (
                    f"{type(output).__name__} needs a receiver of serialized examples, one string tensor, and this one "
                    f"takes {receives}"
                )
    return by_name, left_out


def _dense_type(tensor: Any) -> tf.DType | None:
    """The type of a dense tensor [...]; None of any other one."""
    return None if is_composite(tensor) else tensor.dtype


def with_default(
    by_name: dict[str, Signature], left_out: Mapping[str, str], receiver: ServingInputReceiver, predictions: Any
) -> None:
    """Adds a `serving_default` of the predictions where there is none; logs what is left out.

    Args:
      by_name: the signatures, to add to.
      left_out: by name, the reason for each signature that is left out.
      receiver: what `serving_default` then takes.
      predictions: what it then answers with: a tensor, or tensors by name; usually [batch, …].
    """
    for reason in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, one in left_out.items() if one == reason)
        log.warning("The export has no signature %s: %s. A PredictOutput takes any receiver.", names, reason)
    if DEFAULT_SIGNATURE not in by_name:
        log.warning("The signature %s of the export returns the predictions instead.", DEFAULT_SIGNATURE)
        by_name[DEFAULT_SIGNATURE] = Signature(receiver.receiver_tensors, PredictOutput(predictions).tensors)


def parts_of(traced: TracedModel, by_name: Mapping[str, Signature]) -> dict[str, PrunedFunction]:
    """What each signature computes, by its name."""
    return {
        name: traced.prune(dict(signature.outputs), feeds=list(signature_inputs.flat(signature.inputs).values()))
        for name, signature in by_name.items()
    }


def used_by(parts: Mapping[str, PrunedFunction]) -> set[str]:
    """The names of the variables that these parts use, and of the global step, which a SavedModel always contains."""
    return {GLOBAL_STEP}.union(*(part.variables for part in parts.values()))


def write(
    traced: TracedModel,
    by_name: Mapping[str, Signature],
    parts: Mapping[str, PrunedFunction],
    variables: Iterable[str],
    directory: str,
) -> None:
    """Writes a SavedModel of the signatures.

    Args:
      traced: the model function.
      by_name: the signatures.
      parts: what each of them computes, by its name.
      variables: the names of those that it contains, with all that the parts use.
      directory: local; made here.
    """
    module = tf.Module()
    functions = {name: _function(parts[name], signature) for name, signature in by_name.items()}
    module.model_variables = [traced.store.by_name[name] for name in sorted(variables)]
    module.resources = traced.resources
    save = tf.autograph.experimental.do_not_convert(tf.saved_model.save)  # it wraps the signatures: nothing to convert
    save(module, directory, signatures=functions)
    _complete(Path(directory), by_name)


def _complete(directory: Path, by_name: Mapping[str, Signature]) -> None:
    """Says of the signatures what `tf.saved_model.save` does not: methods other than Predict's, composite inputs."""
    file = directory / GRAPH_FILE
    model = SavedModel.FromString(file.read_bytes())
    for name, signature in by_name.items():
        definition = model.meta_graphs[0].signature_def[name]
        definition.method_name = signature.method_name
        signature_inputs.make_whole(definition, signature.inputs)
    file.write_bytes(model.SerializeToString())


def _function(part: Callable[..., Any], signature: Signature) -> Any:
    """A concrete function of keyword arguments, as `tf.saved_model.save` takes it, for a part of positional ones."""

    flat = signature_inputs.flat(signature.inputs)
    # Clients see the names of the specs. Arguments are spelt as names of Python: longer than any, so that none is met.
    digits = max(map(len, flat), default=0)
    spelt = {
        name: name if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) else f"input_{index:0{digits}}"
        for index, name in enumerate(flat)
    }

    def serve(**inputs: tf.Tensor) -> Any:
        return part(*[inputs[spelt[name]] for name in flat])

    specs = {spelt[name]: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in flat.items()}
    return tf.function(serve, autograph=False).get_concrete_function(**specs)


def publish(
    directories: JobDirectories,
    base: str,
    write_into: Callable[[str], None],
    now: float,
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
) -> str:
    """Makes `<base>/<ten digits>` appear with what `write_into` writes; returns its path.

    Args:
      directories: of this process.
      base: the directory of the exports, local or in a bucket.
      write_into: fills the new local directory that it is given.
      now: the time in seconds, which names the export; where that name is taken, the next free number does.
      assets_extra: source files by their destinations below `assets.extra`.
      as_text: whether the graph is written as text.
    """
    directory, folder = directories.holding(base)
    local = os.path.join(directory.local, folder)
    os.makedirs(local, exist_ok=True)
    # TensorFlow Serving looks at directories whose names are numbers, so it does not see this one.
    hidden = os.path.join(local, f"temp-{int(now)}-{os.getpid()}")
    try:
        write_into(hidden)
        if as_text:
            _as_text(Path(hidden))
        for destination, source in (assets_extra or {}).items():
            target = Path(hidden, ASSETS_EXTRA, destination)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        export_manifest.write(hidden)
        name = directory.exports.publish(hidden, folder, int(now), TEXT_GRAPH_FILE if as_text else GRAPH_FILE)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return storage.join(base, name)


def _as_text(directory: Path) -> None:
    """Replaces the graph's file by one in TensorFlow's text format."""
    binary = directory / GRAPH_FILE
    model = SavedModel.FromString(binary.read_bytes())
    (directory / TEXT_GRAPH_FILE).write_text(text_format.MessageToString(model))
    binary.unlink()


def merge_modes(directories: Mapping[str, str], target: str) -> None:
    """Makes one SavedModel with a graph for each tag, from SavedModels of the same variables.

    Args:
      directories: of the SavedModels, by tag; variables and assets are those of the first.
      target: the directory to write; made here.
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


def exports(directories: JobDirectories, base: str) -> list[str]:
    """The paths of the exports below a directory, oldest first: of its directories whose names are ten digits."""
    directory, folder = directories.holding(base)
    return [storage.join(base, version) for version in directory.exports.versions(folder)]


def delete(directories: JobDirectories, paths: Iterable[str]) -> None:
    """Deletes exports, given their paths."""
    for path in paths:
        directory, name = directories.holding(path)
        directory.exports.delete(name)
