"""The head of the classifiers of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.estimator.heads.v1_head import Head
from trainer.estimator.heads.v1_named_heads import binary_classification_head, multi_class_head


def binary_or_multi_class_head(
    n_classes: int, weight_column: Any, label_vocabulary: Sequence[str] | None, loss_reduction: str
) -> Head:
    """That of two classes, or of more.

    Args:
      n_classes: 2 or more.
      weight_column: as of the heads.
      label_vocabulary: as of the heads.
      loss_reduction: as of the heads.
    """
    if n_classes == 2:
        return binary_classification_head(
            weight_column, label_vocabulary=label_vocabulary, loss_reduction=loss_reduction
        )
    return multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
