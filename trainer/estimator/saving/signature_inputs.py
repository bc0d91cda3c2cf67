"""The inputs of a signature that are sparse or ragged tensors, which a SavedModel takes part by part.

`tf.saved_model.save` names the parts of a composite input by numbers, and says nowhere what they are parts of. Here the
parts have names, and the definition of the signature says what they make up, as that of tf.estimator did::

    inputs              flat                                 in the signature's definition
    ids: sparse         ids_indices, ids_values,             ids: coo_sparse of these three
                        ids_dense_shape
    rows: ragged        rows_values, rows_row_splits         rows: a composite tensor of these two
    x: dense            x                                    x
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.composites import is_composite
from trainer.estimator.graph.inside.tensor_infos import tensor_info

SignatureDef = Any
"""`tensorflow.SignatureDef`, which has no public name in TensorFlow 2."""


def flat(inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Dense tensors [...] for all inputs, by names of their own, in the order of `tf.nest`.

    Args:
      inputs: dense, sparse and ragged tensors, by name.
    """
    return {name: tensor for names in _parts(inputs).values() for name, tensor in names.items()}


def _parts(inputs: Mapping[str, Any]) -> dict[str, dict[str, tf.Tensor]]:
    """By the name of each input its dense tensors [...] by theirs."""
    taken = set(inputs)
    parts: dict[str, dict[str, tf.Tensor]] = {}
    for name, tensor in inputs.items():
        tensors = tf.nest.flatten(tensor, expand_composites=True)
        names = [name] if not is_composite(tensor) else [f"{name}_{part}" for part in _names(tensor, len(tensors))]
        while is_composite(tensor) and taken & set(names):
            names = [f"{part}_" for part in names]
        taken.update(names)
        parts[name] = dict(zip(names, tensors, strict=True))
    return parts


def _names(tensor: Any, count: int) -> list[str]:
    """What the parts of a composite tensor [...] are called."""
    if isinstance(tensor, tf.SparseTensor):
        return ["indices", "values", "dense_shape"]
    if isinstance(tensor, tf.RaggedTensor):
        splits = ["row_splits"] if count == 2 else [f"row_splits_{index}" for index in range(count - 1)]
        return ["values", *splits]
    return [f"part_{index}" for index in range(count)]


def make_whole(definition: SignatureDef, inputs: Mapping[str, Any]) -> None:
    """Lets the definition of a signature whose inputs are flat say what they make up.

    Args:
      definition: changed in place.
      inputs: dense, sparse and ragged tensors, by name.
    """
    for name, names in _parts(inputs).items():
        if not is_composite(inputs[name]):
            continue
        infos = [definition.inputs[part].name for part in names]
        for part in names:
            del definition.inputs[part]
        whole = tensor_info(inputs[name])
        if whole.WhichOneof("encoding") == "coo_sparse":
            sparse = whole.coo_sparse
            sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name = infos
        else:
            for component, tensor_name in zip(whole.composite_tensor.components, infos, strict=True):
                component.name = tensor_name
        definition.inputs[name].CopyFrom(whole)
