"""A compiled Keras 3 model as an Estimator."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.estimator import keras_config
from trainer.estimator.contract.export import DEFAULT_SIGNATURE, PredictOutput
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.contract.xla_use import XlaUse, asking_for
from trainer.estimator.estimator import Estimator
from trainer.estimator.graph.inside import keras_compile, keras_models, keras_names
from trainer.estimator.graph.inside.modes import eagerly, numbered

_FORMATS = ("checkpoint", "saver")


@eagerly
def model_to_estimator(
    keras_model: keras.Model | None = None,
    keras_model_path: str | os.PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    config: RunConfig | None = None,
    checkpoint_format: str = "checkpoint",
    metric_names_map: Mapping[str, str] | None = None,
    export_outputs: Mapping[str, Any] | None = None,
) -> Estimator:
    """An Estimator that trains, evaluates, asks and exports a compiled Keras model, from its present weights on.

    Features are keyed by the names of the model's inputs, or by `<layer>_input` after the layer that takes one;
    labels of several outputs by the names of the outputs. Features of the form `{"features": …, "sample_weights": …}`
    weight the examples. A `jit_compile` that `compile()` was given says whether XLA makes the steps, where the config
    leaves that open.

    Args:
      keras_model: a compiled model that can be rebuilt from its config.
      keras_model_path: a saved one instead; one that holds Python code is refused.
      custom_objects: by name, what its config names beyond Keras itself.
      model_dir: where checkpoints and events go.
      config: a RunConfig.
      checkpoint_format: `checkpoint` or `saver`, which mean the same: values by the names of variables.
      metric_names_map: Keras's metric names to the names wanted.
      export_outputs: for outputs by name, `RegressionOutput` or another way to answer, a signature of that name each,
        beside `serving_default`, which gives all outputs.

    Raises:
      ValueError: no model or two, or one that is not compiled or cannot be rebuilt, or another format. In an
        evaluation: names of metrics that are not the model's.
      KeyError: when it is used: export_outputs names an output that the model does not have.
    """
    if (keras_model is None) == (keras_model_path is None):
        raise ValueError("model_to_estimator takes a keras_model or a keras_model_path, one of them")
    if checkpoint_format not in _FORMATS:
        raise ValueError(f"checkpoint_format is {checkpoint_format!r}. It takes {' or '.join(_FORMATS)}. Leave it out")
    model = keras_model if keras_model is not None else _loaded(os.fsdecode(keras_model_path or ""), custom_objects)
    if not getattr(model, "compiled", False):
        raise ValueError(
            f"The Keras model {model.name} is not compiled. Call its compile() with an optimizer and a loss"
        )
    adapter = _Adapter(model, dict(custom_objects or {}), dict(metric_names_map or {}), export_outputs)
    initial_values = adapter.initial_values()
    config = _with_xla(config, keras_compile.given_jit_compile(model))
    return Estimator(adapter.model_fn, model_dir=model_dir, config=config, initial_values=initial_values)


def _with_xla(config: RunConfig | None, jit_compile: bool | None) -> RunConfig | None:
    """A config that says of XLA what `compile()` was told; the config's own word comes first."""
    if jit_compile is None:
        return config
    config = RunConfig() if config is None else config
    use = XlaUse.AT_ONCE if jit_compile else XlaUse.NEVER
    return config.replace(session_config=asking_for(config.session_config, use))


def _loaded(path: str, custom_objects: Mapping[str, Any] | None) -> keras.Model:
    try:
        return keras.saving.load_model(path, custom_objects=custom_objects, safe_mode=True)
    except (OSError, ValueError, TypeError) as error:
        if "lambda" in str(error).lower():
            raise ValueError(
                f"keras_model_path {path} holds Python code, a Lambda layer. It takes models whose layers are data: "
                "code of a file would run with all your rights. If you trust who made it, give keras_model="
                "keras.saving.load_model(path, safe_mode=False)"
            ) from error
        raise ValueError(f"keras_model_path {path} cannot be loaded: {error}") from error


