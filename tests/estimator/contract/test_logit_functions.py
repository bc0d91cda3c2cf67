"""Calls of functions that compute logits."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import experimental


def test_a_logit_function_gets_what_it_takes() -> None:
    def logit_fn(features: Any, mode: str, params: Any) -> Any:
        return {"a": tf.constant(features), "b": tf.constant([mode, params])}

    logits = experimental.call_logit_fn(logit_fn, [1.0], "train", "params", None)
    assert logits["a"].numpy().tolist() == [1.0]
    assert logits["b"].numpy().tolist() == [b"train", b"params"]
    assert experimental.call_logit_fn(lambda features: features, tf.ones([2]), "train", None, None).shape == [2]


@pytest.mark.parametrize("result", [[1.0], {"a": 1.0}, None])
def test_logits_are_tensors(result: Any) -> None:
    with pytest.raises(ValueError, match="The logit function returned .*. It returns a tensor, or a dict of names"):
        experimental.call_logit_fn(lambda features: result, {}, "train", None, None)
