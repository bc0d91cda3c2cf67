"""The heads that programs took out of tf.estimator's canned ones: their loss is a sum unless they say otherwise."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.v1.heads import binary_or_multi_class_head
from trainer.estimator.heads import v1_named_heads
from trainer.estimator.heads.v1_head import Head

_SUM = tf.compat.v1.losses.Reduction.SUM


binary_head = functools.partial(v1_named_heads.binary_classification_head, loss_reduction=_SUM)
multi_class_head = functools.partial(v1_named_heads.multi_class_head, loss_reduction=_SUM)
regression_head = functools.partial(v1_named_heads.regression_head, loss_reduction=_SUM)


def classifier_head(
    n_classes: int, weight_column: Any, label_vocabulary: Sequence[str] | None, loss_reduction: str = _SUM
) -> Head:
    """That of two classes, or of more.

    Args:
      n_classes: 2 or more.
      weight_column: as of the heads.
      label_vocabulary: as of the heads.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
    """
    return binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
