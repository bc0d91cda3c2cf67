"""The config of a Keras model, from which it is rebuilt in every graph, with what Keras leaves out of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from trainer.estimator.graph.inside import keras_models, keras_names

_ADAPTED = (
    keras.layers.IntegerLookup,
    keras.layers.Normalization,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)


def fill_adapted(model: keras.Model, config: dict[str, Any]) -> set[int]:
    """Writes what preprocessing layers learnt in adapt() into a model's config, which holds only what they were given.

    Args:
      model: of any kind.
      config: of the model; changed in place.

    Returns:
      The identities of variables that the layers do without once they are rebuilt.

    Raises:
      ValueError: such a layer has no entry in the config, or one that does not take all that it learnt.
    """
    entries = {entry["config"].get("name"): entry["config"] for entry in config.get("layers", ())}
    left_out: set[int] = set()
    for layer in getattr(model, "layers", ()):
        entry = entries.get(layer.name)
        if isinstance(layer, keras.Model):
            left_out |= fill_adapted(layer, {} if entry is None else entry)
        elif isinstance(layer, _ADAPTED):
            learnt = next((name for name in ("vocabulary", "mean") if layer.get_config().get(name, "") is None), None)
            if learnt is not None:
                _check_fits(layer, entry, learnt, model.name)
                left_out |= _fill(layer, entry or {}, learnt)
    return left_out


def _check_fits(layer: keras.layers.Layer, entry: dict[str, Any] | None, learnt: str, model: str) -> None:
    if entry is None or entry.get("output_mode") == "tf_idf":  # whose weights of words no layer gives away
        raise ValueError(
            f"The layer {layer.name} of the Keras model {model} learnt its {learnt} in adapt(), so the model's config "
            "does not have it. An Estimator makes the model anew from its config in every graph. "
            f"Give the layer its {learnt} when you make it"
        )


def _fill(layer: keras.layers.Layer, entry: dict[str, Any], learnt: str) -> set[int]:
    """Writes what a layer learnt into its config, and returns the identities of the variables that held it."""
    if learnt == "vocabulary":
        tokens = layer.get_vocabulary(include_special_tokens=False)
        entry["vocabulary"] = [token.item() if isinstance(token, np.generic) else token for token in tokens]
    else:
        # The config takes a number for each place along the axes that are kept; the layer has them with axes of size 1.
        shape = [layer.mean.shape[axis] for axis in entry["axis"] or ()]
        entry |= {name: np.reshape(getattr(layer, name), shape).tolist() for name in ("mean", "variance")}
    return {id(variable) for variable in layer.variables}


def name_functions(model: keras.Model, config: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Writes names into a model's config for the functions of its Lambda layers, where Keras writes their code.

    The functions of a model in memory are the person's own, as the model function is, so they are used as they are:
    code of a config is not trusted by Keras, and runs without the names of its module.

    Args:
      model: of any kind.
      config: of the model; changed in place.

    Returns:
      The functions by these names: custom objects of the config.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for layer, entry in _lambdas(model, config):
        named = {"function": layer.function}
        if "output_shape" in entry and isinstance(entry["output_shape"], dict):
            named["output_shape"] = layer.compute_output_shape
        for argument, function in named.items():
            entry[argument] = f"{argument} of Lambda {len(functions)}"
            functions[entry[argument]] = function
        if "mask" in entry:
            entry["mask"] = layer.mask  # which Keras does not read back
    return functions


def _lambdas(layer: keras.layers.Layer, config: dict[str, Any]) -> Iterator[tuple[keras.layers.Lambda, dict[str, Any]]]:
    """The Lambda layers in a layer, each with its config, of which the layer's config consists."""
    if isinstance(layer, keras.layers.Lambda):
        yield layer, config
    elif isinstance(layer, keras.layers.Wrapper):
        yield from _lambdas(layer.layer, config.get("layer", {}).get("config", {}))
    elif isinstance(layer, keras.Model):
        inner = {one.name: one for one in layer.layers}
        for entry in config.get("layers", ()):
            if entry["config"].get("name") in inner:
                yield from _lambdas(inner[entry["config"]["name"]], entry["config"])


def named_from_zero(optimizer: keras.optimizers.Optimizer, config: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's config without a name that Keras has counted.

    A model that is compiled again has an optimizer called `sgd_1`; its variables are those of the first one.
    """
    settings = {name: value for name, value in config["config"].items() if name != "name"}
    with keras_names.from_zero():
        automatic = type(optimizer).from_config(copy.deepcopy(settings)).name
    if not re.fullmatch(rf"{re.escape(automatic)}(_\d+)?", optimizer.name):
        settings["name"] = optimizer.name
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        settings["inner_optimizer"] = named_from_zero(optimizer.inner_optimizer, settings["inner_optimizer"])
    return config | {"config": settings}


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """What compile() was called with, with metrics of their own state."""
    arguments = keras_models.compile_arguments(model)
    for name in ("metrics", "weighted_metrics"):
        if arguments.get(name) is not None:
            arguments[name] = keras.tree.map_structure(_fresh, arguments[name])
    return {name: value for name, value in arguments.items() if name not in ("jit_compile", "steps_per_execution")}


def _fresh(metric: Any) -> Any:
    return metric.__class__.from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric
