"""`tf.contrib.predictor`: an export as a function of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.compat import names
from trainer.exported.model import Model


class SavedModelPredictor:
    """A signature of a SavedModel.

    Args:
      export_dir: the directory of the SavedModel.
      signature_def_key: which signature; None for the default one.

    Raises:
      UsageError: there is no such signature; names those that there are.
    """

    def __init__(self, export_dir: str, signature_def_key: str | None) -> None:
        self._model = Model(export_dir)
        self._signature = self._model.signature(signature_def_key)

    def __call__(self, input_dict: Mapping[str, Any], output_dict: Any = None) -> dict[str, np.ndarray]:
        """The outputs for a batch, [batch, …] each.

        Args:
          input_dict: by the name of an input, its values [batch, …].
          output_dict: names of outputs, or a dict of them; None for all.

        Raises:
          ValueError: an input is missing, or not known.
        """
        inputs = self._signature.inputs
        if set(input_dict) != set(inputs):
            raise ValueError(
                f"The predictor was given {', '.join(sorted(input_dict)) or 'nothing'}. "
                f"It takes {', '.join(sorted(inputs))}. Give values to each of these"
            )
        given = {name: tf.convert_to_tensor(value, inputs[name].dtype) for name, value in input_dict.items()}
        outputs = self._model.call(self._signature, given)
        return {name: outputs[name].numpy() for name in (outputs if output_dict is None else output_dict)}


def from_saved_model(
    export_dir: str | os.PathLike[str] | bytes,
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Any = None,
    output_names: Any = None,
    tags: Any = None,
    graph: Any = None,
    config: Any = None,
) -> SavedModelPredictor:
    """A function that predicts with an export.

    Args:
      export_dir: the directory of the SavedModel.
      signature_def_key: which signature; None for `serving_default`.
      signature_def: refused.
      input_names: refused, as `signature_def` is.
      output_names: refused.
      tags: means nothing: an export has one graph.
      graph: means nothing: there is no graph outside.
      config: means nothing: there is no Session.

    Raises:
      UsageError: there is no such signature.
      ValueError: names of tensors are given.
    """
    if signature_def is not None or input_names is not None or output_names is not None:
        raise ValueError(
            "from_saved_model was given signature_def, input_names or output_names, which name tensors of a graph. "
            "It takes signature_def_key. Export a signature of these inputs and outputs"
        )
    return SavedModelPredictor(os.fsdecode(export_dir), signature_def_key)


_ADVICE = {
    name: "Export the Estimator, and use from_saved_model"
    for name in ("from_estimator", "from_contrib_estimator", "saved_model_predictor")
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, {}, None, _ADVICE)