class _Adapter:
    """The model function of a Keras model."""

    def __init__(
        self,
        model: keras.Model,
        custom_objects: dict[str, Any],
        metric_names: dict[str, str],
        export_outputs: Mapping[str, Any] | None,
    ) -> None:
        self._model, self._metric_names = model, metric_names
        try:
            self._config = model.get_config()
        except NotImplementedError as error:
            raise ValueError(
                f"The Keras model {model.name} cannot be rebuilt: {_without_example(error)}. "
                "An Estimator makes the model anew in every graph. "
                "Give its class get_config and from_config, or use a functional or sequential model"
            ) from error
        self._in_config = keras_config.fill_adapted(model, self._config)
        self._export_outputs = export_outputs
        self._custom_objects = custom_objects | keras_config.name_functions(model, self._config)
        with keras.saving.custom_object_scope(custom_objects):
            self._optimizer = keras_config.named_from_zero(model.optimizer, keras.optimizers.serialize(model.optimizer))

    def _rebuilt(self) -> keras.Model:
        return self._model.__class__.from_config(copy.deepcopy(self._config))

    def initial_values(self) -> dict[str, np.ndarray]:
        """The model's present values by the names that its variables get when it is rebuilt.

        Raises:
          ValueError: what is rebuilt has other variables.
        """
        with keras.saving.custom_object_scope(self._custom_objects), keras_names.from_zero():
            rebuilt = self._rebuilt()
            shapes = (self._model.get_build_config() or {}).get("input_shape")
            if not rebuilt.built and shapes is not None:
                rebuilt(keras.tree.map_shape_structure(keras.KerasTensor, shapes))
        own = [variable for variable in self._model.variables if id(variable) not in self._in_config]
        names = [variable.path for variable in rebuilt.variables]
        if [variable.shape for variable in own] != [variable.shape for variable in rebuilt.variables]:
            raise ValueError(
                f"The Keras model {self._model.name} has the variables {', '.join(variable.path for variable in own)}; "
                f"rebuilt from its config it has {', '.join(names) or 'none'}, so its values cannot be carried over. "
                "Let get_config say all that its layers depend on, or use a functional or sequential model"
            )
        return {name: variable.numpy() for name, variable in zip(names, own, strict=True)}

    @numbered
    def model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """The Estimator's side of the model: one forward pass, and what the mode adds to it."""
        with keras.saving.custom_object_scope(self._custom_objects):
            model = self._rebuilt()
            optimizer = keras.optimizers.deserialize(copy.deepcopy(self._optimizer))
            model.compile(**{**keras_config.compile_arguments(self._model), "optimizer": optimizer})
        features, weights = _split_weights(features)
        inputs = _inputs(model, features)
        outputs = model(inputs, training=mode == ModeKeys.TRAIN)
        names = _output_names(model, outputs)
        predictions = dict(zip(names, _listed(outputs), strict=True))
        export_outputs = self._outputs(predictions)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions=predictions, export_outputs=export_outputs)
        targets = _targets(names, labels, outputs)
        loss = model.compute_loss(
            x=inputs, y=targets, y_pred=outputs, sample_weight=weights, training=mode == ModeKeys.TRAIN
        )
        if mode == ModeKeys.EVAL:
            model.compute_metrics(inputs, targets, outputs, sample_weight=weights)
            return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=self._metrics(model, names))
        return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=_train_op(model, loss))

    def _metrics(self, model: keras.Model, outputs: Sequence[str]) -> dict[str, keras.metrics.Metric]:
        """The model's metrics by the names wanted.

        Raises:
          ValueError: metric_names_map names another.
        """
        named = {
            f"{output}_{metric.name}" if len(outputs) > 1 and output else metric.name: metric
            for output, metric in keras_models.compiled_metrics(model)
        }
        unknown = set(self._metric_names) - set(named)
        if unknown:
            raise ValueError(
                f"metric_names_map names {', '.join(sorted(unknown))}. The model's metrics are {', '.join(named)}. "
                "Correct its keys"
            )
        return {self._metric_names.get(name, name): metric for name, metric in named.items()}

    def _outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        """How the model's outputs, each [batch, …], are served.

        Raises:
          KeyError: export_outputs names none of them.
        """
        given = self._export_outputs or {}
        unknown = set(given) - set(predictions)
        if unknown:
            raise KeyError(
                f"export_outputs names {', '.join(sorted(unknown))}. The model's outputs are {', '.join(predictions)}. "
                "Name one of those"
            )
        others = {name: kind(predictions[name]) for name, kind in given.items()}
        return {DEFAULT_SIGNATURE: PredictOutput(predictions), **others}


def _without_example(error: Exception) -> str:
    """Keras's message in one line, without the lines of code that follow it."""
    return " ".join(str(error).split("Example:")[0].split()).rstrip(".")


def _train_op(model: keras.Model, loss: tf.Tensor) -> Any:
    """A step of the model's own optimizer on a loss []."""
    variables = model.trainable_variables
    scaled = model.optimizer.scale_loss(loss)
    gradients = tf.gradients(scaled, [variable.value for variable in variables])
    return model.optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))


def _split_weights(features: Any) -> tuple[Any, Any]:
    if isinstance(features, Mapping) and set(features) == {"features", "sample_weights"}:
        return features["features"], features["sample_weights"]
    return features, None


def _listed(outputs: Any) -> list[Any]:
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _output_names(model: keras.Model, outputs: Any) -> list[str]:
    """The names of the outputs [batch, …] that a model gave, as Keras 2 had them."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    if isinstance(outputs, Mapping):
        return list(outputs)
    own = getattr(model, "output_names", None)
    return list(own) if own else [f"output_{number}" for number, _ in enumerate(_listed(outputs), 1)]


def _inputs(model: keras.Model, features: Any) -> Any:
    """The features in the order and types of the model's inputs.

    Raises:
      KeyError: a feature is missing.
    """
    if not getattr(model, "inputs", None):
        return features
    if not isinstance(features, Mapping):
        tensors: Sequence[Any] = _listed(features)
    else:
        named = zip(keras_models.input_names(model), model.inputs, strict=True)
        tensors = [_feature(features, names, tensor.name) for names, tensor in named]
    cast = [
        tensor if tensor.dtype == tf.string else tf.cast(tensor, wanted.dtype)
        for tensor, wanted in zip(tensors, model.inputs, strict=True)
    ]
    return cast[0] if len(cast) == 1 else keras.tree.pack_sequence_as(keras_models.input_structure(model), cast)


def _feature(features: Mapping[str, Any], names: set[str], own: str) -> Any:
    for name in features:
        if name in names:
            return features[name]
    raise KeyError(
        f"The model's input {own!r} is missing in the features; they have {', '.join(map(repr, features))}. "
        f"Call it {' or '.join(map(repr, sorted(names)))}"
    )


def _targets(names: Sequence[str], labels: Any, outputs: Any) -> Any:
    """The labels, structured as the outputs are.

    Args:
      names: of the outputs.
      labels: [batch, …] by the names of the outputs, or structured already.
      outputs: of the model, [batch, …] each.

    Raises:
      KeyError: the label of an output is missing.
    """
    if not isinstance(labels, Mapping):
        return labels
    missing = [name for name in names if name not in labels]
    if missing:
        raise KeyError(
            f"The labels lack {', '.join(map(repr, missing))}; they have {', '.join(map(repr, labels))}. "
            "Key them by output"
        )
    if isinstance(outputs, Mapping):
        return {name: labels[name] for name in names}
    ordered = [labels[name] for name in names]
    return ordered[0] if len(ordered) == 1 else ordered
