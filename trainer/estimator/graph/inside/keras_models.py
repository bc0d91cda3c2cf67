"""What a compiled Keras model knows of itself and keeps private."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """What compile() was called with; `get_compile_config` gives it serialised, which own losses may not allow."""
    return dict(model._compile_config.config)


def compiled_metrics(model: keras.Model) -> Iterator[tuple[str | None, keras.metrics.Metric]]:
    """The metrics that compile() was given, each with the name of its output; `model.metrics` has neither.

    The name is None where the model's outputs have none.
    """
    compiled = model._compile_metrics
    if compiled is not None:
        for group in [*compiled._flat_metrics, *compiled._flat_weighted_metrics]:
            for metric in group.metrics if group else ():
                yield group.output_name, metric


def input_names(model: keras.Model) -> list[set[str]]:
    """For each input of a functional or sequential model its name, that of its input layer, and `<layer>_input`.

    Which layers take an input is known to their nodes alone.
    """
    named = []
    for tensor in model.inputs:
        # tf.estimator called an input after the layer that takes it, so features of old programs are keyed that way.
        names = {tensor.name, tensor._keras_history.operation.name}
        names |= {
            f"{layer.name}_input"
            for layer in model.layers
            for node in layer._inbound_nodes
            if any(argument is tensor for argument in node.input_tensors)
        }
        if isinstance(model, keras.Sequential) and model.layers:
            names.add(f"{model.layers[0].name}_input")
        named.append(names)
    return named


def input_structure(model: keras.Model) -> Any:
    """How a functional model wants its inputs nested; `model.inputs` is flat."""
    return model._inputs_struct
