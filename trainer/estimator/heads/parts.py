"""What several heads side by side share: their names, the logits and labels of each, and their signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from trainer.estimator.contract.export import ExportOutput, PredictOutput
from trainer.estimator.contract.spec import EstimatorSpec
from trainer.estimator.heads.objective import DEFAULT, PREDICT


class Named(Protocol):
    """A head, of either version."""

    @property
    def name(self) -> str | None:
        """Of the head."""

    @property
    def logits_dimension(self) -> Any:
        """Of its logits."""


def check(heads: Sequence[Named], head_weights: Sequence[float] | None) -> None:
    """Looks at heads that are put side by side.

    Raises:
      ValueError: there are none, one has no name or that of another, or there are more or fewer weights.
    """
    if not heads:
        raise ValueError(f"Several heads in one were given as {heads!r}. It takes a list of heads with names")
    if head_weights and len(head_weights) != len(heads):
        raise ValueError(f"{len(heads)} heads were given {len(head_weights)} head_weights. Each has one")
    for head in heads:
        if not head.name:
            raise ValueError(f"A head among several, {head!r}, has no name. Pass name=… to each")


def logits_of(heads: Sequence[Named], logits: Any) -> Mapping[str | None, Any]:
    """The logits of each head by its name.

    Args:
      heads: in the order of their logits.
      logits: a dict that has them, or all of them beside each other, [D0, …, DN, the sum of their dimensions].

    Raises:
      ValueError: some are missing, or there are more or fewer.
    """
    names = [head.name for head in heads]
    if isinstance(logits, Mapping):
        _check_keys(logits, names, "logits")
        return logits
    with tf.name_scope("split_logits"):
        tensor, sizes = tf.convert_to_tensor(logits), [head.logits_dimension for head in heads]
        last = tensor.shape[-1]
        if last is not None and last != sum(sizes):
            raise ValueError(
                f"Logits of shape {tensor.shape} were given for heads of dimensions {sizes}. "
                f"Their last dimension is the sum, {sum(sizes)}. Make head.logits_dimension of them"
            )
        return dict(zip(names, tf.split(tensor, sizes, axis=-1), strict=True))


def labels_of(heads: Sequence[Named], labels: Any) -> Mapping[str | None, Any]:
    """The labels of each head by its name.

    Args:
      heads: side by side.
      labels: a dict that has them.

    Raises:
      ValueError: it is none, or some are missing.
    """
    names = [head.name for head in heads]
    if not isinstance(labels, Mapping):
        raise ValueError(
            f"Several heads in one were given labels {labels!r}. They take a dict by the names of the heads, "
            f"{', '.join(map(repr, names))}. Let the input function return that"
        )
    _check_keys(labels, names, "labels")
    return labels


def _check_keys(given: Mapping[Any, Any], names: Sequence[str | None], what: str) -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(
            f"The {what} have {', '.join(map(repr, given))}, and the heads are called "
            f"{', '.join(map(repr, names))}. Give {what} to {', '.join(map(repr, missing))}"
        )


def loss_of(losses: Sequence[tf.Tensor], head_weights: Sequence[float] | None) -> tf.Tensor:
    """The sum [] of the heads' losses [], each times its weight if there are weights."""
    with tf.name_scope("merge_losses"):
        weights = head_weights or [1.0] * len(losses)
        return tf.add_n([loss * weight for loss, weight in zip(losses, weights, strict=True)])


def outputs_of(heads: Sequence[Named], specs: Sequence[EstimatorSpec]) -> dict[str, ExportOutput]:
    """The signatures of all heads; the default is that of the first one, and `predict` gives everything.

    Args:
      heads: side by side.
      specs: what each gave for PREDICT.
    """
    found: dict[str, ExportOutput] = {DEFAULT: _outputs(specs[0])[DEFAULT]}
    everything: dict[str, tf.Tensor] = {}
    for head, spec in zip(heads, specs, strict=True):
        for key, output in _outputs(spec).items():
            found[str(head.name) if key == DEFAULT else f"{head.name}/{key}"] = output
            if key == PREDICT and isinstance(output, PredictOutput):
                everything |= {f"{head.name}/{name}": tensor for name, tensor in output.outputs.items()}
    return found | {PREDICT: PredictOutput(everything)}


def _outputs(spec: EstimatorSpec) -> Mapping[str, ExportOutput]:
    return spec.export_outputs or {}
