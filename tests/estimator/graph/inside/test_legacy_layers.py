"""The layers and cells that tf_keras has kept, in TensorFlow's own place for them."""

from __future__ import annotations

import sys

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import legacy_layers


def test_both_modules_are_in_tf_keras() -> None:
    assert legacy_layers.module("layers").dense.__name__ == "dense"
    assert legacy_layers.module("rnn_cell").GRUCell.__name__ == "GRUCell"


def test_tensorflows_places_give_them_once_they_are_offered() -> None:
    for _ in range(2):
        legacy_layers.offer()
        assert tf.compat.v1.layers.dense is legacy_layers.module("layers").dense
        assert tf.compat.v1.nn.rnn_cell.LSTMStateTuple is legacy_layers.module("rnn_cell").LSTMStateTuple


def test_a_name_that_is_in_neither_is_an_attribute_error() -> None:
    legacy_layers.offer()
    with pytest.raises(AttributeError, match="densest"):
        tf.compat.v1.layers.densest  # noqa: B018


def test_keras_3_stays_what_it_is() -> None:
    legacy_layers.offer()
    assert tf.keras.__version__.startswith("3.")


def test_without_tf_keras_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    monkeypatch.setitem(sys.modules, "tf_keras.api._v1.keras.__internal__.legacy.layers", None)
    with pytest.raises(AttributeError, match=r"Install the extra compat: pip install '\.\[compat\]' where"):
        legacy_layers.module("layers")
